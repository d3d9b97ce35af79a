//! Proof that a call comes from Slack: <https://docs.slack.dev/authentication/verifying-requests-from-slack>.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Cause, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use sha2::Sha256;

use runtime::Secret;

/// The header that names when Slack signed, in seconds since 1970.
pub const TIMESTAMP: &str = "x-slack-request-timestamp";
/// The header that holds the signature: `v0=` and 64 hexadecimal digits.
pub const SIGNATURE: &str = "x-slack-signature";

/// How far Slack's clock and ours may be apart. What is older may have been recorded by somebody.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(5);

/// How long a newly read secret is trusted to be the newest. Anybody can send a wrong signature, and must not be able
/// to make us ask Secrets Manager each time.
const READ_ANEW_AFTER: Duration = Duration::from_mins(1);

/// Why a request is not taken for one of Slack's.
#[derive(Debug, thiserror::Error)]
pub enum Unsigned {
    /// It is not signed, or with another secret, or not in these minutes.
    #[error("the request is not signed by Slack")]
    Forged,
    /// The secret could not be read, so nobody can tell.
    #[error("Slack's signing secret cannot be read")]
    Failed(#[source] Cause),
}

/// What Slack signs its requests with. Clones share what they have read.
///
/// Within five minutes a recorded request can be sent again, and is as well signed as before: signatures are not
/// remembered, because each container would remember others. Whoever acts on a request makes it safe to repeat.
#[derive(Clone)]
pub struct SigningSecret {
    secret: Secret,
    /// When the secret was last read because a signature did not fit.
    read_anew: Arc<Mutex<Option<Timestamp>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    signing_secret: String,
}

impl SigningSecret {
    /// `secret` holds `{"signingSecret": "…"}` among others.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self { secret, read_anew: Arc::default() }
    }

    /// Checks that Slack has signed just these bytes within five minutes of `now`.
    ///
    /// When the signature does not fit, the secret may have been changed or completed: it is read anew, at most once a
    /// minute.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub async fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Unsigned> {
        let signed = Signed::of(headers, now).ok_or(Unsigned::Forged)?;
        let known = Box::pin(self.secret.read()).await.map_err(Unsigned::Failed)?;
        let verdict = signed.fits(&known, body);
        if matches!(verdict, Ok(true)) || !self.may_read_anew(now) {
            return settle(verdict);
        }
        self.secret.refused(&known);
        let newest = Box::pin(self.secret.read()).await.map_err(Unsigned::Failed)?;
        settle(signed.fits(&newest, body))
    }

    fn may_read_anew(&self, now: Timestamp) -> bool {
        let mut last = self.read_anew.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| now.since(last) >= READ_ANEW_AFTER);
        if may {
            *last = Some(now);
        }
        may
    }
}

fn settle(fits: Result<bool, Unsigned>) -> Result<(), Unsigned> {
    if fits? { Ok(()) } else { Err(Unsigned::Forged) }
}

/// What the headers say.
struct Signed<'a> {
    timestamp: &'a str,
    signature: [u8; 32],
}

impl<'a> Signed<'a> {
    /// `None` when a header is missing or malformed, or names a time too far away.
    fn of(headers: &'a HeaderMap, now: Timestamp) -> Option<Self> {
        let text = |name| headers.get(name)?.to_str().ok();
        let timestamp = text(TIMESTAMP)?;
        // Digits only: whatever else a number's parser takes is not what Slack sends.
        let seconds: i64 = timestamp.parse().ok().filter(|_| timestamp.bytes().all(|byte| byte.is_ascii_digit()))?;
        if now.seconds().abs_diff(seconds) > CLOCK_TOLERANCE.as_secs() {
            return None;
        }
        let mut signature = [0; 32];
        hex::decode_to_slice(text(SIGNATURE)?.strip_prefix("v0=")?, &mut signature).ok()?;
        Some(Self { timestamp, signature })
    }

    /// Compares in constant time.
    fn fits(&self, secret: &str, body: &[u8]) -> Result<bool, Unsigned> {
        let keys: Option<Keys> = serde_json::from_str(secret).ok();
        let key = keys.as_ref().map(|keys| keys.signing_secret.trim()).filter(|key| !key.is_empty());
        // With an empty key anyone could sign.
        let key = key.ok_or_else(|| Unsigned::Failed("Slack's secret has no string signingSecret".into()))?;
        Ok(code(key, self.timestamp, body).verify_slice(&self.signature).is_ok())
    }
}

fn code(key: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut code = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key may have any length");
    for part in [b"v0:", timestamp.as_bytes(), b":", body] {
        code.update(part);
    }
    code
}

/// Signs a request as Slack does: the value of the header [`SIGNATURE`]. The sandbox Slack and tests need it.
#[must_use]
pub fn sign(key: &str, timestamp: &str, body: &[u8]) -> String {
    format!("v0={}", hex::encode(code(key, timestamp, body).finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_531_420_618;
    const BODY: &[u8] = b"payload=%7B%22type%22%3A%22block_actions%22%7D";
    const KEY: &str = "8f742231b10e8888abcd99yyyzzz85a5";

    fn headers(timestamp: &str, signature: &str) -> HeaderMap {
        HeaderMap::from_iter([
            (reqwest::header::HeaderName::from_static(TIMESTAMP), timestamp.parse().unwrap()),
            (reqwest::header::HeaderName::from_static(SIGNATURE), signature.parse().unwrap()),
        ])
    }

    fn signed(seconds: i64) -> HeaderMap {
        headers(&seconds.to_string(), &sign(KEY, &seconds.to_string(), BODY))
    }

    async fn taken(headers: &HeaderMap, body: &[u8]) -> bool {
        let secret = SigningSecret::new(Secret::given(&format!(r#"{{"botToken":"x","signingSecret":"{KEY}"}}"#)));
        match secret.verify(headers, body, Timestamp::from_millis(NOW * 1_000)).await {
            Ok(()) => true,
            Err(Unsigned::Forged) => false,
            Err(Unsigned::Failed(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn the_signature_is_the_one_of_slacks_own_example() {
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        assert_eq!(sign(KEY, "1531420618", body), expected);
    }

    #[tokio::test]
    async fn what_slack_has_signed_in_these_minutes_is_taken() {
        for seconds in [NOW - 300, NOW - 1, NOW, NOW + 300] {
            assert!(taken(&signed(seconds), BODY).await, "{seconds}");
            assert!(taken(&signed(seconds), BODY).await, "again: repeating is made safe by whoever acts on it");
        }
    }

    #[tokio::test]
    async fn whatever_else_is_refused() {
        let now = NOW.to_string();
        let good = sign(KEY, &now, BODY);
        let padded = format!("+{NOW}");
        for (what, headers) in [
            ("old", signed(NOW - 301)),
            ("from the future", signed(NOW + 301)),
            ("of another time", headers(&(NOW - 1).to_string(), &good)),
            ("with another key", headers(&now, &sign("other", &now, BODY))),
            ("with an empty key", headers(&now, &sign("", &now, BODY))),
            ("of another version", headers(&now, &good.replace("v0=", "v1="))),
            ("without a version", headers(&now, good.trim_start_matches("v0="))),
            ("cut short", headers(&now, &good[..good.len() - 2])),
            ("too long", headers(&now, &format!("{good}00"))),
            ("not hexadecimal", headers(&now, &format!("v0={}", "zz".repeat(32)))),
            ("empty", headers(&now, "")),
            ("without a time", headers("", &good)),
            ("with a time that is no number", headers("soon", &sign(KEY, "soon", BODY))),
            ("with an odd number", headers(&padded, &sign(KEY, &padded, BODY))),
            ("with an endless number", headers(&"9".repeat(40), &sign(KEY, &"9".repeat(40), BODY))),
            ("without headers", HeaderMap::new()),
        ] {
            assert!(!taken(&headers, BODY).await, "{what}");
        }
        for missing in [TIMESTAMP, SIGNATURE] {
            let mut headers = signed(NOW);
            headers.remove(missing);
            assert!(!taken(&headers, BODY).await, "without {missing}");
        }
        assert!(!taken(&signed(NOW), &[BODY, b" "].concat()).await, "another body");
    }

    #[tokio::test]
    async fn a_secret_that_everybody_could_guess_takes_nothing() {
        let now = Timestamp::from_millis(NOW * 1_000);
        for text in ["", "{}", r#"{"signingSecret":""}"#, r#"{"signingSecret":" "}"#, r#"{"signingSecret":7}"#] {
            let secret = SigningSecret::new(Secret::given(text));
            let empty = headers(&NOW.to_string(), &sign("", &NOW.to_string(), BODY));
            let verdict = secret.verify(&empty, BODY, now).await;
            assert!(matches!(verdict, Err(Unsigned::Failed(_))), "{text}");
        }
    }

    #[tokio::test]
    async fn a_changed_secret_is_read_and_a_forger_makes_us_read_once_a_minute() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        use axum::{Json, Router};
        use serde_json::json;

        let reads = Arc::new(AtomicUsize::new(0));
        let counter = reads.clone();
        // The first reading still finds yesterday's secret.
        let secrets = Router::new().fallback(move || {
            let key = if counter.fetch_add(1, Ordering::SeqCst) == 0 { "yesterday" } else { KEY };
            async move { Json(json!({"SecretString": json!({"signingSecret": key}).to_string()})) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let account = runtime::aws::Account::local(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move { axum::serve(listener, secrets).await });
        let client = aws_sdk_secretsmanager::Client::new(&account.sdk_config());
        let secret = SigningSecret::new(Secret::stored(client, "slack".to_owned()));

        let at = |seconds: i64| Timestamp::from_millis((NOW + seconds) * 1_000);
        secret.verify(&signed(NOW), BODY, at(0)).await.unwrap();
        assert_eq!(reads.load(Ordering::SeqCst), 2, "yesterday's did not fit");
        let forged = headers(&NOW.to_string(), &sign("other", &NOW.to_string(), BODY));
        for seconds in 0..60 {
            assert!(secret.verify(&forged, BODY, at(seconds)).await.is_err());
            assert!(secret.verify(&signed(NOW), BODY, at(seconds)).await.is_ok());
        }
        assert_eq!(reads.load(Ordering::SeqCst), 2, "within the minute nothing is read");
        assert!(secret.verify(&forged, BODY, at(60)).await.is_err());
        assert!(secret.verify(&forged, BODY, at(61)).await.is_err());
        assert_eq!(reads.load(Ordering::SeqCst), 3);
    }
}
