//! Business verification: `/v1/phone-numbers/kyb`, `/v1/phone-numbers/kyb/draft`, `/v1/phone-numbers/kyb/submit`.

mod docs;
mod draft;
mod filing;
mod overview;
mod rows;
mod submit;

use std::sync::Arc;

use axum::extract::FromRef;
use axum::{Router, routing};
use domain::{Clock, Randomness};
use runtime::message::SubmissionHandle;
use runtime::queue::Queue;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use table::Table;
use web::{ApiKeys, Http};

pub use docs::Docs;

/// What these routes work with.
#[derive(Clone)]
pub(crate) struct App {
    keys: ApiKeys,
    table: Table,
    queue: Queue<SubmissionHandle>,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
}

impl App {
    fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let (table, clock) = (Table::from_start(start)?, start.clock.clone());
        Ok(Self {
            keys: ApiKeys::new(table.clone(), clock.clone()),
            table,
            queue: Queue::from_start(start)?,
            clock,
            randomness: start.randomness.clone(),
        })
    }
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
        .route("/v1/phone-numbers/kyb", routing::get(overview::overview))
        .route("/v1/phone-numbers/kyb/draft", routing::put(draft::draft))
        .route("/v1/phone-numbers/kyb/submit", routing::post(submit::submit))
        .with_state(app)
}
