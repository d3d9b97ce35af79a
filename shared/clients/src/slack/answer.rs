//! What Slack's answers mean.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use runtime::http::read_at_most;
use serde::Deserialize;

use super::{SlackError, failed};

/// How long to wait when Slack says "too many" but not for how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The most that is read of an answer, in bytes. An answer repeats the message, so it is some tens of kilobytes.
const LONGEST_ANSWER_BYTES: usize = 1024 * 1024;

/// What is used of an answer. All of it may be missing, so that a new kind of answer is a failure we can name.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    ok: bool,
    error: Option<String>,
    /// Of methods that are about a message: where it is.
    pub(super) channel: Option<String>,
    pub(super) ts: Option<String>,
    /// Of a note that one person sees: its moment.
    pub(super) message_ts: Option<String>,
    /// Of a modal: what is open now.
    pub(super) view: Option<View>,
}

/// A modal, as far as its answer proves that it is open.
#[derive(Deserialize)]
pub(super) struct View {
    #[expect(dead_code, reason = "its being there is the proof")]
    id: String,
}

/// Reads an answer to its end, or to where it becomes absurd.
pub(super) async fn read(response: Response) -> Result<Answer, SlackError> {
    let (status, wait) = (response.status(), retry_after(response.headers()));
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(SlackError::RateLimited { retry_after: wait });
    }
    let body = read_at_most(response, LONGEST_ANSWER_BYTES).await.map_err(failed)?;
    judge(status, wait, &body)
}

/// Slack says what it thinks in the body: `"ok": false` is a failure although the status is 200.
fn judge(status: StatusCode, wait: Duration, body: &[u8]) -> Result<Answer, SlackError> {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(failed(format!("Slack answered HTTP {} with something other than its JSON", status.as_u16())));
    };
    match &answer {
        Answer { ok: true, .. } if status.is_success() => Ok(answer),
        // Both spellings are in use: the first in the reference, the second in answers to this method.
        Answer { ok: false, error: Some(code), .. } if matches!(code.as_str(), "ratelimited" | "rate_limited") => {
            Err(SlackError::RateLimited { retry_after: wait })
        }
        Answer { ok: false, error: Some(code), .. } if is_code(code) => Err(SlackError::Refused(code.clone())),
        _ => Err(failed(format!("Slack answered HTTP {} without saying what became of the call", status.as_u16()))),
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

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(7);

    fn judged(status: u16, body: &str) -> String {
        match judge(StatusCode::from_u16(status).unwrap(), WAIT, body.as_bytes()) {
            Ok(Answer { channel, ts, .. }) => format!("ok {channel:?} {ts:?}"),
            Err(SlackError::RateLimited { retry_after }) => format!("wait {}", retry_after.as_secs()),
            Err(SlackError::Refused(code)) => format!("refused {code}"),
            Err(SlackError::Failed(source)) => format!("failed: {source}"),
        }
    }

    #[test]
    fn an_answer_is_judged_by_its_body_and_only_then_by_its_status() {
        for (status, body, expected) in [
            (
                200,
                r#"{"ok":true,"channel":"C1","ts":"1.2","message":{"new":[{}]},"warning":"x"}"#,
                r#"ok Some("C1") Some("1.2")"#,
            ),
            (200, r#"{"ok":true,"view":{"id":"V1"}}"#, "ok None None"),
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
}
