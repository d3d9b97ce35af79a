use aws_lambda_events::event::sqs::SqsEvent;
use kyb_notifier::Notifier;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    runtime::logs::start(settings.log_level()?);
    let notifier = Notifier::from_settings(&settings)?;
    notifier.table.connect().await;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| Ok::<_, Error>(notifier.handle(event.payload).await))).await
}
