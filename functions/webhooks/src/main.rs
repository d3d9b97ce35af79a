fn main() -> Result<(), runtime::Error> {
    runtime::run(webhooks::start)
}
