//! Prepaid credits, as an organization sees its own: `/v1/credits/…`.

mod balance;
mod forecast;
mod ledger;

use axum::routing;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;
use web::{Http, TableApp};

const BALANCE: &str = "/v1/credits/balance";
const LEDGER: &str = "/v1/credits/ledger";
const FORECAST: &str = "/v1/credits/forecast";

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = TableApp::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: TableApp) -> Http {
    Http::new()
        .at(BALANCE, routing::get(balance::get))
        .at(LEDGER, routing::get(ledger::list))
        .at(FORECAST, routing::get(forecast::get))
        .for_customers(app)
}

/// How these routes are described in the API's documentation.
#[derive(OpenApi)]
#[openapi(
    paths(balance::get, ledger::list, forecast::get),
    components(schemas(
        balance::Balance,
        ledger::LedgerRows,
        ledger::LedgerRow,
        ledger::LedgerKind,
        forecast::ForecastRow,
        forecast::ChargeRow
    ))
)]
pub struct Docs;
