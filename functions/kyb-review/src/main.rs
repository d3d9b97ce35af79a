use clients::settings::Settings;
use kyb_review::App;
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_env();
    clients::logs::start(settings.log_level()?);
    let app = App::from_settings(settings)?;
    app.table.connect().await;
    web::run(kyb_review::router(app)).await
}
