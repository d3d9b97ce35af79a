//! The methods of Slack's Web API that this service calls: <https://docs.slack.dev/reference/methods>.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::store::Message;
use super::{Failure, Note, Slack, blocks, lock};

/// The most characters of a message's `text`; Slack cuts or refuses what is longer.
const TEXT_LIMIT_CHARS: usize = 40_000;

/// Why a method does not do what it is asked for.
enum Refused {
    /// Slack's code.
    Code(&'static str),
    /// A code, and what is wrong with which block.
    Faults(&'static str, Vec<String>),
    /// The sandbox cannot write its file.
    Broken(std::io::Error),
}

type Answered = Result<Value, Refused>;

/// The parts of a message that are used. Slack takes many more, and ignores those that it does not know.
#[derive(Deserialize)]
struct Post {
    channel: Option<String>,
    ts: Option<String>,
    text: Option<String>,
    blocks: Option<Value>,
}

#[derive(Deserialize)]
struct Ephemeral {
    channel: Option<String>,
    user: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct OpenView {
    trigger_id: Option<String>,
    view: Option<Value>,
}

/// `POST /api/{method}`
pub(super) async fn call(
    State(slack): State<Slack>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
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
    match slack.answer(&method, &headers, &body) {
        Ok(answer) => Json(answer).into_response(),
        Err(Refused::Code(code)) => refusal(code).into_response(),
        Err(Refused::Faults(code, faults)) => {
            let messages: Vec<_> = faults.iter().map(|fault| format!("[ERROR] {fault}")).collect();
            let metadata = json!({"messages": messages});
            Json(json!({"ok": false, "error": code, "errors": faults, "response_metadata": metadata})).into_response()
        }
        Err(Refused::Broken(error)) => {
            tracing::error!(error = %error, "the sandbox Slack cannot write its file");
            (StatusCode::INTERNAL_SERVER_ERROR, "The sandbox cannot keep the message").into_response()
        }
    }
}

impl Slack {
    fn answer(&self, method: &str, headers: &HeaderMap, body: &[u8]) -> Answered {
        authorize(headers, &self.0.bot_token)?;
        match method {
            "chat.postMessage" => self.post_message(read(headers, body)?),
            "chat.update" => self.update(read(headers, body)?),
            "chat.postEphemeral" => self.post_ephemeral(read(headers, body)?),
            "views.open" => self.open_view(read(headers, body)?),
            _ => Err(Refused::Code("unknown_method")),
        }
    }

    fn post_message(&self, post: Post) -> Answered {
        let (channel, text, blocks) = checked(post.channel, post.text, post.blocks)?;
        let message =
            lock(&self.0.messages).add(self.0.clock.now(), &channel, text, blocks).map_err(Refused::Broken)?;
        Ok(json!({"ok": true, "channel": message.channel, "ts": message.ts, "message": as_sent(&message)}))
    }

    /// Slack takes a channel's id here, and not its name.
    fn update(&self, post: Post) -> Answered {
        let (channel, text, blocks) = checked(post.channel, post.text, post.blocks)?;
        let ts = post.ts.ok_or(Refused::Code("message_not_found"))?;
        let changed = lock(&self.0.messages).change(&channel, &ts, text, blocks).map_err(Refused::Broken)?;
        let message = changed.ok_or(Refused::Code("message_not_found"))?;
        let (channel, ts, text) = (&message.channel, &message.ts, &message.text);
        Ok(json!({"ok": true, "channel": channel, "ts": ts, "text": text, "message": as_sent(&message)}))
    }

    fn post_ephemeral(&self, note: Ephemeral) -> Answered {
        let channel = some_text(note.channel, "channel_not_found")?;
        let user = some_text(note.user, "user_not_in_channel")?;
        let text = some_text(note.text, "no_text")?;
        if blocks::units(&text) > TEXT_LIMIT_CHARS {
            return Err(Refused::Code("msg_too_long"));
        }
        let mut notes = lock(&self.0.notes);
        notes.push(Note { channel, user, text });
        Ok(json!({"ok": true, "message_ts": format!("{}.000000", notes.len())}))
    }

    fn open_view(&self, open: OpenView) -> Answered {
        let trigger = some_text(open.trigger_id, "invalid_trigger_id")?;
        let view = open.view.ok_or(Refused::Code("invalid_arguments"))?;
        let faults = blocks::view_faults(&view);
        if !faults.is_empty() {
            return Err(Refused::Faults("invalid_arguments", faults));
        }
        let id = self.0.desk.open(&trigger, view.clone()).map_err(Refused::Code)?;
        Ok(json!({"ok": true, "view": {"id": id, "type": "modal", "blocks": view["blocks"]}}))
    }
}

/// A message as Slack repeats it, in answers and in interactions.
pub(super) fn as_sent(message: &Message) -> Value {
    json!({
        "type": "message",
        "subtype": "bot_message",
        "text": message.text,
        "ts": message.ts,
        "bot_id": "B00000001",
        "blocks": message.blocks,
    })
}

fn authorize(headers: &HeaderMap, bot_token: &str) -> Result<(), Refused> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let header = header.ok_or(Refused::Code("not_authed"))?;
    if header.strip_prefix("Bearer ") == Some(bot_token) { Ok(()) } else { Err(Refused::Code("invalid_auth")) }
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Refused> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Refused::Code("invalid_post_type"));
    }
    serde_json::from_slice(body).map_err(|_| Refused::Code("invalid_json"))
}

fn some_text(text: Option<String>, code: &'static str) -> Result<String, Refused> {
    text.filter(|text| !text.trim().is_empty()).ok_or(Refused::Code(code))
}

/// The channel, the text and the blocks of a message that Slack would take.
fn checked(
    channel: Option<String>,
    text: Option<String>,
    blocks: Option<Value>,
) -> Result<(String, String, Value), Refused> {
    let channel = some_text(channel, "channel_not_found")?;
    let text = text.unwrap_or_default();
    let blocks = blocks.unwrap_or_else(|| json!([]));
    if text.trim().is_empty() && blocks.as_array().is_some_and(Vec::is_empty) {
        return Err(Refused::Code("no_text"));
    }
    if blocks::units(&text) > TEXT_LIMIT_CHARS {
        return Err(Refused::Code("msg_too_long"));
    }
    let faults = blocks::faults(&blocks);
    if !faults.is_empty() {
        return Err(Refused::Faults("invalid_blocks", faults));
    }
    if blocks::total(&blocks) > blocks::ALL_TEXT_LIMIT_CHARS {
        return Err(Refused::Code("msg_blocks_too_long"));
    }
    Ok((channel, text, blocks))
}

fn refusal(code: &str) -> Json<Value> {
    Json(json!({"ok": false, "error": code}))
}
