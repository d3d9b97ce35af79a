//! Slack: how staff are told of things, and how their clicks come back.
//!
//! Source: Slack's Web API, Block Kit, and the signing of requests, as <https://docs.slack.dev> describes them.

mod answer;
mod signature;
mod text;
pub mod verification;

use std::sync::Arc;
use std::time::Duration;

use domain::Cause;
use domain::kyb::{Case, Delivery};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::answer::Answer;
use runtime::http::{Http, Network};
use runtime::settings::SettingsError;
use runtime::{Secret, Start};

pub use self::signature::{SIGNATURE, SigningSecret, TIMESTAMP, Unsigned, sign};
pub use self::text::Escaped;

/// How long one call may take in all. A post usually takes a few hundred milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The codes with which Slack turns down the token itself, rather than what is done with it.
const TOKEN_REFUSED: [&str; 5] = ["invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"];

/// Why a call was not carried out, as far as is known: after [`SlackError::Failed`] it may have been.
#[derive(Debug, thiserror::Error)]
pub enum SlackError {
    /// Nothing was done; Slack wants to be left alone for this long (whole seconds, at least one).
    #[error("Slack throttles this channel {} s", retry_after.as_secs())]
    RateLimited { retry_after: Duration },
    /// Slack's own code for what is wrong, such as `channel_not_found`. Repeating the call does not help.
    #[error("Slack refused the call: {0}")]
    Refused(String),
    /// The secret could not be read, or Slack could not be reached or did not make sense.
    #[error("Slack did not take the call")]
    Failed(#[source] Cause),
}

/// A bot in one Slack workspace that posts to one channel. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Slack {
    http: Http,
    base_url: String,
    secret: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    bot_token: String,
    channel: String,
}

#[derive(Serialize)]
struct Post<'a> {
    channel: &'a str,
    /// Of the message to be changed; a new one has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<&'a str>,
    text: &'a str,
    blocks: &'a Value,
    #[serde(flatten)]
    reading: Reading,
}

/// How Slack is to read a message.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "Slack's switches, not ours")]
struct Reading {
    /// A customer's web address must not make Slack fetch it, nor fill the channel with its preview.
    unfurl_links: bool,
    unfurl_media: bool,
    /// With these three, `text` is taken as it is: a bare `@here` stays text, and `*this*` is not bold.
    mrkdwn: bool,
    link_names: bool,
    parse: &'static str,
}

const AS_IT_IS: Reading =
    Reading { unfurl_links: false, unfurl_media: false, mrkdwn: false, link_names: false, parse: "none" };

impl Slack {
    /// The bot of the workspace that the settings name.
    ///
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> Result<Self, SettingsError> {
        Ok(Self::with_secret(start, start.slack_secret()?))
    }

    /// The same with a secret that somebody else reads, too.
    #[must_use]
    pub fn with_secret(start: &Start, secret: Secret) -> Self {
        Self::through(start.network.clone(), &start.settings.slack_url(), secret)
    }

    /// A bot that speaks to `base_url` (Slack's is `https://slack.com/api`) with the token and the channel in
    /// `secret`, whose text is `{"botToken": "xoxb-…", "channel": "C…", "signingSecret": "…"}`.
    #[must_use]
    pub fn new(base_url: &str, secret: Secret) -> Self {
        Self::through(None, base_url, secret)
    }

    fn through(network: Option<Arc<dyn Network>>, base_url: &str, secret: Secret) -> Self {
        let http = Http::new(base_url, CONNECT_TIMEOUT, network);
        Self { http, base_url: base_url.trim_end_matches('/').to_owned(), secret }
    }

    /// Posts a message to the secret's channel: `blocks` is an array of Block Kit blocks, `text` what notifications and
    /// screen readers get. Returns the channel's id and the message's `ts`, as Slack answered them.
    ///
    /// See <https://docs.slack.dev/reference/methods/chat.postMessage>. There is no idempotency key: a call whose
    /// answer is lost may have posted, and repeating it posts again.
    ///
    /// # Errors
    /// [`SlackError`]. Its text holds neither the token nor the message.
    pub async fn post(&self, text: &str, blocks: &Value) -> Result<Delivery, SlackError> {
        let (_, Credentials { channel, .. }) = self.credentials().await?;
        let post = Post { channel: channel.trim(), ts: None, text, blocks, reading: AS_IT_IS };
        let posted = self.call("chat.postMessage", &post).await?;
        let place = posted.channel.zip(posted.ts);
        let (channel, ts) = place.ok_or_else(|| failed("Slack took a message without saying where it is"))?;
        Ok(Delivery { channel, ts })
    }

    /// Makes the message about a verification say what is so now: what staff decided, or the buttons with which they
    /// decide. Doing it again changes nothing.
    ///
    /// See <https://docs.slack.dev/reference/methods/chat.update>.
    ///
    /// # Errors
    /// [`SlackError`]; `message_not_found` when somebody has deleted it.
    pub async fn rewrite(&self, place: &Delivery, case: &Case) -> Result<(), SlackError> {
        self.update(place, &verification::message(case)).await
    }

    /// Takes the buttons off a message that is announced again, and says so. Doing it again changes nothing.
    ///
    /// # Errors
    /// As [`rewrite`](Self::rewrite).
    pub async fn retire(&self, place: &Delivery, case: &Case) -> Result<(), SlackError> {
        self.update(place, &verification::replaced(case)).await
    }

    async fn update(&self, place: &Delivery, message: &verification::Message) -> Result<(), SlackError> {
        let verification::Message { text, blocks } = message;
        let Delivery { channel, ts } = place;
        let update = Post { channel, ts: Some(ts), text, blocks, reading: AS_IT_IS };
        let updated = self.call("chat.update", &update).await?;
        proven(updated.ts.as_ref() == Some(ts), "Slack does not say that the message was rewritten")
    }

    /// Shows a modal to whoever has just clicked. Slack takes a `trigger_id` once, and for three seconds.
    ///
    /// See <https://docs.slack.dev/reference/methods/views.open>.
    ///
    /// # Errors
    /// [`SlackError`]; `expired_trigger_id` when the answer to the click took too long.
    pub async fn open_view(&self, trigger_id: &str, view: &Value) -> Result<(), SlackError> {
        let opened = self.call("views.open", &json!({"trigger_id": trigger_id, "view": view})).await?;
        proven(opened.view.is_some(), "Slack does not say that the modal is open")
    }

    /// Tells one person something in a channel, which nobody else sees and which is gone when they reload. `text` is
    /// `mrkdwn`: a customer's words have no place in it.
    ///
    /// See <https://docs.slack.dev/reference/methods/chat.postEphemeral>.
    ///
    /// # Errors
    /// [`SlackError`]; `user_not_in_channel` when they have left it.
    pub async fn post_ephemeral(&self, channel: &str, user: &str, text: &str) -> Result<(), SlackError> {
        let note = json!({"channel": channel, "user": user, "text": text, "link_names": false, "parse": "none"});
        let posted = self.call("chat.postEphemeral", &note).await?;
        proven(posted.message_ts.is_some(), "Slack does not say that the note was posted")
    }

    /// The secret, and what it says.
    async fn credentials(&self) -> Result<(Arc<str>, Credentials), SlackError> {
        // Boxed, because the future of an AWS call is many times as large as what is done here.
        let secret = Box::pin(self.secret.read()).await.map_err(SlackError::Failed)?;
        if let Ok(credentials) = serde_json::from_str(&secret) {
            return Ok((secret, credentials));
        }
        // The parser's own words are left out because they quote what they could not read.
        self.secret.refused(&secret);
        Err(failed("Slack's secret is not a JSON object with the strings botToken and channel"))
    }

    async fn call(&self, method: &str, body: &impl Serialize) -> Result<Answer, SlackError> {
        let (secret, credentials) = self.credentials().await?;
        let url = format!("{}/{method}", self.base_url);
        let client = self.http.client().map_err(failed)?;
        let request = client.post(url).timeout(CALL_TIMEOUT).bearer_auth(credentials.bot_token.trim()).json(body);
        let response = self.http.send(request).await.map_err(|error| failed(error.without_url()))?;
        let answer = answer::read(response).await;
        if let Err(SlackError::Refused(code)) = &answer
            && TOKEN_REFUSED.contains(&code.as_str())
        {
            self.secret.refused(&secret);
        }
        answer
    }
}

/// `"ok": true` alone proves nothing: an answer names what it is about.
fn proven(named: bool, otherwise: &'static str) -> Result<(), SlackError> {
    if named { Ok(()) } else { Err(failed(otherwise)) }
}

fn failed(source: impl Into<Cause>) -> SlackError {
    SlackError::Failed(source.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_malformed_secret_is_named_but_not_quoted() {
        for text in ["xoxb-secret", r#"{"botToken":"xoxb-secret"}"#, r#"{"botToken":["xoxb-secret"],"channel":"C1"}"#] {
            let slack = Slack::new("http://127.0.0.1:9", Secret::given(text));
            let error = slack.post("hello", &Value::Null).await.unwrap_err();
            let said = format!("{error:?} {error}");
            assert!(said.contains("Slack's secret is not a JSON object"), "{said}");
            assert!(!said.contains("xoxb"), "{said}");
        }
    }

    #[tokio::test]
    async fn an_ok_that_names_nothing_is_no_proof() {
        let says_ok = axum::Router::new().fallback(|| async { axum::Json(json!({"ok": true})) });
        let slack = Slack::new(&serve(says_ok).await, Secret::given(r#"{"botToken":"xoxb-1","channel":"C1"}"#));
        let view = json!({"type": "modal"});
        for outcome in [
            slack.post("hello", &Value::Null).await.map(drop),
            slack.open_view("trigger", &view).await,
            slack.post_ephemeral("C1", "U1", "hello").await,
        ] {
            assert!(matches!(outcome, Err(SlackError::Failed(_))), "{outcome:?}");
        }
    }

    async fn serve(router: axum::Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn a_token_is_read_once_and_again_after_slack_has_refused_it() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};

        use axum::{Json, Router, http::HeaderMap, routing::post};
        use serde_json::json;

        let reads = Arc::new(AtomicUsize::new(0));
        let counter = reads.clone();
        // Each reading of the secret finds a newer token; Slack knows the second one only.
        let secrets = Router::new().fallback(move || {
            let token = format!("xoxb-{}", counter.fetch_add(1, Ordering::SeqCst) + 1);
            let text = json!({"botToken": token, "channel": "C1"}).to_string();
            async move { Json(json!({"SecretString": text})) }
        });
        let chat = async |headers: HeaderMap| match headers["authorization"].to_str() {
            Ok("Bearer xoxb-2") => Json(json!({"ok": true, "channel": "C1", "ts": "1.2"})),
            _ => Json(json!({"ok": false, "error": "token_revoked"})),
        };
        let account = runtime::aws::Account::local(serve(secrets).await);
        let client = aws_sdk_secretsmanager::Client::new(&account.sdk_config());
        let url = serve(Router::new().route("/chat.postMessage", post(chat))).await;
        let slack = Slack::new(&url, Secret::stored(client, "slack".to_owned()));

        let refused = slack.post("hello", &Value::Null).await;
        assert!(matches!(&refused, Err(SlackError::Refused(code)) if code == "token_revoked"), "{refused:?}");
        for _ in 0..3 {
            slack.post("hello", &Value::Null).await.unwrap();
        }
        assert_eq!(reads.load(Ordering::SeqCst), 2);
    }
}
