fn main() -> Result<(), runtime::Error> {
    runtime::run(kyb_notifier::start)
}
