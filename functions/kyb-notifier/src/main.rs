use aws_lambda_events::event::sqs::SqsEvent;
use clients::settings::Settings;
use kyb_notifier::Notifier;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    clients::logs::start(settings.log_level()?);
    let notifier = Notifier::from_settings(settings)?;
    notifier.table.connect().await;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| Ok::<_, Error>(notifier.handle(event.payload).await))).await
}
