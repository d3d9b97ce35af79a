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
use domain::{Clock, SystemClock};
use runtime::settings::{Settings, SettingsError};
use table::{Table, View};
use web::{ApiKeys, PhoneNumberRow};

pub use docs::Docs;

/// The transaction may take some 2 s, the order and its number 17 s, recording it 2 s, and Lambda stops after 29.
const LATEST_ORDER: Duration = Duration::from_secs(7);

/// What these routes work with.
#[derive(Clone)]
pub struct App {
    pub keys: ApiKeys,
    pub table: Table,
    pub carrier: Telnyx,
    pub clock: Arc<dyn Clock>,
    pub prices: Prices,
    pub policy: PurchasePolicy,
    /// Where customers forward their trunks' calls to.
    pub sip_host: Arc<str>,
    /// A purchase that has not come to its transaction after this long is not begun.
    pub latest_order: Duration,
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
            policy: settings.purchase_policy()?,
            sip_host: settings.sip_host()?.into(),
            latest_order: LATEST_ORDER,
        })
    }

    fn row(&self, view: &View<PhoneNumber>) -> Row {
        let View { numbers: number, sip_connections, organization } = view;
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

pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/phone-numbers", routing::get(list::list).post(buy::buy))
        .route("/v1/phone-numbers/{id}", routing::get(get::get).patch(update::update).delete(release::release))
        .with_state(app)
}
