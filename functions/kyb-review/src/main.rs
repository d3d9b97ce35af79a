fn main() -> Result<(), runtime::Error> {
    runtime::run(kyb_review::start)
}
