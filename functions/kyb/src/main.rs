fn main() -> Result<(), runtime::Error> {
    runtime::run(kyb::start)
}
