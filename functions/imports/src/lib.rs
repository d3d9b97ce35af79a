//! Importing a number from a SIP trunk: `/v1/phone-numbers/import`.

mod docs;
mod import;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::{Router, routing};
use domain::{Clock, MicroUsd, Randomness};
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use table::Table;
use web::{ApiKeys, Http};

pub use docs::Docs;

/// What this route works with.
#[derive(Clone)]
pub(crate) struct App {
    keys: ApiKeys,
    table: Table,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    /// What an imported number costs each month.
    monthly_fee: MicroUsd,
    /// How many numbers one organization may import.
    limit: u32,
    /// Where customers forward their trunks' calls to.
    sip_host: Arc<str>,
}

impl App {
    fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let (table, clock, settings) = (Table::from_start(start)?, start.clock.clone(), &start.settings);
        Ok(Self {
            keys: ApiKeys::new(table.clone(), clock.clone()),
            table,
            clock,
            randomness: start.randomness.clone(),
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

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", Http(router(app))))
}

fn router(app: App) -> Router {
    Router::new().route("/v1/phone-numbers/import", routing::post(import::import)).with_state(app)
}
