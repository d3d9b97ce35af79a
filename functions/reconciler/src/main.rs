use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use reconciler::{Reconciler, Task, sweep};
use runtime::settings::Settings;
use serde_json::Value;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    runtime::logs::start(settings.log_level()?);
    let reconciler = Reconciler::from_settings(&settings)?;
    reconciler.table.connect().await;
    run(service_fn(async |event: LambdaEvent<Value>| handle(&reconciler, event.payload).await)).await
}

async fn handle(reconciler: &Reconciler, event: Value) -> Result<Value, Error> {
    Ok(match Task::read(event)? {
        Task::Settle {} => serde_json::to_value(Box::pin(reconciler.run()).await?)?,
        Task::Sweep(order) => serde_json::to_value(reconciler.sweep(&order, Instant::now() + sweep::SWEEP).await)?,
    })
}
