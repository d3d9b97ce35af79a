//! Searching the carrier for numbers to buy: `/v1/phone-numbers/available`.

mod docs;
mod search;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::{Router, routing};
use clients::telnyx::Telnyx;
use domain::number::Prices;
use domain::{Clock, SystemClock};
use runtime::settings::{Settings, SettingsError};
use table::Table;
use web::ApiKeys;

pub use docs::Docs;

/// What this route works with.
#[derive(Clone)]
pub struct App {
    pub keys: ApiKeys,
    pub table: Table,
    pub carrier: Telnyx,
    pub clock: Arc<dyn Clock>,
    pub prices: Prices,
}

impl App {
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let table = Table::new(&settings.account()?.sdk_config(), settings.table_name()?);
        Ok(Self {
            keys: ApiKeys::new(table.clone(), clock.clone()),
            table,
            carrier: Telnyx::new(&settings.telnyx_url(), settings.telnyx_secret()?, &settings.table_name()?),
            clock,
            prices: settings.prices()?,
        })
    }
}

impl FromRef<App> for ApiKeys {
    fn from_ref(app: &App) -> Self {
        app.keys.clone()
    }
}

pub fn router(app: App) -> Router {
    Router::new().route("/v1/phone-numbers/available", routing::get(search::search)).with_state(app)
}
