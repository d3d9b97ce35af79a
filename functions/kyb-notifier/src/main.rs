use std::sync::Arc;

use aws_lambda_events::event::sqs::SqsEvent;
use clients::settings::Settings;
use clients::slack::Slack;
use domain::SystemClock;
use kyb_notifier::Notifier;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use table::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    clients::logs::start(settings.log_level()?);
    let notifier = Notifier {
        table: Table::new(&settings.account()?.sdk_config(), settings.table_name()?),
        slack: Slack::new(&settings.slack_url(), settings.slack_secret()?),
        clock: Arc::new(SystemClock),
    };
    notifier.table.connect().await;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| Ok::<_, Error>(notifier.handle(event.payload).await))).await
}
