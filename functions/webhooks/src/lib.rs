//! Customer events: `/v1/phone-numbers/events`.

mod events;
mod row;

use axum::routing;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;
use web::{Http, TableApp};

const EVENTS: &str = "/v1/phone-numbers/events";

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = TableApp::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: TableApp) -> Http {
    Http::new().at(EVENTS, routing::get(events::list)).for_customers(app)
}

/// How this route is described in the API's documentation.
#[derive(OpenApi)]
#[openapi(
    paths(events::list),
    components(schemas(
        events::EventsPage,
        row::EventRow,
        row::EventType,
        row::EventData,
        row::EventNumber,
        row::EventVerification,
        row::EventCredits
    ))
)]
pub struct Docs;
