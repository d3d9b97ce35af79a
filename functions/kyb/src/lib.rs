//! Business verification: `/v1/phone-numbers/kyb`, `/v1/phone-numbers/kyb/draft`, `/v1/phone-numbers/kyb/submit`.

mod docs;
mod draft;
mod filing;
mod overview;
mod rows;
mod submit;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::{Router, routing};
use domain::{Clock, SystemClock};
use runtime::message::SubmissionHandle;
use runtime::queue::Queue;
use runtime::settings::{Settings, SettingsError};
use table::Table;
use web::ApiKeys;

pub use docs::Docs;

/// What these routes work with.
#[derive(Clone)]
pub struct App {
    pub keys: ApiKeys,
    pub table: Table,
    pub queue: Queue<SubmissionHandle>,
    pub clock: Arc<dyn Clock>,
}

impl App {
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = settings.account()?.sdk_config();
        let table = Table::new(&config, settings.table_name()?);
        Ok(Self {
            keys: ApiKeys::new(table.clone(), clock.clone()),
            table,
            queue: Queue::new(&config, settings.notifications_queue_url()?),
            clock,
        })
    }
}

impl FromRef<App> for ApiKeys {
    fn from_ref(app: &App) -> Self {
        app.keys.clone()
    }
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/phone-numbers/kyb", routing::get(overview::overview))
        .route("/v1/phone-numbers/kyb/draft", routing::put(draft::draft))
        .route("/v1/phone-numbers/kyb/submit", routing::post(submit::submit))
        .with_state(app)
}
