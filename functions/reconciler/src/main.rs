fn main() -> Result<(), runtime::Error> {
    runtime::run(reconciler::start)
}
