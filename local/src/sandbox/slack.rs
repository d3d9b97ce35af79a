//! The sandbox Slack: takes messages as Slack does, keeps them, and shows them as staff would see them; what staff click
//! is signed and sent as Slack does.
//!
//! It is stricter than convenient on purpose. What Slack would refuse is refused here with the same code, so that a
//! message which is too long or malformed is found on a developer's machine.

mod api;
mod blocks;
mod staff;
mod store;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::{Clock, SystemClock};
use serde::Serialize;

pub use staff::{Clicks, Opened, Outcome};
pub use store::Message;

use staff::Desk;
use store::Store;

const PAGE: &str = include_str!("slack/page.html");

/// The page brings its own style and script, asks only this server, and loads and sends nothing else.
const PAGE_POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Clone)]
pub struct Options {
    /// The token that callers have to show.
    pub bot_token: String,
    /// Where the messages are kept; `None` forgets them with the process.
    pub file: Option<PathBuf>,
    /// Where clicks go; `None` for a workspace whose messages can only be read.
    pub clicks: Option<Clicks>,
}

/// What goes wrong with a call, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// HTTP 429 with `Retry-After`.
    RateLimited { retry_after_secs: u64 },
    /// HTTP 200 with `"ok": false` and this code.
    Error(String),
    /// HTTP 500 and no JSON.
    Down,
    /// No answer at all, for as long as the caller waits.
    Hang,
}

/// What one person has been told in a channel, and nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    pub channel: String,
    pub user: String,
    pub text: String,
}

/// One workspace with one bot. Clones share the messages.
#[derive(Clone)]
pub struct Slack(Arc<Workspace>);

struct Workspace {
    bot_token: String,
    clock: Arc<dyn Clock>,
    messages: Mutex<Store>,
    /// Gone with the process, as they are gone from Slack when somebody reloads.
    notes: Mutex<Vec<Note>>,
    failures: Mutex<VecDeque<Failure>>,
    down: std::sync::atomic::AtomicBool,
    desk: Desk,
}

impl Slack {
    /// A workspace with the messages that the file holds, if there is one.
    ///
    /// # Errors
    /// The file exists but cannot be read, or holds something else. It is never overwritten then.
    pub fn new(options: Options) -> std::io::Result<Self> {
        Self::with_clock(options, Arc::new(SystemClock))
    }

    /// The same with a clock of the caller's, which dates messages and signs clicks.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(options: Options, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Workspace {
            bot_token: options.bot_token,
            messages: Mutex::new(Store::open(options.file)?),
            notes: Mutex::default(),
            failures: Mutex::default(),
            down: false.into(),
            desk: Desk::new(options.clicks, clock.clone()),
            clock,
        })))
    }

    /// Slack's API under `/api`, the messages as JSON at `/messages` (newest first), the page at `/`, and what the page
    /// asks for when somebody clicks.
    ///
    /// It may be nested under any path; the page finds the rest beside itself.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(page))
            .route("/messages", get(messages))
            .route("/click", post(staff::click))
            .route("/submit", post(staff::submit))
            .route("/api/{method}", post(api::call))
            .with_state(self.clone())
    }

    /// Makes one of the next calls fail: calls fail in the order in which failures are asked for, one for each.
    pub fn fail_next(&self, failure: Failure) {
        lock(&self.0.failures).push_back(failure);
    }

    /// Makes every call fail from now on, or succeed again.
    pub fn set_down(&self, down: bool) {
        self.0.down.store(down, std::sync::atomic::Ordering::SeqCst);
    }

    /// What staff see, newest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        lock(&self.0.messages).newest_first()
    }

    /// What single people have been told, oldest first.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        lock(&self.0.notes).clone()
    }

    fn next_failure(&self) -> Option<Failure> {
        let down = self.0.down.load(std::sync::atomic::Ordering::SeqCst);
        if down { Some(Failure::Down) } else { lock(&self.0.failures).pop_front() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, PAGE_POLICY), (CACHE_CONTROL, "no-store")], Html(PAGE)).into_response()
}

async fn messages(State(slack): State<Slack>) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(slack.messages())).into_response()
}
