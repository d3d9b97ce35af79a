//! Strikes one call of a flow, on its way to the table or to the carrier.
//!
//! Every call outside passes here and is numbered. A clean run tells how many calls a flow makes; then each of them can
//! be struck with each fault. A call that is added to a flow is thereby covered the day it is written.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::{Call, dynamo, plain_http};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The process dies, and the call never leaves.
    DiesBefore,
    /// The process dies once the other side has acted.
    DiesAfter,
    /// The call is lost, and nobody answers until the caller gives up.
    SilentBefore,
    /// The other side acts, and nobody answers until the caller gives up.
    SilentAfter,
    /// The other side fails without acting.
    ErrorBefore,
    /// The other side acts and answers with an error all the same.
    ErrorAfter,
    /// The other side asks to come later.
    Throttled,
    /// Somebody else is changing the same thing.
    Conflict,
    /// The other side acts; the connection breaks off in its answer.
    BrokenOff,
    /// The other side acts; its answer makes no sense.
    Garbled,
    /// The other side answers that it has succeeded, names nothing, and has done nothing.
    Lies,
    /// The call arrives twice; the second answer counts.
    Twice,
    /// The connection breaks off, and the call arrives once the caller is done.
    Late,
    /// The same, and the reconciler has looked before it arrives.
    Later,
    /// From this call on the other side fails, until the caller is done.
    Outage,
}

impl Fault {
    pub const ALL: [Self; 15] = [
        Self::DiesBefore,
        Self::DiesAfter,
        Self::SilentBefore,
        Self::SilentAfter,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Throttled,
        Self::Conflict,
        Self::BrokenOff,
        Self::Garbled,
        Self::Lies,
        Self::Twice,
        Self::Late,
        Self::Later,
        Self::Outage,
    ];

    /// As it is told to readers.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::DiesBefore => "the process dies before the call",
            Self::DiesAfter => "the process dies after the call",
            Self::SilentBefore => "the call is lost, and the caller's time-out ends",
            Self::SilentAfter => "the call is carried out, and the caller's time-out ends",
            Self::ErrorBefore => "an error, and nothing is done",
            Self::ErrorAfter => "an error, and it is carried out all the same",
            Self::Throttled => "the caller is throttled",
            Self::Conflict => "somebody else is changing the same",
            Self::BrokenOff => "it is carried out, and the answer breaks off",
            Self::Garbled => "it is carried out, and the answer makes no sense",
            Self::Lies => "the carrier answers success and does nothing",
            Self::Twice => "it arrives twice",
            Self::Late => "it arrives when the caller has given up",
            Self::Later => "it arrives when the reconciler has already looked",
            Self::Outage => "the other side is down from this call on",
        }
    }

    /// Whether this is another case than its siblings for a call of this name: a read leaves nothing behind, so there it
    /// makes no difference whether it was carried out, how often, or when. Only the carrier lies: what the table says is
    /// what this service goes by.
    #[must_use]
    pub fn differs_for(self, step: &str) -> bool {
        let reads = ["table GetItem", "table BatchGetItem", "table Query", "carrier GET"];
        let leaves_nothing = reads.iter().any(|read| step.starts_with(read));
        let about_the_deed = matches!(
            self,
            Self::DiesAfter | Self::SilentAfter | Self::ErrorAfter | Self::Twice | Self::Late | Self::Later
        );
        !(leaves_nothing && about_the_deed || self == Self::Lies && step.starts_with("table "))
    }

    /// True for those that make the caller wait for its own time-out.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::SilentBefore | Self::SilentAfter)
    }
}

/// The call that orders a number.
pub const ORDER: &str = "carrier POST /number_orders";

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Table,
    Carrier,
}

type Delivery = Pin<Box<dyn Future<Output = ()> + Send>>;
type AfterStep = (String, Box<dyn Fn() + Send>);

/// The place where calls are numbered and struck. Clones are the same place.
#[derive(Clone, Default)]
pub struct Faults(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<Plan>,
    struck: Notify,
    gone: Notify,
    late: Mutex<Vec<Delivery>>,
    orders: Mutex<Vec<String>>,
    after: Mutex<Option<AfterStep>>,
}

/// Which call is struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one of this name before which there were so many of the same name. Calls that are made together arrive in any
    /// order, but what they are called does not change.
    Nth(String, usize),
    /// Each call of this name.
    Named(&'static str),
}

#[derive(Default)]
struct Plan {
    /// Calls are numbered while this holds.
    armed: bool,
    strike: Option<(Place, Fault)>,
    down: Option<Side>,
    steps: Vec<String>,
}

impl Faults {
    /// Numbers the calls from now on, and strikes one of them.
    pub fn arm(&self, strike: Option<(Place, Fault)>) {
        *self.plan() = Plan { armed: true, strike, ..Plan::default() };
    }

    /// Strikes no more, and returns the calls that were made so far.
    pub fn spare(&self) -> Vec<String> {
        let mut plan = self.plan();
        (plan.strike, plan.down) = (None, None);
        plan.steps.clone()
    }

    /// Does something once a call of this name has been answered for the first time.
    pub fn after(&self, step: &str, act: impl Fn() + Send + 'static) {
        *lock(&self.0.after) = Some((step.to_owned(), Box::new(act)));
    }

    /// Sends a request whose process dies once a call of this name was carried out.
    pub async fn die_after(&self, step: &'static str, request: Call) {
        self.arm(Some((Place::Named(step), Fault::DiesAfter)));
        let running = tokio::spawn(request.send());
        self.struck().await;
        // The server drops a request whose caller is gone, as a crash would.
        running.abort();
        self.gone().await;
        self.spare();
    }

    /// Returns when the process has to die: its call hangs.
    pub async fn struck(&self) {
        self.0.struck.notified().await;
    }

    /// Returns when the hanging call has been dropped, so that nothing of the dead process is left.
    pub async fn gone(&self) {
        self.0.gone.notified().await;
    }

    /// The references of the orders that this service has sent, each as often as it was sent.
    #[must_use]
    pub fn orders_sent(&self) -> Vec<String> {
        lock(&self.0.orders).clone()
    }

    /// Lets the calls arrive that were held back.
    pub async fn deliver_late(&self) {
        let late = std::mem::take(&mut *lock(&self.0.late));
        for delivery in late {
            delivery.await;
        }
    }

    /// Takes one call through, or strikes it. `deliver` carries it to the other side.
    pub(crate) async fn pass<F>(&self, side: Side, step: String, deliver: impl Fn() -> F) -> Response
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let Some(fault) = self.judge(side, &step) else {
            let answer = deliver().await;
            self.answered(&step);
            return answer;
        };
        match fault {
            Fault::DiesBefore | Fault::SilentBefore => self.hang(fault).await,
            Fault::DiesAfter | Fault::SilentAfter => {
                deliver().await;
                self.hang(fault).await
            }
            Fault::ErrorBefore | Fault::Outage => side.error(),
            Fault::ErrorAfter => {
                deliver().await;
                side.error()
            }
            Fault::Throttled => side.throttled(),
            Fault::Conflict => side.conflict(&step),
            Fault::BrokenOff => {
                deliver().await;
                dynamo::broken_off()
            }
            Fault::Garbled => {
                deliver().await;
                (StatusCode::OK, [("content-type", "text/html")], "<html>").into_response()
            }
            Fault::Lies => axum::Json(json!({})).into_response(),
            Fault::Twice => {
                deliver().await;
                deliver().await
            }
            Fault::Late | Fault::Later => {
                let delivery = deliver();
                lock(&self.0.late).push(Box::pin(async move { drop(delivery.await) }));
                dynamo::broken_off()
            }
        }
    }

    fn judge(&self, side: Side, step: &str) -> Option<Fault> {
        let mut plan = self.plan();
        if !plan.armed {
            return None;
        }
        let before = plan.steps.iter().filter(|earlier| *earlier == step).count();
        plan.steps.push(step.to_owned());
        let struck = plan.strike.as_ref().filter(|(place, _)| match place {
            Place::Nth(name, nth) => name == step && *nth == before,
            Place::Named(name) => *name == step,
        });
        let struck = struck.map(|(_, fault)| *fault);
        if struck == Some(Fault::Outage) {
            plan.down = Some(side);
        }
        if plan.down == Some(side) { Some(Fault::Outage) } else { struck }
    }

    fn answered(&self, step: &str) {
        let act = lock(&self.0.after).take_if(|(name, _)| name == step);
        if let Some((_, act)) = act {
            act();
        }
    }

    /// Never answers. It ends when the caller closes its connection.
    async fn hang(&self, fault: Fault) -> Response {
        let _gone = Gone(self.clone());
        if !fault.waits() {
            self.0.struck.notify_one();
        }
        std::future::pending().await
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        lock(&self.0.state)
    }
}

/// Tells when a hanging call is dropped.
struct Gone(Faults);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.0.gone.notify_one();
    }
}

impl Side {
    fn error(self) -> Response {
        match self {
            Self::Table => dynamo::refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &json!({})),
            Self::Carrier => carrier_says(StatusCode::INTERNAL_SERVER_ERROR, "10007"),
        }
    }

    fn throttled(self) -> Response {
        match self {
            Self::Table => dynamo::throttle(),
            Self::Carrier => {
                let answer = carrier_says(StatusCode::TOO_MANY_REQUESTS, "10011");
                ([("x-ratelimit-reset", "1")], answer).into_response()
            }
        }
    }

    fn conflict(self, step: &str) -> Response {
        match self {
            Self::Table if step.ends_with("TransactWriteItems") => {
                let reasons = json!({ "CancellationReasons": [{ "Code": "TransactionConflict" }] });
                dynamo::refuse(StatusCode::BAD_REQUEST, "TransactionCanceledException", &reasons)
            }
            Self::Table => dynamo::refuse(StatusCode::BAD_REQUEST, "TransactionConflictException", &json!({})),
            Self::Carrier => carrier_says(StatusCode::CONFLICT, "10012"),
        }
    }
}

fn carrier_says(status: StatusCode, code: &str) -> Response {
    let error = json!({ "code": code, "title": "injected", "detail": "Injected by a test.", "source": null });
    (status, axum::Json(json!({ "errors": [error] }))).into_response()
}

/// Stands between the product and the sandbox carrier.
#[derive(Clone)]
pub(crate) struct CarrierWire {
    faults: Faults,
    http: reqwest::Client,
    /// The sandbox's address, known once it runs.
    target: Arc<OnceLock<String>>,
}

impl CarrierWire {
    /// Starts listening; returns itself and the address to give to the product.
    ///
    /// # Panics
    /// No port is free.
    pub(crate) async fn start(faults: Faults) -> (Self, String) {
        let http = plain_http();
        let wire = Self { faults, http, target: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(pass_to_carrier).with_state(wire.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (wire, url)
    }

    /// Says where the carrier is, with its `/v2`.
    pub(crate) fn point_at(&self, url: String) {
        self.target.set(url).expect("it is said once");
    }
}

async fn pass_to_carrier(State(wire): State<CarrierWire>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let target = wire.target.get().expect("the carrier's address");
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let step = format!("carrier {} {}", head.method, template(head.uri.path()));
    if step == ORDER {
        let order: serde_json::Value = serde_json::from_slice(&body).expect("an order in JSON");
        let reference = order["customer_reference"].as_str().expect("an order with a reference");
        lock(&wire.faults.0.orders).push(reference.to_owned());
    }
    let deliver = || {
        let mut call = wire.http.request(head.method.clone(), format!("{target}{path}")).body(body.clone());
        for name in ["authorization", "content-type"] {
            if let Some(value) = head.headers.get(name) {
                call = call.header(name, value);
            }
        }
        async move { forward(call).await }
    };
    wire.faults.pass(Side::Carrier, step, deliver).await
}

/// A path with its id left out, so that the same step has the same name each time.
fn template(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.bytes().any(|byte| byte.is_ascii_digit()) { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Sends a call on and brings the answer back.
///
/// # Panics
/// Nobody answers.
pub async fn forward(call: reqwest::RequestBuilder) -> Response {
    let answer = call.send().await.expect("the other side answers");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body: Bytes = answer.bytes().await.expect("the other side's answer");
    let mut response = (status, Body::from(body)).into_response();
    for name in ["content-type", "x-amz-crc32", "x-amzn-requestid", "x-ratelimit-reset"] {
        if let Some(value) = headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
