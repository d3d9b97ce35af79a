fn main() -> Result<(), runtime::Error> {
    runtime::run(available::start)
}
