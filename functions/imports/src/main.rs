fn main() -> Result<(), runtime::Error> {
    runtime::run(imports::start)
}
