//! Importing a number from a SIP trunk: `/v1/phone-numbers/import`.

mod app;
mod import;

use axum::routing;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;
use web::Http;

use crate::app::{App, IMPORT};

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: App) -> Http {
    Http::new().at(IMPORT, routing::post(import::import)).for_customers(app)
}

/// How this route is described in the API's documentation.
#[derive(OpenApi)]
#[openapi(paths(import::import), components(schemas(import::ImportRequest)))]
pub struct Docs;
