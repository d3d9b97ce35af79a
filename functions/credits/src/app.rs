//! What these routes work with.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::Clock;
use runtime::Start;
use runtime::settings::SettingsError;
use table::Table;
use web::Reception;

pub(crate) const BALANCE: &str = "/v1/credits/balance";
pub(crate) const LEDGER: &str = "/v1/credits/ledger";
pub(crate) const FORECAST: &str = "/v1/credits/forecast";

/// What these routes work with.
#[derive(Clone)]
pub(crate) struct App {
    reception: Reception,
    pub(crate) table: Table,
    pub(crate) clock: Arc<dyn Clock>,
}

impl App {
    pub(crate) fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let table = Table::from_start(start)?;
        Ok(Self { reception: Reception::from_start(start, &table)?, table, clock: start.clock.clone() })
    }
}

impl FromRef<App> for Reception {
    fn from_ref(app: &App) -> Self {
        app.reception.clone()
    }
}
