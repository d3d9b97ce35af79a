//! Phone numbers: `/v1/phone-numbers` and `/v1/phone-numbers/{id}`.

mod app;
mod buy;
mod cursor;
mod get;
mod list;
mod release;
mod update;

use axum::routing;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;
use web::{
    Direction, E164, ErrorBody, Http, JsonObject, NumberSource, PhoneNumberRow, SetupState, SetupStatusRow,
    SuspensionReason,
};

use crate::app::{App, NUMBER, NUMBERS};

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: App) -> Http {
    Http::new()
        .at(NUMBERS, routing::get(list::list).post(buy::buy))
        .at(NUMBER, routing::get(get::get).patch(update::update).delete(release::release))
        .for_customers(app)
}

/// How these routes are described in the API's documentation.
#[derive(OpenApi)]
#[openapi(
    paths(list::list, buy::buy, get::get, update::update, release::release),
    components(schemas(
        E164,
        JsonObject,
        NumberSource,
        PhoneNumberRow,
        SetupState,
        SetupStatusRow,
        SuspensionReason,
        Direction,
        ErrorBody,
        buy::CreateRequest,
        update::UpdateRequest
    ))
)]
pub struct Docs;
