//! Staff decide in Slack: `POST /slack/interactions`.
//!
//! Slack waits three seconds for an answer, and says by its signature that it asks. A decision is made by one
//! conditional write; everything after it only shows it. So a call that comes twice changes nothing the second time,
//! and a Slack that cannot show an outcome undoes none: clicking once more shows it.

mod interaction;
mod modal;
mod review;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing;
use clients::slack::{SigningSecret, Slack, Unsigned};
use domain::kyb::SlackUserId;
use domain::{Clock, Error};
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use table::Table;
use tokio::time::timeout_at;
use web::{ApiError, ApiResult, Http, whole_body};

use crate::interaction::Interaction;
use crate::review::Deadlines;

/// The most bytes of a call. Slack repeats the whole message in it, percent-encoded.
const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// What this route works with.
#[derive(Clone)]
pub(crate) struct App {
    table: Table,
    slack: Slack,
    signing: SigningSecret,
    clock: Arc<dyn Clock>,
    /// The Slack users who may decide; empty lets everybody who sees the message.
    reviewers: Arc<[SlackUserId]>,
}

impl App {
    fn from_start(start: &Start) -> Result<Self, SettingsError> {
        // One secret, so that it is read once for both.
        let secret = start.slack_secret()?;
        Ok(Self {
            table: Table::from_start(start)?,
            slack: Slack::with_secret(start, secret.clone()),
            signing: SigningSecret::new(secret),
            clock: start.clock.clone(),
            reviewers: start.settings.slack_reviewers()?.into(),
        })
    }
}

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: App) -> Http {
    Http::new().at("/slack/interactions", routing::post(interact)).with_state(app)
}

/// `POST /slack/interactions`
async fn interact(State(app): State<App>, headers: HeaderMap, body: Body) -> ApiResult<Response> {
    let time = Deadlines::from_now();
    let body = whole_body(body, BODY_LIMIT_BYTES).await?;
    let signed = timeout_at(time.decided, app.signing.verify(&headers, &body, app.clock.now())).await;
    signed.map_err(|late| Error::Busy(late.into()))?.map_err(refusal)?;
    Ok(match interaction::read(&body) {
        Interaction::Click(click) => {
            app.click(&click, &time).await;
            ().into_response()
        }
        Interaction::Rejection(rejection) => app.reject(rejection, &time).await,
        Interaction::Other => ().into_response(),
    })
}

fn refusal(unsigned: Unsigned) -> ApiError {
    match unsigned {
        Unsigned::Forged => ApiError::Unauthorized,
        // Before the operator has put the secret in, nobody can sign, and everybody can call: no fault that alarms.
        Unsigned::Failed(source) => Error::Busy(source).into(),
    }
}
