//! Bad input of any shape gets an answer of the contract's form: never a fault of ours, never a panic.
//!
//! Each property throws generated requests at one group of routes. The generator is seeded, so that a run repeats.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use domain::audit::Actor;
use domain::kyb::{Decision, Review};
use domain::{Clock, MicroUsd, Prose};
use local::seed::World;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tests::{TestApp, approved};
use tokio::runtime::Runtime;

const CASES: u32 = 256;
/// Stands in a path for the id of a number that exists.
const LIVE: &str = "{live}";
/// Stands in a body for the last four digits of a number; those below 1000 mean something to the sandbox carrier.
const FRESH: &str = "{fresh}";

/// Texts that have broken readers of all kinds, and some that are right where a field asks for them.
const TEXTS: [&str; 38] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\u{202e}gpj.exe",
    "\u{feff}",
    "\u{200d}\u{200b}",
    "e\u{301}\u{301}\u{301}",
    "\u{1f469}\u{200d}\u{1f4bb}",
    "\r\nSet-Cookie: a=b",
    "\t",
    "a#b",
    "#",
    "../../etc/passwd",
    "%00",
    "%",
    "{{x}}",
    "${jndi:ldap://x}",
    "' OR 1=1 --",
    "<script>",
    "null",
    "NaN",
    "-1",
    "1e999",
    "2026-02-30T25:61:61Z",
    "+14155550142",
    "+1",
    "+0000000000",
    "+999999999999999",
    "pn_01kwdfkd000000000000000001",
    "kyb_01kwdfkd000000000000000001",
    "agent_1",
    "sip_up",
    "both",
    "US",
    "zz",
    "https://[::1",
    "ada@x",
];
/// JSON that is hard to read, or no JSON at all.
const LITERALS: [&str; 22] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0e-0",
    "1e999",
    "-1e-999",
    "123456789012345678901234567890",
    "9223372036854775808",
    "0.1",
    "{}",
    "[]",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"\u{7f}\"",
    "01",
    "'x'",
    "nul",
    "\"\\x\"",
];
/// The names of all fields and query parameters, and some that clients must not set.
const NAMES: &str = "\
    e164 direction dispatchMetadataTemplate label agentId sipConnectionInstallationId sipTrunkId sipProviderName \
    businessProfile legalName displayName entityType country registrationId website address street city state \
    postalCode useCase expectedUsage authorizedRepresentative name title email phone attestationAccepted \
    attestationVersion declaration businessName limit cursor source areaCode locality id organizationId status \
    version __proto__";
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"];

/// One generated request.
#[derive(Clone)]
struct Throw {
    method: &'static str,
    path: String,
    /// Names and values; the bytes of a value need not be text.
    headers: Vec<(&'static str, Vec<u8>)>,
    /// `None` is the right key.
    authorization: Option<Vec<u8>>,
    body: Vec<u8>,
}

impl fmt::Debug for Throw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.method, self.path)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.escape_ascii())?;
        }
        if let Some(value) = &self.authorization {
            writeln!(f, "authorization: {}", value.escape_ascii())?;
        }
        write!(f, "{}", self.body.escape_ascii())
    }
}

#[test]
fn whatever_is_listed_or_bought() {
    let list = throws(&["GET"], query("/v1/phone-numbers"), body(json!({})));
    let buy = throws(&["POST"], Just("/v1/phone-numbers".to_owned()).boxed(), body(purchase()));
    let thrown = Range::new(approved()).throw(prop_oneof![1 => list, 2 => buy]);
    assert!(thrown.succeeded > 0 && thrown.refused > 0);
}

#[test]
fn whatever_is_imported() {
    let import = json!({
        "e164": "+44207183{fresh}", "sipConnectionInstallationId": "sip_up", "sipTrunkId": "ST_1",
        "sipProviderName": "Mine",
        "direction": "both", "dispatchMetadataTemplate": { "a": [1, { "b": null }] }, "label": "Desk", "agentId": null,
    });
    let path = Just("/v1/phone-numbers/import".to_owned()).boxed();
    let thrown = Range::new(approved()).throw(throws(&["POST"], path, body(import)));
    assert!(thrown.succeeded > 0 && thrown.refused > 0);
}

#[test]
fn whatever_is_asked_of_one_number() {
    let form = json!({
        "direction": "both", "dispatchMetadataTemplate": { "a": [1, { "b": null }] }, "label": "Desk",
        "agentId": "agent_1",
    });
    let path = || segment().prop_map(|id| format!("/v1/phone-numbers/{id}")).boxed();
    let read = throws(&["GET", "DELETE"], path(), body(json!({})));
    let change = throws(&["PATCH"], path(), body(form));
    let thrown = Range::new(approved()).throw(prop_oneof![1 => read, 2 => change]);
    assert!(thrown.succeeded > 0 && thrown.refused > 0);
}

#[test]
fn whatever_is_searched() {
    let thrown = Range::new(approved()).throw(throws(&["GET"], query("/v1/phone-numbers/available"), body(json!({}))));
    assert!(thrown.succeeded > 0 && thrown.refused > 0);
}

#[test]
fn whatever_is_filed() {
    let mut both = tests::full_form();
    both["declaration"] = json!({ "businessName": "Acme", "useCase": "Reminders" });
    let short = json!({ "declaration": both["declaration"], "attestationAccepted": true, "attestationVersion": "1" });
    let form = || prop_oneof![body(tests::full_form()), body(both.clone()), body(short.clone())].boxed();
    let at = |path: &str| Just(format!("/v1/phone-numbers/kyb{path}")).boxed();
    let strategy = prop_oneof![
        1 => throws(&["GET"], query("/v1/phone-numbers/kyb"), form()),
        4 => throws(&["PUT"], at("/draft"), form()),
        2 => throws(&["POST"], at("/submit"), form()),
    ];
    let thrown = Range::new(World::default()).throw(strategy);
    assert!(thrown.succeeded > 0 && thrown.refused > 0);
}

#[test]
fn whatever_is_sent_anywhere_by_anyone() {
    let path = prop_oneof![
        select(vec!["", "/available", "/import", "/kyb", "/kyb/draft", "/kyb/submit", "/{live}", "/pn_1"])
            .prop_map(|end| format!("/v1/phone-numbers{end}")),
        vec(segment(), 0..5).prop_map(|segments| format!("/v1/phone-numbers/{}", segments.join("/"))),
        vec(segment(), 0..5).prop_map(|segments| format!("/v1/{}", segments.join("/"))),
    ];
    let path = (path, query("")).prop_map(|(path, query)| path + &query).boxed();
    let strategy = throws(&METHODS, path, body(purchase())).prop_flat_map(|throw| {
        let key = prop_oneof![
            Just(None),
            bytes().prop_map(Some),
            bytes().prop_map(|text| Some([b"Bearer ".as_slice(), &text].concat())),
            bytes().prop_map(|text| Some([b"Bearer sk_live_".as_slice(), &text].concat())),
        ];
        key.prop_map(move |authorization| Throw { authorization, ..throw.clone() })
    });
    let thrown = Range::new(approved()).throw(strategy);
    assert!(thrown.succeeded > 0 && thrown.refused > 0);
}

fn purchase() -> Value {
    json!({
        "e164": "+1415555{fresh}", "direction": "both", "dispatchMetadataTemplate": { "a": [1, { "b": null }] },
        "label": "Desk", "agentId": null,
    })
}

fn throws(methods: &[&'static str], path: BoxedStrategy<String>, body: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Throw> {
    (select(methods.to_vec()), path, headers(), body)
        .prop_map(|(method, path, headers, body)| Throw { method, path, headers, authorization: None, body })
        .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => select(TEXTS.to_vec()).prop_map(str::to_owned),
        2 => vec(any::<char>(), 0..40).prop_map(String::from_iter),
        1 => (select(TEXTS.to_vec()), 0..3000_usize).prop_map(|(text, times)| text.repeat(times / text.len().max(1))),
    ]
    .boxed()
}

fn name() -> BoxedStrategy<String> {
    prop_oneof![6 => select(NAMES.split(' ').collect::<Vec<_>>()).prop_map(str::to_owned), 1 => text()].boxed()
}

/// The bytes of a header's value.
fn bytes() -> BoxedStrategy<Vec<u8>> {
    let any = prop_oneof![vec(any::<u8>(), 0..60), text().prop_map(String::into_bytes)];
    any.prop_map(|bytes| bytes.into_iter().filter(|byte| HeaderValue::from_bytes(&[*byte]).is_ok()).collect()).boxed()
}

fn headers() -> BoxedStrategy<Vec<(&'static str, Vec<u8>)>> {
    let tag =
        select(vec!["\"1\"", "\"2\"", "W/\"1\"", "*", "\"\"", "\"", "1", "\"1\", \"2\"", "\"18446744073709551616\""]);
    let key = select(vec!["one", "two", "with space", "a:b_c-d", ""]);
    let named =
        select(vec!["if-match", "idempotency-key", "content-type", "accept", "x-request-id", "x-forwarded-for"]);
    let header = prop_oneof![
        2 => tag.prop_map(|tag| ("if-match", tag.as_bytes().to_vec())),
        1 => key.prop_map(|key| ("idempotency-key", key.as_bytes().to_vec())),
        1 => (named, bytes()),
    ];
    prop_oneof![3 => Just(Vec::new()), 1 => vec(header, 1..4)].boxed()
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

/// A path's segment: an id that exists, one that does not, or noise, percent-encoded well, badly or not at all.
fn segment() -> BoxedStrategy<String> {
    let odd = vec!["%", "%zz", "%2", "%c3%28", "%ff", "%00", "%2F..%2F", "%252e", "pn_", "pn_%00", "PN_01KWDFKD000000"];
    prop_oneof![
        4 => Just(LIVE.to_owned()),
        2 => text().prop_map(|text| text.replace(['/', '?', '#', '\\'], "_").replace("..", "_")),
        2 => text().prop_map(|text| percent(text.chars().take(200).collect::<String>().as_bytes())),
        1 => vec(any::<u8>(), 0..20).prop_map(|bytes| percent(&bytes)),
        1 => select(odd).prop_map(str::to_owned),
    ]
    .boxed()
}

fn query(path: &'static str) -> BoxedStrategy<String> {
    let values = vec![
        "1",
        "0",
        "10",
        "50",
        "200",
        "201",
        "-1",
        "415",
        "managed",
        "inbound",
        "agent_1",
        "%2B14155550142",
        "+14155550142",
    ];
    let value = prop_oneof![3 => select(values).prop_map(str::to_owned), 1 => segment()];
    let odd = vec!["", "=", "==", "&", "limit", "limit=1&limit=2", "%ff=%fe", "cursor=AAAA", "a[]=1", ";"];
    let term = prop_oneof![
        6 => (name(), value).prop_map(|(name, value)| format!("{}={value}", name.replace(['#', '&'], "_"))),
        1 => select(odd).prop_map(str::to_owned),
    ];
    vec(term, 0..5)
        .prop_map(move |terms| if terms.is_empty() { path.to_owned() } else { format!("{path}?{}", terms.join("&")) })
        .boxed()
}

/// JSON text, of any depth and mix of types, not always well-formed.
fn any_json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => select(LITERALS.to_vec()).prop_map(str::to_owned),
        3 => text().prop_map(|text| Value::from(text).to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| Value::from(number).to_string()),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let list = vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(",")));
        prop_oneof![list, object(inner)]
    })
    .boxed()
}

/// An object whose names are mostly known, and may repeat.
fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    vec((name(), value), 0..6).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}:{value}", Value::from(&**name))).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// A body: a right one with a few fields changed, lost or doubled; other JSON; or noise.
fn body(right: Value) -> BoxedStrategy<Vec<u8>> {
    let change = (any::<Index>(), proptest::option::weighted(0.8, any_json()));
    let doubled = proptest::option::weighted(0.1, (name(), any_json()));
    let changed = (vec(change, 0..4), doubled, 1000..=9999_u16).prop_map(move |(changes, doubled, fresh)| {
        changed(&right, &changes, doubled).replace(FRESH, &fresh.to_string())
    });
    let nested = (select(vec!["[", "{\"a\":", "{\"dispatchMetadataTemplate\":{\"a\":["]), 1..300_usize);
    let cut = (any_json(), any::<Index>());
    let cut = cut.prop_map(|(json, end)| json.chars().take(end.index(json.len() + 1)).collect());
    // Around the largest body that is accepted.
    let long = prop_oneof![4 => 0..3_000_usize, 1 => 65_400..65_700_usize];
    let noise = vec(any::<u8>(), 0..100);
    let text = prop_oneof![
        10 => changed,
        3 => object(any_json()),
        2 => any_json(),
        1 => cut,
        1 => nested.prop_map(|(open, times)| open.repeat(times)),
        1 => long.prop_map(|bytes| format!("{{\"label\":\"{}\"}}", "x".repeat(bytes))),
    ];
    prop_oneof![9 => text.prop_map(String::into_bytes), 1 => noise].boxed()
}

fn changed(right: &Value, changes: &[(Index, Option<String>)], doubled: Option<(String, String)>) -> String {
    let mut body = right.clone();
    let mut slots = Vec::new();
    for (at, to) in changes {
        let mut pointers = Vec::new();
        collect("", &body, &mut pointers);
        let Some((parent, name)) = pointers.get(at.index(pointers.len().max(1))).cloned() else { continue };
        let Some(Value::Object(fields)) = body.pointer_mut(&parent) else { continue };
        match to {
            None => drop(fields.remove(&name)),
            Some(json) => {
                // The text takes its place only after the rest is written: not all of it is JSON.
                let slot = format!("slot-{}", slots.len());
                fields.insert(name, Value::from(slot.clone()));
                slots.push((Value::from(slot).to_string(), json));
            }
        }
    }
    let mut text = body.to_string();
    for (slot, json) in slots {
        text = text.replace(&slot, json);
    }
    match doubled {
        Some((name, json)) => text.replacen('{', &format!("{{{}:{json},", Value::from(name)), 1),
        None => text,
    }
}

/// Every field within a value, as its parent's pointer and its name.
fn collect(at: &str, value: &Value, into: &mut Vec<(String, String)>) {
    for (name, field) in value.as_object().into_iter().flatten() {
        into.push((at.to_owned(), name.clone()));
        collect(&format!("{at}/{name}"), field, into);
    }
}

/// How many requests were answered how.
#[derive(Debug, Default)]
struct Thrown {
    succeeded: u32,
    refused: u32,
}

/// As much of a row as any reader understands.
#[derive(Deserialize)]
struct Row {
    id: String,
}

/// Where requests are thrown: one bundle for a whole property.
struct Range {
    runtime: Runtime,
    app: TestApp,
    http: reqwest::Client,
    /// The number that `{live}` stands for, and how many there have been.
    live: RefCell<(String, u32)>,
    submitted: Cell<usize>,
}

impl Range {
    fn new(world: World) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let world = World { credits: MicroUsd::from_micros(1_000_000_000), ..world };
        let app = runtime.block_on(TestApp::with(world));
        // The server closes a connection whose request it has answered without reading all of it, which a request that
        // reuses the connection at that moment would take for no answer.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        Self { runtime, app, http, live: RefCell::default(), submitted: Cell::new(0) }
    }

    /// Throws until something is wrong, then looks for the smallest request that shows it. In the end nothing may be
    /// left over: no queued work, and the books are right.
    fn throw(self, strategy: impl Strategy<Value = Throw>) -> Thrown {
        let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let thrown = RefCell::new(Thrown::default());
        let outcome = runner.run(&strategy, |throw| {
            let succeeded = self.runtime.block_on(self.judge(&throw))?;
            let mut thrown = thrown.borrow_mut();
            *if succeeded { &mut thrown.succeeded } else { &mut thrown.refused } += 1;
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(reason, throw)) => panic!(
                "{reason}
{throw:?}"
            ),
            Err(TestError::Abort(reason)) => panic!("{reason}"),
        }
        self.runtime.block_on(async {
            self.app.bundle.notifications.settled().await;
            assert_eq!(self.app.bundle.slack.messages().len(), self.submitted.get(), "staff hear of every submission");
            self.clear_templates().await;
            self.app.check_books().await;
        });
        thrown.into_inner()
    }

    /// Sends one request and checks its answer; true for a success.
    async fn judge(&self, throw: &Throw) -> Result<bool, TestCaseError> {
        // Keeps the limit of 60 searches a minute out of the way.
        self.app.clock.advance(Duration::from_secs(2));
        if throw.path.contains(LIVE) && self.live.borrow().0.is_empty() {
            let next = self.live.borrow().1 + 1;
            let body = json!({ "e164": format!("+44207183{next:04}"), "sipTrunkId": "ST_1" });
            let row = self.app.post("/v1/phone-numbers/import", &body).send().await.ok();
            *self.live.borrow_mut() = (row["id"].as_str().expect("an id").to_owned(), next);
        }
        let path = throw.path.replace(LIVE, &self.live.borrow().0);
        let (status, headers, text) = self.send(throw, &path).await?;
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        prop_assert!(status < 500, "{status}: {text}");
        prop_assert!(!header("x-request-id").is_empty(), "{status}: the answer does not name its request");
        prop_assert_eq!(header("content-type"), "application/json", "{}", text);
        if throw.method == "HEAD" {
            prop_assert!(text.is_empty());
            return Ok(status == 200);
        }
        if status == 200 {
            // A template is answered as it came, with numbers that are too large for most readers.
            let read = serde_json::from_str::<IgnoredAny>(&text);
            prop_assert!(read.is_ok(), "no JSON: {text}");
            match throw.method {
                "DELETE" => self.live.borrow_mut().0.clear(),
                "POST" if path.ends_with("/submit") && header("idempotency-replayed").is_empty() => {
                    self.turn_down().await;
                }
                _ => {}
            }
            return Ok(true);
        }
        let body: Value = serde_json::from_str(&text).map_err(|_| TestCaseError::fail(format!("no JSON: {text}")))?;
        let code = body["code"].as_str().unwrap_or_default();
        prop_assert!(
            !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'),
            "{}",
            text
        );
        prop_assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{}", text);
        prop_assert!(body["retryable"].is_boolean(), "{}", text);
        prop_assert_eq!(code == "VALIDATION_ERROR", body.get("issues").is_some(), "{}", text);
        for issue in body["issues"].as_array().into_iter().flatten() {
            let said = issue["message"].as_str().is_some_and(|message| !message.is_empty());
            prop_assert!(issue["path"].is_string() && said, "{}", text);
        }
        prop_assert_ne!(&body["issues"], &json!([]));
        prop_assert_eq!(status == 405, headers.contains_key("allow"), "{}", text);
        prop_assert!(status != 429 || headers.contains_key("retry-after"), "{}", text);
        Ok(false)
    }

    /// A server that answers without reading a body to its end may close the connection before the answer has arrived;
    /// a client tries again.
    async fn send(&self, throw: &Throw, path: &str) -> Result<(u16, HeaderMap, String), TestCaseError> {
        let right = || format!("Bearer {}", self.app.key).into_bytes();
        let authorization = throw.authorization.clone().unwrap_or_else(right);
        let mut failure = String::new();
        for _ in 0..3 {
            let method = Method::from_bytes(throw.method.as_bytes()).expect("a method");
            let url = format!("{}{path}", self.app.bundle.base_url);
            let mut request = self.http.request(method, url).body(throw.body.clone());
            for (name, value) in throw.headers.iter().chain([&("authorization", authorization.clone())]) {
                request = request.header(*name, value.as_slice());
            }
            match request.send().await {
                Err(error) => failure = format!("{error:?}"),
                Ok(answer) => {
                    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                    match answer.text().await {
                        Err(error) => failure = format!("{error:?}"),
                        Ok(text) => return Ok((status, headers, text)),
                    }
                }
            }
        }
        Err(TestCaseError::fail(format!("no answer: {failure}")))
    }

    /// Removes the templates, which are answered as they came: this test's own reader refuses some.
    async fn clear_templates(&self) {
        let list = self.app.get("/v1/phone-numbers").send_text().await;
        for Row { id } in serde_json::from_str::<Vec<Row>>(&list).expect("a list") {
            let none = json!({ "dispatchMetadataTemplate": null });
            self.app.patch(&format!("/v1/phone-numbers/{id}"), &none).send().await.ok();
        }
    }

    /// Waits until staff have heard of the submission, and turns it down, so that another one can follow.
    async fn turn_down(&self) {
        self.app.bundle.notifications.settled().await;
        self.submitted.set(self.submitted.get() + 1);
        let table = &self.app.bundle.table;
        let verification = table.verification(&self.app.organization).await.expect("a verification");
        let current = verification.current.expect("a submission");
        let review = Review { at: self.app.clock.now(), reviewer_id: "U1".into(), reviewer_email: None };
        let decision = Decision::Reject { reason: Prose::parse("No").expect("a reason"), issues: Vec::new() };
        let actor = Actor::Reviewer { id: "U1".into(), email: None };
        table.decide(&current.organization, &current.id, &decision, &review, &actor).await.expect("a decision");
    }
}
