//! A carrier on this machine that speaks Telnyx's wire format and remembers what it was told.
//!
//! It offers `+1 NPA 555 xxxx` in every area code of the United States, takes orders that finish a moment later, and
//! lists and releases the numbers. Source: Telnyx API v2, number search, number orders, number configurations, balance
//! and API errors. Of the published interface it leaves out what this project does not use; an order names exactly one
//! number.
//!
//! # Magic numbers
//!
//! What the last four digits of a number bring about is listed at [`Magic`].

mod book;
mod brands;
mod inventory;
mod magic;
mod problem;
mod query;
mod rate;
mod routes;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use domain::{Clock, SystemClock, Timestamp};

use self::book::Book;
pub use self::book::{OwnedNumber, PlacedOrder};
pub use self::magic::Magic;
use self::problem::Problem;
pub use self::rate::RateLimit;
use self::rate::Window;

/// How much each log keeps: a process that runs for weeks must not grow with it.
const CALLS_LOGGED: usize = 10_000;

/// How the carrier behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The key that callers must bring.
    pub api_key: String,
    /// Where orders and numbers survive the process; `None` keeps them in memory only.
    pub file: Option<PathBuf>,
    /// How long an order stays pending.
    pub settle_after: Duration,
    /// How long every call takes on its way, half of it before the call has done anything.
    pub delay: Duration,
}

impl Default for Options {
    /// In memory, with orders that take 300 ms, calls that are answered at once, and the key `sandbox`.
    fn default() -> Self {
        Self {
            api_key: "sandbox".to_owned(),
            file: None,
            settle_after: Duration::from_millis(300),
            delay: Duration::ZERO,
        }
    }
}

/// The sandbox carrier. Clones are the same carrier.
#[derive(Clone)]
pub struct Carrier(Arc<Inner>);

struct Inner {
    options: Options,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    book: Book,
    calls: VecDeque<String>,
    /// The references of the orders that were sent here.
    attempts: VecDeque<String>,
    limit: Option<(RateLimit, Option<Window>)>,
}

impl Carrier {
    /// Opens the carrier, with what its file remembers.
    ///
    /// # Errors
    /// The file exists and cannot be read or understood.
    pub fn new(options: Options) -> io::Result<Self> {
        Self::with_clock(options, Arc::new(SystemClock))
    }

    /// The same with a clock of the caller's, which decides when orders finish.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(options: Options, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let book = match &options.file {
            Some(file) => Book::read(file, clock.now())?,
            None => Book::new(clock.now()),
        };
        let state = State { book, calls: VecDeque::new(), attempts: VecDeque::new(), limit: None };
        let state = Mutex::new(state);
        Ok(Self(Arc::new(Inner { options, clock, state })))
    }

    /// The carrier's interface, below `/v2`.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// The latest calls (at most 10,000), oldest first, each as `METHOD /path`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.state().calls.iter().cloned().collect()
    }

    /// The numbers that are ours at the carrier now, oldest first.
    #[must_use]
    pub fn numbers(&self) -> Vec<OwnedNumber> {
        self.state().book.numbers(self.now()).cloned().collect()
    }

    /// Every order that was accepted, oldest first.
    #[must_use]
    pub fn orders(&self) -> Vec<PlacedOrder> {
        self.state().book.orders().to_vec()
    }

    /// How often an order was sent under each reference, whatever became of it: accepted, refused, throttled, or never
    /// answered. Counts the latest 10,000 orders.
    #[must_use]
    pub fn order_attempts(&self) -> BTreeMap<String, u32> {
        let mut attempts = BTreeMap::new();
        for reference in &self.state().attempts {
            *attempts.entry(reference.clone()).or_default() += 1;
        }
        attempts
    }

    /// Takes only so many calls from now on; all of them with `None`, as at first.
    pub fn limit_rate(&self, limit: Option<RateLimit>) {
        self.state().limit = limit.map(|limit| (limit, None));
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn log_call(&self, call: String) {
        push(&mut self.state().calls, call);
    }

    fn log_attempt(&self, reference: String) {
        push(&mut self.state().attempts, reference);
    }

    /// Counts a call.
    ///
    /// # Errors
    /// How long to stay away, when there have been too many.
    fn count_call(&self) -> Result<(), Duration> {
        match &mut self.state().limit {
            None => Ok(()),
            Some((limit, window)) => rate::count(window, *limit, self.now()),
        }
    }

    /// Changes the book, and its file before anybody sees the change. A change that cannot be kept did not happen, and
    /// one that is refused has changed nothing.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> Result<T, Problem>) -> Result<T, Problem> {
        let mut state = self.state();
        let Some(file) = &self.0.options.file else {
            return change(&mut state.book);
        };
        let mut next = state.book.clone();
        let outcome = change(&mut next)?;
        next.write(file).map_err(|error| {
            tracing::error!(%error, "the sandbox carrier cannot write its file");
            Problem::unexpected()
        })?;
        state.book = next;
        Ok(outcome)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds to a log, which forgets its oldest entry when it is full.
fn push(log: &mut VecDeque<String>, entry: String) {
    if log.len() == CALLS_LOGGED {
        log.pop_front();
    }
    log.push_back(entry);
}
