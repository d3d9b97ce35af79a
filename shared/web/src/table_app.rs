//! What routes work with that only read the table.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::Clock;
use runtime::Start;
use runtime::settings::SettingsError;
use table::Table;

use crate::Reception;

/// The table and the clock, behind the door that lets callers in.
#[derive(Clone)]
pub struct TableApp {
    reception: Reception,
    pub table: Table,
    pub clock: Arc<dyn Clock>,
}

impl TableApp {
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let table = Table::from_start(start)?;
        Ok(Self { reception: Reception::from_start(start, &table)?, table, clock: start.clock.clone() })
    }
}

impl FromRef<TableApp> for Reception {
    fn from_ref(app: &TableApp) -> Self {
        app.reception.clone()
    }
}
