fn main() -> Result<(), runtime::Error> {
    runtime::run(renewals::start)
}
