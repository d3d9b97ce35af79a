fn main() -> Result<(), runtime::Error> {
    runtime::run(credits::start)
}
