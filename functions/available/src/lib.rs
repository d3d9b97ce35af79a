//! Searching the carrier for numbers to buy: `/v1/phone-numbers/available`.

mod app;
mod search;

use axum::routing;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;
use web::Http;

use crate::app::{AVAILABLE, App};

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: App) -> Http {
    Http::new().at(AVAILABLE, routing::get(search::search)).for_customers(app)
}

/// How this route is described in the API's documentation.
#[derive(OpenApi)]
#[openapi(paths(search::search), components(schemas(search::AvailableRow, search::Region)))]
pub struct Docs;
