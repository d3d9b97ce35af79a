//! Phone numbers: `/v1/phone-numbers` and `/v1/phone-numbers/{id}`.

mod buy;
mod cursor;
mod docs;
mod get;
mod list;
mod release;
mod update;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{HeaderName, HeaderValue, header};
use axum::{Json, routing};
use clients::telnyx::Telnyx;
use domain::number::{PhoneNumber, Prices};
use domain::organization::PurchasePolicy;
use domain::{Clock, Randomness};
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use table::{Table, View};
use web::{ApiKeys, Http, PhoneNumberRow};

pub use docs::Docs;

/// What a purchase may still take once its gates are open: 17 s for the order and its number, and twice 3 s for a
/// transaction whose first try is not answered.
const ORDER: Duration = Duration::from_secs(23);

/// What these routes work with.
#[derive(Clone)]
pub(crate) struct App {
    keys: ApiKeys,
    table: Table,
    carrier: Telnyx,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    prices: Prices,
    policy: PurchasePolicy,
    /// Where customers forward their trunks' calls to.
    sip_host: Arc<str>,
    /// A purchase that has not come to its transaction after this long is not begun.
    latest_order: Duration,
}

impl App {
    fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let (table, clock, settings) = (Table::from_start(start)?, start.clock.clone(), &start.settings);
        Ok(Self {
            keys: ApiKeys::new(table.clone(), clock.clone()),
            table,
            carrier: Telnyx::from_start(start)?,
            clock,
            randomness: start.randomness.clone(),
            prices: settings.prices()?,
            policy: settings.purchase_policy()?,
            sip_host: settings.sip_host()?.into(),
            latest_order: start.call_time_out.saturating_sub(ORDER),
        })
    }

    fn row(&self, view: &View<PhoneNumber>) -> Row {
        let View { shown: number, sip_connections, organization } = view;
        let row = PhoneNumberRow::new(number, sip_connections, organization, &self.sip_host, self.clock.now());
        ([(header::ETAG, etag(number))], Json(row))
    }
}

/// One number, with its version as `ETag`.
type Row = ([(HeaderName, HeaderValue); 1], Json<PhoneNumberRow>);

fn etag(number: &PhoneNumber) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", number.version)).unwrap_or(HeaderValue::from_static("\"0\""))
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
    Router::new()
        .route("/v1/phone-numbers", routing::get(list::list).post(buy::buy))
        .route("/v1/phone-numbers/{id}", routing::get(get::get).patch(update::update).delete(release::release))
        .with_state(app)
}
