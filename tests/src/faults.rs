//! Strikes calls on their way to the table or to the carrier: one call of a flow, or any call by chance.
//!
//! Every call outside passes here and is numbered. A clean run tells how many calls a flow makes; then each of them can
//! be struck with each fault. A call that is added to a flow is thereby covered the day it is written. In a storm each
//! call draws what becomes of it instead.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::Notify;

use crate::chance::{Chance, Lie, Lot, Struck};
use crate::{Call, dynamo};

pub use crate::carrier_wire::forward;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The other side answers that all is well, and has done nothing.
    Lies,
    /// The call arrives twice; the second answer counts.
    Twice,
    /// The connection breaks off, and the call arrives once the caller is done.
    Late,
    /// The same, and the reconciler has looked before it arrives.
    Later,
    /// The same, and the purchase has been refunded before it arrives.
    Latest,
    /// From this call on the other side fails, until the caller is done.
    Outage,
}

impl Fault {
    pub const ALL: [Self; 16] = [
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
        Self::Latest,
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
            Self::Latest => "an order arrives when its purchase has been refunded",
            Self::Outage => "the other side is down from this call on",
        }
    }

    /// Whether this is another case than its siblings for a call of this name: a read leaves nothing behind, so there it
    /// makes no difference whether it was carried out, how often, or when, and nobody else is changing what it changes. The
    /// table is ours, and what it says is true.
    #[must_use]
    pub fn differs_for(self, step: &str) -> bool {
        let leaves_nothing = is_read(step);
        let about_the_deed = matches!(
            self,
            Self::DiesAfter
                | Self::SilentAfter
                | Self::ErrorAfter
                | Self::Conflict
                | Self::Twice
                | Self::Late
                | Self::Later
                | Self::Latest
        );
        // Hours later: only of an order has anything been decided by then.
        let decided = self == Self::Latest && step != ORDER;
        let lies_to_us = self == Self::Lies && step.starts_with("table ");
        !(lies_to_us || decided || leaves_nothing && about_the_deed)
    }

    /// True for those that make the caller wait for its own time-out.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(self, Self::SilentBefore | Self::SilentAfter)
    }
}

/// Whether a call of this name only reads.
#[must_use]
pub fn is_read(step: &str) -> bool {
    let reads = ["table GetItem", "table BatchGetItem", "table Query", "carrier GET"];
    reads.iter().any(|read| step.starts_with(read))
}

/// The call that orders a number.
pub const ORDER: &str = "carrier POST /number_orders";

/// An order that this service has sent.
#[derive(Clone, Debug)]
pub struct SentOrder {
    /// The id of the number that it was sent for.
    pub reference: String,
    pub fault: Option<Fault>,
}

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Table,
    Carrier,
}

/// A call on its way.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) side: Side,
    /// The same for each call of this kind.
    pub(crate) name: String,
    /// Which number it is about, where it changes one at the carrier.
    pub(crate) about: Option<String>,
}

/// A call that has not arrived yet.
pub type Delivery = Pin<Box<dyn Future<Output = ()> + Send>>;
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
    orders: Mutex<Vec<SentOrder>>,
    chance: Mutex<Option<Chance>>,
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
        if let Some(chance) = &mut *lock(&self.0.chance) {
            chance.end();
        }
        let mut plan = self.plan();
        (plan.strike, plan.down) = (None, None);
        plan.steps.clone()
    }

    /// Lets chance decide about each call from now on, until calls are spared.
    pub fn leave_to(&self, chance: Chance) {
        *lock(&self.0.chance) = Some(chance);
    }

    /// What chance has struck so far, and which orders and changes it has seen.
    #[must_use]
    pub fn struck_by_chance(&self) -> Struck {
        lock(&self.0.chance).as_ref().map(Chance::struck).unwrap_or_default()
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

    /// The orders that this service has sent, whether or not they arrived.
    #[must_use]
    pub fn orders_sent(&self) -> Vec<SentOrder> {
        lock(&self.0.orders).clone()
    }

    /// Returns when the process has to die: its call hangs.
    pub async fn struck(&self) {
        self.0.struck.notified().await;
    }

    /// Returns when the hanging call has been dropped, so that nothing of the dead process is left.
    pub async fn gone(&self) {
        self.0.gone.notified().await;
    }

    /// Lets the calls arrive that were held back.
    pub async fn deliver_late(&self) {
        let late = std::mem::take(&mut *lock(&self.0.late));
        for delivery in late {
            delivery.await;
        }
    }

    /// Calls that were held back, those that `chosen` picks.
    pub fn take_late(&self, mut chosen: impl FnMut() -> bool) -> Vec<Delivery> {
        lock(&self.0.late).extract_if(.., |_| chosen()).collect()
    }

    /// Takes one call through, or strikes it. `deliver` carries it to the other side.
    pub(crate) async fn pass<F>(&self, step: Step, deliver: impl Fn() -> F) -> Response
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let Lot { delay, fault, lie } = self.judge(&step);
        if step.name == ORDER
            && let Some(reference) = step.about.clone()
        {
            lock(&self.0.orders).push(SentOrder { reference, fault });
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match fault {
            None => {
                let answer = deliver().await;
                self.answered(&step.name);
                answer
            }
            Some(fault) => self.strike(&step, fault, lie, deliver).await,
        }
    }

    async fn strike<F>(&self, step: &Step, fault: Fault, lie: Lie, deliver: impl Fn() -> F) -> Response
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let side = step.side;
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
            Fault::Conflict => side.conflict(&step.name),
            Fault::Lies => lie.answer(),
            Fault::BrokenOff => {
                deliver().await;
                dynamo::broken_off()
            }
            Fault::Garbled => {
                deliver().await;
                (StatusCode::OK, [("content-type", "text/html")], "<html>").into_response()
            }
            Fault::Twice => {
                deliver().await;
                deliver().await
            }
            Fault::Late | Fault::Later | Fault::Latest => {
                let delivery = deliver();
                lock(&self.0.late).push(Box::pin(async move { drop(delivery.await) }));
                dynamo::broken_off()
            }
        }
    }

    fn judge(&self, step: &Step) -> Lot {
        if let Some(chance) = &mut *lock(&self.0.chance) {
            return chance.draw(step);
        }
        let Step { side, name, .. } = step;
        let mut plan = self.plan();
        if !plan.armed {
            return Lot::default();
        }
        let before = plan.steps.iter().filter(|earlier| *earlier == name).count();
        plan.steps.push(name.clone());
        let struck = plan.strike.as_ref().filter(|(place, _)| match place {
            Place::Nth(named, nth) => named == name && *nth == before,
            Place::Named(named) => named == name,
        });
        let struck = struck.map(|(_, fault)| *fault);
        if struck == Some(Fault::Outage) {
            plan.down = Some(*side);
        }
        let fault = if plan.down == Some(*side) { Some(Fault::Outage) } else { struck };
        Lot { fault, ..Lot::default() }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
