//! Stands between the AWS SDK and the engine, counts what passes, and answers what real DynamoDB sometimes answers
//! and the engine never does.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::carrier_wire::forward;
use crate::faults::{Faults, Side, Step};
use crate::plain_http;

/// What happens to calls from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// All calls pass.
    Fair,
    /// Of three calls one is turned away, as under contention: transactions as conflicting, others as throttled.
    Contended,
    /// Of three writes one is carried out, but its answer is lost: it is a fault, or breaks off half-way.
    Forgetful,
    /// Transactions are throttled; all else passes.
    NoTransactions,
    /// Transactions that delete something are throttled; all else passes.
    NoRemovals,
    /// Every call is throttled.
    Throttled,
    /// Every call fails.
    Down,
}

/// The DynamoDB of one test.
pub struct Dynamo {
    url: String,
    inner: Arc<Inner>,
}

struct Inner {
    engine_url: String,
    faults: Faults,
    http: reqwest::Client,
    weather: Mutex<Weather>,
    calls: AtomicU64,
    /// How long each call is held back, so that calls made together are seen together.
    hold: Mutex<Duration>,
    in_flight: AtomicUsize,
    rounds: AtomicUsize,
    seen: Mutex<Vec<String>>,
    /// What calls cost, while that is counted.
    cost: Mutex<Option<Cost>>,
    /// The place of the key that batches of reads leave unread, and how often.
    unread: Mutex<Option<(usize, usize)>>,
}

/// What calls to the table cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    pub requests: u32,
    /// Read request units: one for each started 4 KB that is read as it is now.
    pub reads: f64,
    /// Write request units: one for each started KB, two in a transaction, and the same again in each index.
    pub writes: f64,
}

impl Dynamo {
    /// # Panics
    /// No port is free.
    pub async fn start(engine_url: String, faults: Faults) -> Self {
        let inner = Arc::new(Inner {
            engine_url,
            faults,
            http: plain_http(),
            weather: Mutex::new(Weather::Fair),
            calls: AtomicU64::new(0),
            hold: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            rounds: AtomicUsize::new(0),
            seen: Mutex::default(),
            cost: Mutex::default(),
            unread: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(pass).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks the engine itself, past everything that can be made to fail and past the product's own code.
    ///
    /// # Panics
    /// The engine refuses.
    pub async fn ask(&self, operation: &str, body: &Value) -> Value {
        let call = self
            .inner
            .http
            .post(&self.inner.engine_url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
                 Signature=none",
            );
        let answer = call.body(body.to_string()).send().await.expect("the engine answers");
        let (status, text) = (answer.status(), answer.text().await.expect("the engine's answer"));
        assert!(status.is_success(), "{operation}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// What strikes the calls that pass here.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    pub fn set(&self, weather: Weather) {
        *lock(&self.inner.weather) = weather;
    }

    /// Forgets what has been counted, and holds calls back long enough to see which are made together.
    pub fn count_rounds(&self) {
        *lock(&self.inner.hold) = Duration::from_millis(60);
        self.inner.rounds.store(0, Ordering::SeqCst);
        lock(&self.inner.seen).clear();
    }

    /// Counts from now on what calls cost.
    pub fn count_cost(&self) {
        *lock(&self.inner.cost) = Some(Cost::default());
    }

    /// What has been counted; it is not counted any further.
    ///
    /// # Panics
    /// Nothing was to be counted.
    #[must_use]
    pub fn cost(&self) -> Cost {
        lock(&self.inner.cost).take().expect("something that is counted")
    }

    /// Has the next `times` batches of reads leave the key at `place` unread, as DynamoDB does when it is busy.
    pub fn leave_unread(&self, place: usize, times: usize) {
        *lock(&self.inner.unread) = Some((place, times));
    }

    /// How many batches of calls there were, one after another: the round trips that a caller waits for.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.inner.rounds.load(Ordering::SeqCst)
    }

    /// How many calls have passed so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// The operations seen, such as `GetItem`.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.inner.seen).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    if inner.in_flight.fetch_add(1, Ordering::SeqCst) == 0 {
        inner.rounds.fetch_add(1, Ordering::SeqCst);
    }
    let hold = *lock(&inner.hold);
    if !hold.is_zero() {
        tokio::time::sleep(hold).await;
    }
    let answer = judge(&inner, &headers, body).await;
    inner.in_flight.fetch_sub(1, Ordering::SeqCst);
    answer
}

/// A call to AWS, to be sent on to another address as it came.
pub fn passed_on(http: &reqwest::Client, url: &str, headers: &HeaderMap, body: Bytes) -> reqwest::RequestBuilder {
    let own = |name: &str| name == "host" || name == "content-length";
    let kept = headers.iter().filter(|(name, _)| !own(name.as_str()));
    http.post(url).body(body).headers(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

async fn judge(inner: &Inner, headers: &HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    lock(&inner.seen).push(operation.clone());
    let call = inner.calls.fetch_add(1, Ordering::SeqCst);
    let weather = *lock(&inner.weather);
    let transaction = operation == "TransactWriteItems";
    match weather {
        Weather::Down => return refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &json!({})),
        Weather::Throttled => return throttle(),
        Weather::NoTransactions if transaction => return throttle(),
        Weather::NoRemovals if transaction && deletes(&body) => return throttle(),
        Weather::Contended if unlucky(call) => {
            return if transaction { conflict(&body) } else { throttle() };
        }
        _ => {}
    }
    let (body, unread) = if operation == "BatchGetItem" { leave_unread(inner, &body) } else { (body, None) };
    if let Some(unread) = unread.clone().filter(|_| body.is_empty()) {
        let nothing = (StatusCode::OK, [("content-type", "application/x-amz-json-1.0")], "{\"Responses\":{}}");
        return with_unread(nothing.into_response(), unread).await;
    }
    let counts = lock(&inner.cost).is_some();
    let body = if counts { with_capacity_asked(&body) } else { body };
    let deliver = || {
        let request = passed_on(&inner.http, &inner.engine_url, headers, body.clone());
        async move { forward(request).await }
    };
    let answer =
        inner.faults.pass(Step { side: Side::Table, name: format!("table {operation}"), about: None }, deliver).await;
    let answer = if counts { counted(inner, &operation, answer).await } else { answer };
    let answer = if let Some(unread) = unread { with_unread(answer, unread).await } else { answer };
    let write = !matches!(operation.as_str(), "BatchGetItem" | "GetItem" | "Query");
    if weather == Weather::Forgetful && write && unlucky(call) {
        return if call.is_multiple_of(2) {
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &json!({}))
        } else {
            broken_off()
        };
    }
    answer
}

/// The batch without the key that is to be left unread, and that key as DynamoDB names it in its answer. Nothing is left to ask
/// of a batch of one key.
fn leave_unread(inner: &Inner, body: &Bytes) -> (Bytes, Option<Value>) {
    let mut plan = lock(&inner.unread);
    let Some((place, times)) = plan.as_mut().filter(|(_, times)| *times > 0) else { return (body.clone(), None) };
    let mut asked: Value = serde_json::from_slice(body).expect("a JSON request");
    let tables = asked["RequestItems"].as_object_mut().expect("tables");
    let (name, wanted) = tables.iter_mut().next().expect("a table");
    let consistent = wanted["ConsistentRead"].clone();
    let keys = wanted["Keys"].as_array_mut().expect("keys");
    let key = keys.remove((*place).min(keys.len() - 1));
    *times -= 1;
    let unread = json!({ name: { "Keys": [key], "ConsistentRead": consistent } });
    let body = if keys.is_empty() { Bytes::new() } else { asked.to_string().into() };
    (body, Some(unread))
}

async fn parts(answer: Response) -> (axum::http::response::Parts, Bytes) {
    let (parts, body) = answer.into_parts();
    (parts, axum::body::to_bytes(body, usize::MAX).await.expect("the engine's answer"))
}

async fn with_unread(answer: Response, unread: Value) -> Response {
    let (mut head, body) = parts(answer).await;
    let mut answer: Value = serde_json::from_slice(&body).expect("a JSON answer");
    answer["UnprocessedKeys"] = unread;
    head.headers.remove("content-length");
    head.headers.remove("x-amz-crc32");
    Response::from_parts(head, Body::from(answer.to_string()))
}

fn with_capacity_asked(body: &Bytes) -> Bytes {
    let mut asked: Value = serde_json::from_slice(body).expect("a JSON request");
    asked["ReturnConsumedCapacity"] = "TOTAL".into();
    asked.to_string().into()
}

/// Adds what a call has cost, as the engine says.
async fn counted(inner: &Inner, operation: &str, answer: Response) -> Response {
    let (head, body) = parts(answer).await;
    let said: Value = serde_json::from_slice(&body).expect("a JSON answer");
    let consumed = &said["ConsumedCapacity"];
    let tables = consumed.as_array().cloned().unwrap_or_else(|| vec![consumed.clone()]);
    let units: f64 = tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum();
    if let Some(cost) = lock(&inner.cost).as_mut() {
        cost.requests += 1;
        let sum =
            if matches!(operation, "BatchGetItem" | "GetItem" | "Query") { &mut cost.reads } else { &mut cost.writes };
        *sum += units;
    }
    Response::from_parts(head, Body::from(body))
}

/// True for about a third of all calls, without a pattern that callers could fall into step with, and never for more
/// than three in a row: who calls alone and tries again comes through.
const fn unlucky(call: u64) -> bool {
    const fn drawn(call: u64) -> bool {
        (call.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).is_multiple_of(3)
    }
    let before = call.wrapping_sub(1);
    drawn(call) && !(drawn(before) && drawn(before.wrapping_sub(1)) && drawn(before.wrapping_sub(2)))
}

/// An answer whose connection closes before its body has come.
pub(crate) fn broken_off() -> Response {
    let nothing = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "injected");
    let body = Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(nothing)]));
    (StatusCode::OK, [("content-type", "application/x-amz-json-1.0")], body).into_response()
}

pub(crate) fn throttle() -> Response {
    refuse(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException", &json!({}))
}

fn deletes(transaction: &Bytes) -> bool {
    let transaction: Value = serde_json::from_slice(transaction).expect("a JSON request");
    transaction["TransactItems"].as_array().is_some_and(|items| items.iter().any(|item| item["Delete"].is_object()))
}

/// The first item of the transaction is being written by another one.
fn conflict(body: &Bytes) -> Response {
    let body: Value = serde_json::from_slice(body).expect("a JSON request");
    let items = body["TransactItems"].as_array().map_or(1, Vec::len);
    let mut reasons = vec![json!({ "Code": "None" }); items];
    reasons[0] = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
    refuse(StatusCode::BAD_REQUEST, "TransactionCanceledException", &json!({ "CancellationReasons": reasons }))
}

pub(crate) fn refuse(status: StatusCode, kind: &str, more: &Value) -> Response {
    let mut body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": "injected" });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}
