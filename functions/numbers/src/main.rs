fn main() -> Result<(), runtime::Error> {
    runtime::run(numbers::start)
}
