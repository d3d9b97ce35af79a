//! Importing a number from a SIP trunk: `/v1/phone-numbers/import`.

mod docs;
mod import;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::{Router, routing};
use domain::{Clock, MicroUsd, SystemClock};
use runtime::settings::{Settings, SettingsError};
use table::Table;
use web::ApiKeys;

pub use docs::Docs;

/// What this route works with.
#[derive(Clone)]
pub struct App {
    pub keys: ApiKeys,
    pub table: Table,
    pub clock: Arc<dyn Clock>,
    /// What an imported number costs each month.
    pub monthly_fee: MicroUsd,
    /// How many numbers one organization may import.
    pub limit: u32,
    /// Where customers forward their trunks' calls to.
    pub sip_host: Arc<str>,
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
            clock,
            monthly_fee: settings.import_monthly_fee()?,
            limit: settings.import_limit()?,
            sip_host: settings.sip_host()?.into(),
        })
    }
}

impl FromRef<App> for ApiKeys {
    fn from_ref(app: &App) -> Self {
        app.keys.clone()
    }
}

pub fn router(app: App) -> Router {
    Router::new().route("/v1/phone-numbers/import", routing::post(import::import)).with_state(app)
}
