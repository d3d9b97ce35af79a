//! What these routes work with, and how they answer with one number.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::FromRef;
use axum::http::{HeaderName, HeaderValue, header};
use clients::telnyx::Telnyx;
use domain::Clock;
use domain::carrier::PriceLimits;
use domain::number::{PhoneNumber, Prices};
use domain::organization::PurchasePolicy;
use runtime::Start;
use runtime::settings::SettingsError;
use table::{Table, View};
use utoipa::{IntoParams, IntoResponses};
use web::{PhoneNumberRow, Reception};

pub(crate) const NUMBERS: &str = "/v1/phone-numbers";
pub(crate) const NUMBER: &str = "/v1/phone-numbers/{id}";

/// What a purchase may still take once its gates are open: some 2 s for the transaction, 17 s for the order and its number,
/// 2 s to record them, and a second to spare.
const ORDER_TAKES: Duration = Duration::from_secs(22);

/// What these routes work with.
#[derive(Clone)]
pub(crate) struct App {
    reception: Reception,
    pub(crate) table: Table,
    pub(crate) carrier: Telnyx,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) prices: Prices,
    /// The most that the carrier may ask for a number.
    pub(crate) price_limits: PriceLimits,
    pub(crate) policy: PurchasePolicy,
    /// Where customers forward their trunks' calls to.
    pub(crate) sip_host: Arc<str>,
    /// A purchase that has not come to its transaction after this long is not begun.
    pub(crate) latest_order: Duration,
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
            policy: settings.purchase_policy()?,
            sip_host: settings.sip_host()?.into(),
            latest_order: start.call_time_out.saturating_sub(ORDER_TAKES),
        })
    }

    pub(crate) fn row(&self, view: &View<PhoneNumber>) -> Row {
        let View { shown: number, sip_connections, organization, shortfalls } = view;
        let (shortfall, now) = (shortfalls.get(&number.id).copied(), self.clock.now());
        let row = PhoneNumberRow::new(number, sip_connections, organization, &self.sip_host, shortfall, now);
        ([(header::ETAG, etag(number))], Json(row))
    }
}

/// One number, with its version as `ETag`.
pub(crate) type Row = ([(HeaderName, HeaderValue); 1], Json<PhoneNumberRow>);

fn etag(number: &PhoneNumber) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", number.version)).unwrap_or(HeaderValue::from_static("\"0\""))
}

impl FromRef<App> for Reception {
    fn from_ref(app: &App) -> Self {
        app.reception.clone()
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct Id {
    /// Resource id.
    id: String,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum NumberAnswers {
    /// Phone number
    #[response(status = 200, headers(("ETag" = String, description = "The number's version, quoted")))]
    Number(PhoneNumberRow),
}
