//! The sandbox Slack: takes messages as Slack does, keeps them, and shows them as staff would see them.
//!
//! It is stricter than convenient on purpose. What Slack would refuse is refused here with the same code, so that a
//! message which is too long or malformed is found on a developer's machine.

mod blocks;
mod store;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

pub use store::Message;
use store::Store;

const PAGE: &str = include_str!("slack/page.html");

/// The page brings its own style and script, asks only this server, and loads and sends nothing else.
const PAGE_POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The most characters of a message's `text`; Slack cuts or refuses what is longer.
const MOST_TEXT: usize = 40_000;

#[derive(Clone, Debug)]
pub struct Options {
    /// The token that callers have to show.
    pub bot_token: String,
    /// Where the messages are kept; `None` forgets them with the process.
    pub file: Option<PathBuf>,
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

/// One workspace with one bot. Clones share the messages.
#[derive(Clone, Debug)]
pub struct Slack(Arc<Workspace>);

#[derive(Debug)]
struct Workspace {
    bot_token: String,
    messages: Mutex<Store>,
    failures: Mutex<VecDeque<Failure>>,
}

/// The parts of a call that are used. Slack takes many more, and ignores those that it does not know.
#[derive(Deserialize)]
struct Post {
    channel: Option<String>,
    text: Option<String>,
    blocks: Option<Value>,
}

impl Slack {
    /// A workspace with the messages that the file holds, if there is one.
    ///
    /// # Errors
    /// The file exists but cannot be read, or holds something else. It is never overwritten then.
    pub fn new(options: Options) -> std::io::Result<Self> {
        let messages = Mutex::new(Store::open(options.file)?);
        Ok(Self(Arc::new(Workspace { bot_token: options.bot_token, messages, failures: Mutex::default() })))
    }

    /// Slack's API under `/api`, the messages as JSON at `/messages` (newest first), the page at `/`.
    ///
    /// It may be nested under any path; the page finds the messages beside itself.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(page))
            .route("/messages", get(messages))
            .route("/api/chat.postMessage", post(post_message))
            .with_state(self.clone())
    }

    /// Makes one of the next calls fail: calls fail in the order in which failures are asked for, one for each.
    pub fn fail_next(&self, failure: Failure) {
        self.0.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back(failure);
    }

    /// What staff see, newest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.0.messages.lock().unwrap_or_else(PoisonError::into_inner).newest_first()
    }

    fn next_failure(&self) -> Option<Failure> {
        self.0.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, PAGE_POLICY), (CACHE_CONTROL, "no-store")], Html(PAGE)).into_response()
}

async fn messages(State(slack): State<Slack>) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(slack.messages())).into_response()
}

/// `POST /api/chat.postMessage`
async fn post_message(State(slack): State<Slack>, headers: HeaderMap, body: Bytes) -> Response {
    match slack.next_failure() {
        Some(Failure::RateLimited { retry_after_secs }) => {
            let wait = [(RETRY_AFTER, retry_after_secs.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, wait, refusal("ratelimited")).into_response();
        }
        Some(Failure::Error(code)) => return refusal(&code).into_response(),
        Some(Failure::Down) => return (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong").into_response(),
        Some(Failure::Hang) => std::future::pending().await,
        None => {}
    }
    if let Err(code) = authorize(&headers, &slack.0.bot_token) {
        return refusal(code).into_response();
    }
    let (channel, text, blocks) = match read(&headers, &body) {
        Ok(post) => post,
        Err(refused) => return refused.into_response(),
    };
    let stored = slack.0.messages.lock().unwrap_or_else(PoisonError::into_inner).add(&channel, text, blocks);
    match stored {
        Ok(message) => Json(json!({
            "ok": true,
            "channel": message.channel,
            "ts": message.ts,
            "message": {
                "type": "message",
                "subtype": "bot_message",
                "text": message.text,
                "ts": message.ts,
                "bot_id": "B00000001",
                "blocks": message.blocks,
            },
        }))
        .into_response(),
        Err(error) => {
            tracing::error!(error = %error, "the sandbox Slack cannot write its file");
            (StatusCode::INTERNAL_SERVER_ERROR, "The sandbox cannot keep the message").into_response()
        }
    }
}

fn authorize(headers: &HeaderMap, bot_token: &str) -> Result<(), &'static str> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or("not_authed")?;
    if header.strip_prefix("Bearer ") == Some(bot_token) { Ok(()) } else { Err("invalid_auth") }
}

/// The channel, the text and the blocks of a call that Slack would take.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<(String, String, Value), Json<Value>> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(refusal("invalid_post_type"));
    }
    let post: Post = serde_json::from_slice(body).map_err(|_| refusal("invalid_json"))?;
    let channel = post.channel.filter(|channel| !channel.trim().is_empty());
    let channel = channel.ok_or_else(|| refusal("channel_not_found"))?;
    let text = post.text.unwrap_or_default();
    let blocks = post.blocks.unwrap_or_else(|| json!([]));
    if text.trim().is_empty() && blocks.as_array().is_some_and(Vec::is_empty) {
        return Err(refusal("no_text"));
    }
    if blocks::units(&text) > MOST_TEXT {
        return Err(refusal("msg_too_long"));
    }
    let faults = blocks::faults(&blocks);
    if !faults.is_empty() {
        return Err(Json(json!({
            "ok": false,
            "error": "invalid_blocks",
            "errors": faults,
            "response_metadata": {"messages": faults.iter().map(|fault| format!("[ERROR] {fault}")).collect::<Vec<_>>()},
        })));
    }
    if blocks::total(&blocks) > blocks::MOST_TOGETHER {
        return Err(refusal("msg_blocks_too_long"));
    }
    Ok((channel, text, blocks))
}

fn refusal(code: &str) -> Json<Value> {
    Json(json!({"ok": false, "error": code}))
}
