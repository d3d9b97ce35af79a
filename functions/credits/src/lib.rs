//! Prepaid credits, as an organization sees its own: `/v1/credits/…`.

mod app;
mod balance;
mod forecast;
mod ledger;

use axum::routing;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;
use web::Http;

use crate::app::{App, BALANCE, FORECAST, LEDGER};

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: App) -> Http {
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
