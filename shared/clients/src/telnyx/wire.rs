//! One call to the carrier: who we are, time-outs, and an answer of bounded size.

use std::sync::Arc;
use std::time::Duration;

use domain::Cause;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use runtime::Secret;
use runtime::alarm::Alarm;
use runtime::http::{Http, Network, Unread, read_at_most};

/// The longest answer that is read, in bytes. Fifty offers take about 40 KiB.
const LONGEST_ANSWER_BYTES: usize = 1024 * 1024;

/// Connecting takes milliseconds, or does not work. A failure to connect is the one that proves that nothing was sent,
/// so it comes well before the time-out of the whole call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no usable answer. The texts hold no token, no address and no phone number.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the carrier's secret cannot be used")]
    Secret(#[source] Cause),
    /// The request has certainly not left.
    #[error("the carrier cannot be reached")]
    NotSent(#[source] Cause),
    /// The request may have been carried out.
    #[error("the carrier did not answer")]
    NoAnswer(#[source] Cause),
    #[error("the carrier answered {status} ({codes})")]
    Refused { status: StatusCode, codes: String, retry_after: Option<Duration> },
    #[error("the carrier's answer cannot be understood: {0}")]
    Garbled(&'static str),
}

impl Failure {
    /// An error of the HTTP client, without the address: it holds phone numbers.
    fn of_call(error: reqwest::Error) -> Self {
        let never_sent = error.is_connect() || error.is_builder();
        let source = error.without_url().into();
        if never_sent { Self::NotSent(source) } else { Self::NoAnswer(source) }
    }

    /// Whether the same request may be answered otherwise in a moment. What the carrier refuses it refuses again, except
    /// for a number that it does not know yet, one that it is busy with, and too many requests.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                !status.is_client_error() || matches!(status.as_u16(), 404 | 408 | 409 | 429)
            }
            Self::Secret(_) | Self::NotSent(_) | Self::NoAnswer(_) | Self::Garbled(_) => true,
        }
    }

    /// How long the carrier asks us to stay away.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Secret(_) | Self::NotSent(_) | Self::NoAnswer(_) | Self::Garbled(_) => None,
        }
    }

    /// Whether it is our account that the carrier refuses or throttles, whatever was asked.
    pub(super) fn is_about_account(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if matches!(status.as_u16(), 401 | 402 | 403 | 429))
    }

    /// Whether the carrier does not know what was asked about.
    pub(super) fn is_unknown_number(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}

/// What the secret says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    api_key: String,
    connection_id: Option<String>,
}

/// The way to the carrier.
#[derive(Clone)]
pub(super) struct Link {
    http: Http,
    base_url: Arc<str>,
    secret: Secret,
}

/// Builds one request to the carrier.
pub(super) struct Target<'a> {
    http: &'a Client,
    base_url: &'a str,
    account: &'a Credentials,
}

impl Target<'_> {
    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.address(path))
    }

    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.address(path))
    }

    pub(super) fn patch(&self, path: &str) -> RequestBuilder {
        self.http.patch(self.address(path))
    }

    pub(super) fn delete(&self, path: &str) -> RequestBuilder {
        self.http.delete(self.address(path))
    }

    /// The connection that ordered numbers are routed to.
    pub(super) fn connection(&self) -> Option<&str> {
        self.account.connection_id.as_deref().filter(|id| !id.is_empty())
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.base_url)
    }
}

impl Link {
    pub(super) fn new(base_url: &str, secret: Secret, network: Option<Arc<dyn Network>>) -> Self {
        let http = Http::new(base_url, CONNECT_TIMEOUT, network);
        Self { http, base_url: base_url.trim_end_matches('/').into(), secret }
    }

    /// Sends one request, once, and reads its answer. `limit` covers everything, from reading the secret to the
    /// answer's last byte. The operator hears of an account that is refused.
    pub(super) async fn call(
        &self,
        limit: Duration,
        request: impl FnOnce(&Target<'_>) -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        let answer = self.call_quietly(limit, request).await?;
        if matches!(answer.status.as_u16(), 401..=403) {
            answer.report_refused_account();
        }
        Ok(answer)
    }

    /// The same, where the operator has heard of it already, or hears of it otherwise.
    pub(super) async fn call_quietly(
        &self,
        limit: Duration,
        request: impl FnOnce(&Target<'_>) -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        let deadline = Instant::now() + limit;
        let http = self.http.client().map_err(|error| Failure::NotSent(error.into()))?;
        let read = timeout_at(deadline, self.secret.read()).await;
        let text = read.map_err(|late| Failure::Secret(late.into()))?.map_err(Failure::Secret)?;
        let Ok(account) = serde_json::from_str::<Credentials>(&text) else {
            // The parser's own words would quote the secret. Forgotten, a mended one is read at the next call.
            self.secret.refused(&text);
            tracing::error!(alarm = Alarm::CarrierRefuses.as_str(), "the carrier's secret is not JSON with an apiKey");
            return Err(Failure::Secret("it is not JSON with an apiKey".into()));
        };
        let request =
            request(&Target { http, base_url: &self.base_url, account: &account }).bearer_auth(&account.api_key);
        let answered = timeout_at(deadline, self.answer_to(request, &text));
        answered.await.map_err(|late| Failure::NoAnswer(late.into()))?
    }

    async fn answer_to(&self, request: RequestBuilder, secret: &str) -> Result<Answer, Failure> {
        let response = self.http.send(request).await.map_err(Failure::of_call)?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.secret.refused(secret);
        }
        let retry_after = retry_after(&response);
        Ok(Answer { status, retry_after, body: read_body(response).await? })
    }
}

/// How long the carrier asks us to stay away, where it throttles: whole seconds, a minute at the most.
fn retry_after(response: &Response) -> Option<Duration> {
    let header = response.headers().get("x-ratelimit-reset").or_else(|| response.headers().get("retry-after"))?;
    let seconds: u64 = header.to_str().ok()?.trim().parse().ok()?;
    (response.status() == StatusCode::TOO_MANY_REQUESTS).then(|| Duration::from_secs(seconds.clamp(1, 60)))
}

async fn read_body(response: Response) -> Result<Value, Failure> {
    let body = read_at_most(response, LONGEST_ANSWER_BYTES).await.map_err(|unread| match unread {
        Unread::TooLong(_) => Failure::Garbled("it is longer than 1 MiB"),
        // Once the head has come, the request was sent, whatever the error says.
        Unread::Broken(error) => Failure::NoAnswer(error.into()),
    })?;
    // What is not JSON reads as null: the status may say enough, and where it does not, null has none of the fields.
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

/// An answer of the carrier, of any status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Value,
}

impl Answer {
    /// The entries of the error envelope; none when the answer has another form.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let entries = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter(|entry| entry.is_object()).map(Problem::read).collect()
    }

    /// Whether the carrier itself says that there is no such thing. A "not found" without its error envelope comes from
    /// somewhere else, such as a wrong base address.
    pub(super) fn says_unknown(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE) && !self.problems().is_empty()
    }

    /// Tells the operator that the carrier refuses our account. Callers are only told to try again.
    pub(super) fn report_refused_account(&self) {
        tracing::error!(
            alarm = Alarm::CarrierRefuses.as_str(), error.cause = %self.refused(),
            "the carrier refuses our account: key, permission or money"
        );
    }

    /// This answer as the reason why something did not work.
    pub(super) fn refused(&self) -> Failure {
        let codes: Vec<String> = self.problems().into_iter().filter_map(|problem| problem.code).collect();
        let codes = if codes.is_empty() { "no code".to_owned() } else { format!("code {}", codes.join(", ")) };
        Failure::Refused { status: self.status, codes, retry_after: self.retry_after }
    }
}

/// One entry of the carrier's error envelope.
pub(super) struct Problem {
    pub(super) code: Option<String>,
    /// In lower case, for matching. It may quote a phone number, so it is never shown.
    detail: String,
    /// Where in the request the problem is, such as `/connection_id`; for matching, too.
    pointer: String,
}

impl Problem {
    fn read(entry: &Value) -> Self {
        // Codes get into logs, so only what looks like one is a code.
        let code = text(&entry["code"])
            .filter(|code| (1..=8).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let words = |field: &Value| text(field).unwrap_or_default().to_lowercase();
        Self { code, detail: words(&entry["detail"]), pointer: words(&entry["source"]["pointer"]) }
    }

    /// Whether its detail has one of these words, in lower case.
    pub(super) fn mentions(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.detail.contains(word))
    }

    /// Whether it names a part of the request by one of these words, in lower case.
    pub(super) fn points_at(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.pointer.contains(word))
    }

    pub(super) fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

/// A field's text. The carrier writes ids and codes as strings in one place and as numbers in another; null, empty and
/// everything else is nothing.
pub(super) fn text(field: &Value) -> Option<String> {
    match field {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
