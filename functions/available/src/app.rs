//! What this route works with.

use std::sync::Arc;

use axum::extract::FromRef;
use clients::telnyx::Telnyx;
use domain::Clock;
use domain::carrier::PriceLimits;
use domain::number::Prices;
use runtime::Start;
use runtime::settings::SettingsError;
use table::Table;
use web::Reception;

pub(crate) const AVAILABLE: &str = "/v1/phone-numbers/available";

/// What this route works with.
#[derive(Clone)]
pub(crate) struct App {
    reception: Reception,
    pub(crate) table: Table,
    pub(crate) carrier: Telnyx,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) prices: Prices,
    /// The most that the carrier may ask for a number.
    pub(crate) price_limits: PriceLimits,
}

impl App {
    pub(crate) fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let (table, clock, settings) = (Table::from_start(start)?, start.clock.clone(), &start.settings);
        Ok(Self {
            reception: Reception::from_start(start, &table)?,
            table,
            carrier: Telnyx::from_start(start)?,
            clock,
            prices: settings.prices()?,
            price_limits: settings.carrier_price_limits()?,
        })
    }
}

impl FromRef<App> for Reception {
    fn from_ref(app: &App) -> Self {
        app.reception.clone()
    }
}
