//! Staff decide in Slack: `POST /slack/interactions`.
//!
//! Slack waits three seconds for an answer, and says by its signature that it asks. A decision is made by one
//! conditional write; everything after it only shows it. So a call that comes twice changes nothing the second time,
//! and a Slack that cannot show an outcome undoes none: clicking once more shows it.

mod interaction;
mod modal;
mod review;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use clients::slack::{SigningSecret, Slack, Unsigned};
use domain::{Clock, Error, SystemClock};
use runtime::settings::{Settings, SettingsError};
use table::Table;
use tokio::time::timeout_at;
use web::ApiResult;

use crate::interaction::Interaction;
use crate::review::Deadlines;

/// The most bytes of a call. Slack repeats the whole message in it, percent-encoded.
const MOST_BODY: usize = 1024 * 1024;

/// What this route works with.
#[derive(Clone)]
pub struct App {
    pub table: Table,
    pub slack: Slack,
    pub signing: SigningSecret,
    pub clock: Arc<dyn Clock>,
    /// The Slack users who may decide; empty lets everybody who sees the message.
    pub reviewers: Arc<[String]>,
}

impl App {
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_settings(settings: &Settings) -> Result<Self, SettingsError> {
        let secret = settings.slack_secret()?;
        Ok(Self {
            table: Table::new(&settings.account()?.sdk_config(), settings.table_name()?),
            slack: Slack::new(&settings.slack_url(), secret.clone()),
            signing: SigningSecret::new(secret),
            clock: Arc::new(SystemClock),
            reviewers: settings.slack_reviewers()?.into(),
        })
    }
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/slack/interactions", routing::post(interact))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(app)
}

/// `POST /slack/interactions`
async fn interact(State(app): State<App>, headers: HeaderMap, body: Bytes) -> ApiResult<Response> {
    let time = Deadlines::from_now();
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

fn refusal(unsigned: Unsigned) -> Error {
    match unsigned {
        Unsigned::Forged => Error::Unauthorized,
        Unsigned::Failed(source) => Error::internal(source),
    }
}
