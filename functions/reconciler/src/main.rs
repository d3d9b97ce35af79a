use clients::settings::Settings;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use reconciler::Reconciler;
use serde::de::IgnoredAny;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    clients::logs::start(settings.log_level()?);
    let reconciler = Reconciler::from_settings(settings)?;
    reconciler.table.connect().await;
    run(service_fn(async |_: LambdaEvent<IgnoredAny>| Ok::<_, Error>(Box::pin(reconciler.run()).await?))).await
}
