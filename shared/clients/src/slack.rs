//! Slack's Web API: how staff are told of things.

use std::time::Duration;

use domain::{Source, kyb::Delivery};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Secret;

/// How long one call may take in all. A post usually takes a few hundred milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait when Slack says "too many" but not for how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The most that is read of an answer, in bytes. An answer repeats the message, so it is some tens of kilobytes.
const MOST_ANSWER: usize = 1024 * 1024;

/// The codes with which Slack turns down the token itself, rather than what is done with it.
const TOKEN_REFUSED: [&str; 5] = ["invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"];

/// Why a message was not posted, as far as is known: after [`SlackError::Failed`] it may have been.
#[derive(Debug, thiserror::Error)]
pub enum SlackError {
    /// Nothing was posted; Slack wants to be left alone for this long (whole seconds, at least one).
    #[error("Slack asks to wait {} s", retry_after.as_secs())]
    RateLimited { retry_after: Duration },
    /// Slack's own code for what is wrong, such as `channel_not_found`. Repeating the call does not help.
    #[error("Slack refused the message: {0}")]
    Refused(String),
    /// The secret could not be read, or Slack could not be reached or did not make sense.
    #[error("Slack did not take the message")]
    Failed(#[source] Source),
}

/// A bot in one Slack workspace that posts to one channel. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Slack {
    http: Client,
    post_url: String,
    secret: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    bot_token: String,
    channel: String,
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "Slack's switches, not ours")]
struct Post<'a> {
    channel: &'a str,
    text: &'a str,
    blocks: &'a Value,
    /// A customer's web address must not make Slack fetch it, nor fill the channel with its preview.
    unfurl_links: bool,
    unfurl_media: bool,
    /// With these three, `text` is taken as it is: a bare `@here` stays text, and `*this*` is not bold.
    mrkdwn: bool,
    link_names: bool,
    parse: &'a str,
}

/// What is used of an answer. All of it may be missing, so that a new kind of answer is a failure we can name.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

impl Slack {
    /// A bot that speaks to `base_url` (Slack's is `https://slack.com/api`) with the token and the channel in
    /// `secret`, whose text is `{"botToken": "xoxb-…", "channel": "C…"}`.
    ///
    /// # Panics
    /// The process has no TLS to offer, so it could not do its work at all.
    #[must_use]
    pub fn new(base_url: &str, secret: Secret) -> Self {
        let http = Client::builder()
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // Following a redirect or a proxy would hand the token to someone else.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("an HTTP client is made from constants only");
        Self { http, post_url: format!("{}/chat.postMessage", base_url.trim_end_matches('/')), secret }
    }

    /// Posts a message: `blocks` is an array of Block Kit blocks, `text` what notifications and screen readers get.
    /// Returns the channel's id and the message's `ts`, as Slack answered them.
    ///
    /// See <https://docs.slack.dev/reference/methods/chat.postMessage>. There is no idempotency key: a call whose
    /// answer is lost may have posted, and repeating it posts again.
    ///
    /// # Errors
    /// [`SlackError`]. Its text holds neither the token nor the message.
    pub async fn post(&self, text: &str, blocks: &Value) -> Result<Delivery, SlackError> {
        let secret = self.secret.read().await.map_err(SlackError::Failed)?;
        let Ok(credentials) = serde_json::from_str::<Credentials>(&secret) else {
            // The parser's own words are left out because they quote what they could not read.
            self.secret.refused(&secret);
            return Err(failed("Slack's secret is not a JSON object with the strings botToken and channel"));
        };
        let post = Post {
            channel: credentials.channel.trim(),
            text,
            blocks,
            unfurl_links: false,
            unfurl_media: false,
            mrkdwn: false,
            link_names: false,
            parse: "none",
        };
        let request = self.http.post(&self.post_url).bearer_auth(credentials.bot_token.trim()).json(&post);
        let response = request.send().await.map_err(|error| failed(error.without_url()))?;
        let answer = read(response).await;
        if let Err(SlackError::Refused(code)) = &answer
            && TOKEN_REFUSED.contains(&code.as_str())
        {
            self.secret.refused(&secret);
        }
        answer
    }
}

async fn read(mut response: Response) -> Result<Delivery, SlackError> {
    let (status, wait) = (response.status(), retry_after(response.headers()));
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(SlackError::RateLimited { retry_after: wait });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(error.without_url()))? {
        if body.len() + chunk.len() > MOST_ANSWER {
            return Err(failed("Slack's answer is longer than any that it gives"));
        }
        body.extend_from_slice(&chunk);
    }
    judge(status, wait, &body)
}

/// Slack says what it thinks in the body: `"ok": false` is a failure although the status is 200.
fn judge(status: StatusCode, wait: Duration, body: &[u8]) -> Result<Delivery, SlackError> {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(failed(format!("Slack answered HTTP {} with something other than its JSON", status.as_u16())));
    };
    match answer {
        Answer { ok: true, channel: Some(channel), ts: Some(ts), .. } if status.is_success() => {
            Ok(Delivery { channel, ts })
        }
        // Both spellings are in use: the first in the reference, the second in answers to this method.
        Answer { ok: false, error: Some(code), .. } if matches!(code.as_str(), "ratelimited" | "rate_limited") => {
            Err(SlackError::RateLimited { retry_after: wait })
        }
        Answer { ok: false, error: Some(code), .. } if is_code(&code) => Err(SlackError::Refused(code)),
        _ => Err(failed(format!("Slack answered HTTP {} without saying what became of the message", status.as_u16()))),
    }
}

/// Codes end up in logs, so text of any other form is not taken for one.
fn is_code(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(known)
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs).max(DEFAULT_RETRY_AFTER)
}

fn failed(source: impl Into<Source>) -> SlackError {
    SlackError::Failed(source.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(7);

    fn judged(status: u16, body: &str) -> String {
        match judge(StatusCode::from_u16(status).unwrap(), WAIT, body.as_bytes()) {
            Ok(Delivery { channel, ts }) => format!("posted {channel} {ts}"),
            Err(SlackError::RateLimited { retry_after }) => format!("wait {}", retry_after.as_secs()),
            Err(SlackError::Refused(code)) => format!("refused {code}"),
            Err(SlackError::Failed(source)) => format!("failed: {source}"),
        }
    }

    #[test]
    fn an_answer_is_judged_by_its_body_and_only_then_by_its_status() {
        for (status, body, expected) in [
            (200, r#"{"ok":true,"channel":"C1","ts":"1.2","message":{"new":[{}]},"warning":"x"}"#, "posted C1 1.2"),
            (200, r#"{"ok":false,"error":"channel_not_found"}"#, "refused channel_not_found"),
            (200, r#"{"error":"invalid_auth"}"#, "refused invalid_auth"),
            (401, r#"{"ok":false,"error":"invalid_auth"}"#, "refused invalid_auth"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "wait 7"),
            (200, r#"{"ok":false,"error":"rate_limited"}"#, "wait 7"),
        ] {
            assert_eq!(judged(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn an_answer_that_says_neither_yes_nor_no_is_a_failure_and_is_not_quoted() {
        for (status, body) in [
            (200, ""),
            (200, "<html>sk-secret</html>"),
            (200, "[]"),
            (200, "{}"),
            (200, r#"{"ok":"sk-secret"}"#),
            (200, r#"{"ok":true}"#),
            (200, r#"{"ok":true,"channel":"C1"}"#),
            (200, r#"{"ok":false}"#),
            (200, r#"{"ok":false,"error":"Sorry, sk-secret!"}"#),
            (500, r#"{"ok":true,"channel":"C1","ts":"1.2"}"#),
            (302, ""),
            (503, "down for sk-secret"),
        ] {
            let said = judged(status, body);
            assert!(said.starts_with(&format!("failed: Slack answered HTTP {status} ")), "{status} {body}: {said}");
            assert!(!said.contains("sk-secret"), "{said}");
        }
    }

    #[test]
    fn the_wait_is_whole_seconds_and_never_none_at_all() {
        assert_eq!(retry_after(&HeaderMap::new()), Duration::from_secs(1));
        for (header, seconds) in
            [("30", 30), (" 2 ", 2), ("0", 1), ("", 1), ("-3", 1), ("1.5", 1), ("Wed, 21 Oct 2026 07:28:00 GMT", 1)]
        {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, header.parse().unwrap())]);
            assert_eq!(retry_after(&headers), Duration::from_secs(seconds), "{header:?}");
        }
    }

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
        let account = crate::aws::Account::local(serve(secrets).await);
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
