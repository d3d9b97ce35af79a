//! What happens when staff click on the page: <https://docs.slack.dev/reference/interaction-payloads>.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use clients::slack::{SIGNATURE, TIMESTAMP, sign};
use domain::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::as_sent;
use super::{Slack, blocks, lock};

/// How long Slack waits for the app's answer, and how long a trigger opens a view.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// The app behind the buttons.
#[derive(Clone)]
pub struct Clicks {
    /// Where interactions are sent.
    pub url: String,
    pub signing_secret: String,
}

/// What somebody sees after a click.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What Slack itself says when the app does not answer as it should.
    pub failure: Option<String>,
    /// The modal that is open now.
    pub view: Option<Opened>,
    /// What is wrong with the modal, by block; it stays open.
    pub errors: HashMap<String, String>,
    /// What the app has told this person meanwhile.
    pub notes: Vec<String>,
}

/// A modal on somebody's screen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Opened {
    pub id: String,
    pub view: Value,
}

/// What staff have on their screens.
pub(super) struct Desk {
    clicks: Option<Clicks>,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    /// Clicks whose trigger nobody has used yet.
    triggers: Mutex<HashMap<String, Instant>>,
    /// Open modals, by the trigger that has opened them.
    views: Mutex<HashMap<String, Opened>>,
}

impl Desk {
    pub(super) fn new(clicks: Option<Clicks>, clock: Arc<dyn Clock>) -> Self {
        let mut http = reqwest::Client::builder().timeout(ANSWERED_WITHIN).no_proxy();
        if clicks.as_ref().is_some_and(|clicks| clicks.url.starts_with("http://")) {
            // On this machine; reading the system's certificates for it only takes time.
            http = http.tls_certs_only([]);
        }
        let http = http.build();
        let http = http.expect("an HTTP client is made from constants only");
        Self { clicks, clock, http, triggers: Mutex::default(), views: Mutex::default() }
    }

    /// Opens a modal for whoever has caused the trigger, and returns the view's id.
    pub(super) fn open(&self, trigger: &str, view: Value) -> Result<String, &'static str> {
        let mut views = lock(&self.views);
        if views.contains_key(trigger) {
            return Err("exchanged_trigger_id");
        }
        let clicked = lock(&self.triggers).remove(trigger).ok_or("invalid_trigger_id")?;
        if clicked.elapsed() > ANSWERED_WITHIN {
            return Err("expired_trigger_id");
        }
        let id = format!("V{:010X}", rand::random::<u32>());
        views.insert(trigger.to_owned(), Opened { id: id.clone(), view });
        Ok(id)
    }

    /// Takes a modal off the screen.
    fn close(&self, id: &str) -> Option<Opened> {
        let mut views = lock(&self.views);
        let trigger = views.iter().find(|(_, opened)| opened.id == id)?.0.clone();
        views.remove(&trigger)
    }

    /// Signs an interaction and sends it. `Err` is what Slack shows beside the button.
    async fn send(&self, payload: &Value) -> Result<Value, String> {
        let Some(clicks) = &self.clicks else { return Err("This workspace's app has no address".to_owned()) };
        let text = payload.to_string();
        let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &text).finish();
        let timestamp = self.clock.now().seconds().to_string();
        let request = self
            .http
            .post(&clicks.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(SIGNATURE, sign(&clicks.signing_secret, &timestamp, body.as_bytes()))
            .header(TIMESTAMP, timestamp)
            .body(body);
        let no_answer = |error: reqwest::Error| {
            if error.is_timeout() { "The app did not answer within three seconds" } else { "The app cannot be reached" }
                .to_owned()
        };
        let answer = request.send().await.map_err(no_answer)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("The app answered with status code {}", status.as_u16()));
        }
        let text = answer.text().await.map_err(no_answer)?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| "The app answered with something other than JSON".to_owned())
    }
}

/// Who clicks on what.
#[derive(Deserialize)]
pub(super) struct Click {
    user: String,
    channel: String,
    ts: String,
    action: String,
}

/// Who sends which modal, with what stands in its inputs, by block.
#[derive(Deserialize)]
pub(super) struct Submit {
    user: String,
    view: String,
    values: HashMap<String, Value>,
}

/// `POST /click`
pub(super) async fn click(State(slack): State<Slack>, Json(click): Json<Click>) -> Json<Outcome> {
    Json(slack.click(&click.user, &click.channel, &click.ts, &click.action).await)
}

/// `POST /submit`
pub(super) async fn submit(State(slack): State<Slack>, Json(submit): Json<Submit>) -> Json<Outcome> {
    Json(slack.submit(&submit.user, &submit.view, &submit.values).await)
}

impl Slack {
    /// Somebody clicks on a button of a message.
    pub async fn click(&self, user: &str, channel: &str, ts: &str, action: &str) -> Outcome {
        let message = self.messages().into_iter().find(|message| message.channel == channel && message.ts == ts);
        let clicked = message.as_ref().and_then(|message| Some((message, button(&message.blocks, action)?)));
        let Some((message, (block_id, button))) = clicked else {
            return Outcome { failure: Some("There is no such button any more".to_owned()), ..Outcome::default() };
        };
        let trigger = format!("{}.{:016x}", rand::random::<u32>(), rand::random::<u64>());
        lock(&self.0.desk.triggers).insert(trigger.clone(), Instant::now());
        let told = self.told(user).len();
        let payload = json!({
            "type": "block_actions",
            "user": person(user),
            "api_app_id": "A00000001",
            "token": "deprecated",
            "container": {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false},
            "trigger_id": trigger,
            "team": {"id": "T00000001", "domain": "sandbox"},
            "enterprise": null,
            "is_enterprise_install": false,
            "channel": {"id": channel, "name": message.channel_name},
            "message": as_sent(message),
            "state": {"values": {}},
            "actions": [{
                "type": "button",
                "action_id": action,
                "block_id": block_id,
                "text": button["text"],
                "value": button["value"],
                "style": button["style"],
                "action_ts": message.ts,
            }],
        });
        let failure = self.0.desk.send(&payload).await.err();
        let view = lock(&self.0.desk.views).get(&trigger).cloned();
        Outcome { failure, view, notes: self.told(user).split_off(told), ..Outcome::default() }
    }

    /// Somebody sends an open modal.
    pub async fn submit(&self, user: &str, view: &str, values: &HashMap<String, Value>) -> Outcome {
        let Some(opened) = self.0.desk.close(view) else {
            return Outcome { failure: Some("This form is not open any more".to_owned()), ..Outcome::default() };
        };
        let told = self.told(user).len();
        let blocks = opened.view["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let inputs = blocks.iter().filter(|block| block["type"] == "input");
        let state: serde_json::Map<_, _> = inputs.filter_map(|block| filled(block, values)).collect();
        let mut sent = opened.view.clone();
        sent["id"] = opened.id.clone().into();
        sent["state"] = json!({"values": state});
        let payload = json!({
            "type": "view_submission",
            "team": {"id": "T00000001", "domain": "sandbox"},
            "user": person(user),
            "api_app_id": "A00000001",
            "token": "deprecated",
            "trigger_id": "",
            "view": sent,
            "response_urls": [],
            "is_enterprise_install": false,
            "enterprise": null,
        });
        let mut outcome = self.0.desk.settle(opened, self.0.desk.send(&payload).await);
        outcome.notes = self.told(user).split_off(told);
        outcome
    }

    fn told(&self, user: &str) -> Vec<String> {
        self.notes().into_iter().filter(|note| note.user == user).map(|note| note.text).collect()
    }
}

impl Desk {
    /// Does what the app says is to become of the modal. Without a word of it, the modal closes.
    fn settle(&self, opened: Opened, answer: Result<Value, String>) -> Outcome {
        let keep = |opened: Opened| {
            // Under a name that no trigger has: it was used up.
            lock(&self.views).insert(opened.id.clone(), opened.clone());
            Some(opened)
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Outcome { failure: Some(failure), view: keep(opened), ..Outcome::default() },
        };
        match answer["response_action"].as_str() {
            None if answer.is_null() => Outcome::default(),
            Some("clear") => Outcome::default(),
            Some("errors") => match serde_json::from_value(answer["errors"].clone()) {
                Ok(errors) => Outcome { errors, view: keep(opened), ..Outcome::default() },
                Err(_) => Outcome { failure: Some("The app's errors are malformed".to_owned()), ..Outcome::default() },
            },
            Some("update") if blocks::view_faults(&answer["view"]).is_empty() => {
                Outcome { view: keep(Opened { view: answer["view"].clone(), ..opened }), ..Outcome::default() }
            }
            _ => Outcome {
                failure: Some("The app's answer is not one that Slack takes".to_owned()),
                view: keep(opened),
                ..Outcome::default()
            },
        }
    }
}

/// The button with this action, and the block in which it stands.
fn button(blocks: &Value, action: &str) -> Option<(Value, Value)> {
    blocks.as_array()?.iter().filter(|block| block["type"] == "actions").find_map(|block| {
        let button = block["elements"].as_array()?.iter().find(|element| element["action_id"] == action)?;
        Some((block["block_id"].clone(), button.clone()))
    })
}

/// What stands in an input, under its block's name, as Slack sends it.
fn filled(block: &Value, values: &HashMap<String, Value>) -> Option<(String, Value)> {
    let (name, element) = (block["block_id"].as_str()?, &block["element"]);
    let (action, kind) = (element["action_id"].as_str()?, element["type"].as_str()?);
    let value = values.get(name);
    let answer = if kind == "multi_static_select" {
        let chosen = value.and_then(Value::as_array).cloned().unwrap_or_default();
        let options = element["options"].as_array()?.iter().filter(|option| chosen.contains(&option["value"]));
        json!({"type": kind, "selected_options": options.collect::<Vec<_>>()})
    } else {
        // An empty input is null.
        let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
        json!({"type": kind, "value": text})
    };
    Some((name.to_owned(), json!({ action: answer })))
}

fn person(user: &str) -> Value {
    let name = user.to_ascii_lowercase();
    json!({"id": user, "username": name, "name": name, "team_id": "T00000001"})
}
