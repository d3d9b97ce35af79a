//! What nobody should send, drawn from a seed, and what it may be answered with.
#![allow(clippy::missing_panics_doc, reason = "an answer that is not of the contract stops the test")]

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::api_key::ApiKey;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use crate::lambda::Lambda;

/// The codes that a 5xx may have.
const FAILURES: [&str; 2] = ["BUSY", "CARRIER_UNAVAILABLE"];

/// Headers whose values are spoiled.
const HEADERS: [&str; 7] =
    ["host", "idempotency-key", "if-match", "content-type", "content-encoding", "x-forwarded-proto", "origin"];

/// Pieces of which odd texts are made.
const PIECES: [&str; 32] = [
    "",
    " ",
    "\0",
    "\u{7f}",
    "\u{feff}",
    "\u{202e}",
    "é",
    "電話",
    "\u{1f4de}",
    "\u{e000}",
    "%",
    "%00",
    "%zz",
    "%2e%2e%2f",
    "../",
    "//",
    "#",
    "?",
    "&",
    "=",
    "+1",
    "+14155550142",
    "-1",
    "1e999",
    "null",
    "<!channel>",
    "'; --",
    "\"",
    "\\",
    "{\"a\":",
    "pn_01jz0000000000000000000000",
    "ORG#x",
];

/// Draws hostile requests. The same seed draws the same ones.
pub struct Hostile {
    random: StdRng,
    /// Printed when something is wrong; `HOSTILE_SEED` draws it again.
    pub seed: u64,
}

impl Hostile {
    /// With the seed that `HOSTILE_SEED` gives, or any.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the settings of a test")]
    pub fn new() -> Self {
        let seed = std::env::var("HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
        Self { random: StdRng::seed_from_u64(seed), seed }
    }

    /// How many requests of each kind are sent: as many as `HOSTILE` says, or 3,000.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the settings of a test")]
    pub fn requests() -> usize {
        std::env::var("HOSTILE").ok().and_then(|number| number.parse().ok()).unwrap_or(3_000)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.random.random_range(0..all.len())]
    }

    /// A text of odd pieces, mostly short.
    pub fn text(&mut self) -> String {
        let pieces = if self.random.random_bool(0.02) { 2_000 } else { self.random.random_range(0..5) };
        (0..pieces).map(|_| *self.one_of(&PIECES)).collect()
    }

    /// A JSON value of any kind.
    pub fn value(&mut self, depth: u32) -> Value {
        match self.random.random_range(0..if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => self.random.random_bool(0.5).into(),
            2 => self.random.random::<i64>().into(),
            3 => json!(self.random.random::<f64>() * 1e300),
            4 | 5 => self.text().into(),
            6 => (0..self.random.random_range(0..4)).map(|_| self.value(depth - 1)).collect(),
            7 => (0..self.random.random_range(0..4))
                .map(|_| (self.text(), self.value(depth - 1)))
                .collect::<Map<_, _>>()
                .into(),
            _ => (0..40).fold(json!([]), |inner, _| json!([inner])),
        }
    }

    /// A good body with some of it replaced, taken away or added; or something that is no such body at all.
    pub fn body(&mut self, good: &Value) -> String {
        match self.random.random_range(0..10) {
            0 => self.text(),
            1 => self.value(3).to_string(),
            2 => {
                let text = good.to_string();
                let end = self.random.random_range(0..text.len());
                text.chars().take(end).collect()
            }
            3 => "[".repeat(self.random.random_range(1..60_000)),
            4 => format!("{{\"x\":\"{}\"}}", "y".repeat(self.random.random_range(0..80_000))),
            _ => {
                let mut body = good.clone();
                for _ in 0..self.random.random_range(1..4) {
                    self.spoil(&mut body);
                }
                body.to_string()
            }
        }
    }

    /// Spoils one place of a value.
    fn spoil(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() && self.random.random_bool(0.9) => {
                let names: Vec<String> = fields.keys().cloned().collect();
                let name = self.one_of(&names).clone();
                if self.random.random_bool(0.2) {
                    fields.remove(&name);
                } else if self.random.random_bool(0.1) {
                    fields.insert(self.text(), self.value(2));
                } else if let Some(field) = fields.get_mut(&name) {
                    self.spoil(field);
                }
            }
            _ => *value = self.value(2),
        }
    }

    /// A path with odd pieces in it, no longer than the gateway lets through.
    pub fn path(&mut self) -> String {
        let mut path = if self.random.random_bool(0.5) { "/v1/phone-numbers".to_owned() } else { String::new() };
        for _ in 0..self.random.random_range(0..5) {
            path = path + "/" + &self.text();
        }
        path.chars().take(2_000).collect()
    }

    /// The value of an `Authorization` header that opens nothing.
    pub fn credentials(&mut self, good: &str) -> String {
        let unknown = ApiKey::new(self.random.random());
        match self.random.random_range(0..8) {
            0 => self.text(),
            1 => format!("Bearer {}", self.text()),
            2 => format!("Bearer {}", unknown.reveal()),
            3 => format!("Basic {good}"),
            4 => format!("Bearer {}", good.to_ascii_uppercase()),
            5 => format!("Bearer {good}{}", self.random.random_range(0..10)),
            6 => format!("Bearer {}", &good[..self.random.random_range(0..good.len())]),
            _ => format!("Bearer {},{good}", unknown.reveal()),
        }
    }

    /// Whether something that happens in this share of all cases happens now.
    pub fn chance(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end)
    }

    /// Sends good requests with spoiled bodies, queries and headers, and judges each answer. Some are not spoiled enough to be
    /// refused, so both kinds of answers come.
    pub async fn send_spoiled(&mut self, lambda: &Lambda, good: &[Value]) {
        let mut statuses = BTreeSet::new();
        for _ in 0..Self::requests() {
            let mut request = self.one_of(good).clone();
            if let Some(body) = request["body"].as_str() {
                let body = self.body(&serde_json::from_str(body).expect("a JSON body"));
                // The gateway hands over as base64 what is no text, and says so.
                let encoded = self.chance(0.2);
                request["body"] = if encoded { BASE64_STANDARD.encode(&body) } else { body }.into();
                request["isBase64Encoded"] = (encoded && self.chance(0.9)).into();
            }
            if self.chance(0.3) {
                request["rawQueryString"] = self.text().chars().take(2_000).collect::<String>().into();
            }
            for header in HEADERS {
                if self.chance(0.1) {
                    request["headers"][header] = self.header().into();
                }
            }
            statuses.insert(self.judge(&request, &lambda.invoke(&request).await));
        }
        let expected = [200, 400, 413].into_iter().all(|status| statuses.contains(&status));
        assert!(expected, "seed {}: only {statuses:?}", self.seed);
    }

    /// A text as a header may hold it.
    pub fn header(&mut self) -> String {
        self.text().chars().filter(|letter| !letter.is_control()).take(1_000).collect()
    }

    /// Sends a queue's event with spoiled messages: each is done with or comes again, and none ends the worker.
    pub async fn send_messages(&mut self, lambda: &Lambda, event: &Value) {
        for _ in 0..Self::requests() {
            let mut event = event.clone();
            let good: Value =
                serde_json::from_str(event["Records"][0]["body"].as_str().expect("a body")).expect("JSON");
            event["Records"][0]["body"] = self.body(&good).into();
            let answer = lambda.invoke(&event).await;
            let failures = answer["batchItemFailures"].as_array();
            assert!(failures.is_some_and(|failures| failures.len() < 2), "seed {}: {event}: {answer}", self.seed);
        }
    }

    /// Checks that an answer is one of the contract: a success, or an error in the one form that all have, and never a fault of
    /// ours. Returns its status.
    pub fn judge(&self, request: &Value, answer: &Value) -> u64 {
        let status = answer["statusCode"].as_u64().expect("a status");
        let context = || format!("seed {}: {request} was answered {answer}", self.seed);
        if status < 400 {
            return status;
        }
        let body = answer["body"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let body = body.unwrap_or_else(|| panic!("no JSON: {}", context()));
        let code = body["code"].as_str().unwrap_or_else(|| panic!("no code: {}", context()));
        assert!(body["error"].is_string() && body["retryable"].is_boolean(), "another form: {}", context());
        assert_eq!(answer["headers"]["content-type"], "application/json", "{}", context());
        assert!(answer["headers"]["x-request-id"].is_string(), "{}", context());
        assert!(status < 500 || (status == 503 && FAILURES.contains(&code)), "a fault: {}", context());
        status
    }
}

impl Default for Hostile {
    fn default() -> Self {
        Self::new()
    }
}
