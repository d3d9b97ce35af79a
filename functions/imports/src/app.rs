//! What this route works with.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::{Clock, MicroUsd};
use runtime::Start;
use runtime::settings::SettingsError;
use table::Table;
use web::Reception;

pub(crate) const IMPORT: &str = "/v1/phone-numbers/import";

/// What this route works with.
#[derive(Clone)]
pub(crate) struct App {
    reception: Reception,
    pub(crate) table: Table,
    pub(crate) clock: Arc<dyn Clock>,
    /// What an imported number costs each month.
    pub(crate) monthly_fee: MicroUsd,
    /// How many numbers one organization may import.
    pub(crate) limit: u32,
    /// Where customers forward their trunks' calls to.
    pub(crate) sip_host: Arc<str>,
}

impl App {
    pub(crate) fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let (table, clock, settings) = (Table::from_start(start)?, start.clock.clone(), &start.settings);
        Ok(Self {
            reception: Reception::from_start(start, &table)?,
            table,
            clock,
            monthly_fee: settings.import_monthly_fee()?,
            limit: settings.import_limit()?,
            sip_host: settings.sip_host()?.into(),
        })
    }
}

impl FromRef<App> for Reception {
    fn from_ref(app: &App) -> Self {
        app.reception.clone()
    }
}
