//! Searching the carrier for numbers to buy: `/v1/phone-numbers/available`.

mod docs;
mod search;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::{Router, routing};
use clients::telnyx::Telnyx;
use domain::Clock;
use domain::number::Prices;
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
    carrier: Telnyx,
    clock: Arc<dyn Clock>,
    prices: Prices,
}

impl App {
    fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let (table, clock, settings) = (Table::from_start(start)?, start.clock.clone(), &start.settings);
        Ok(Self {
            keys: ApiKeys::new(table.clone(), clock.clone()),
            table,
            carrier: Telnyx::from_start(start)?,
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

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", Http(router(app))))
}

fn router(app: App) -> Router {
    Router::new().route("/v1/phone-numbers/available", routing::get(search::search)).with_state(app)
}
