use available::App;
use lambda_http::Error;
use runtime::settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    runtime::logs::start(settings.log_level()?);
    let app = App::from_settings(&settings)?;
    app.table.connect().await;
    web::run(available::router(app)).await
}
