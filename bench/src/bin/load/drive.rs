//! Drives customers for a while, and watches.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::interval;

use crate::customer::Customer;
use crate::memory::Memory;
use crate::tally::Tally;

/// Seconds between two lines of progress.
const PROGRESS_SECONDS: u64 = 5;

/// What is driven, and how.
pub(crate) struct Drive {
    pub(crate) customers: Vec<Arc<Customer>>,
    /// Calls a second; without it each customer sends its next call after the last answer.
    pub(crate) rate: Option<u32>,
    /// The process whose memory is watched.
    pub(crate) pid: Option<u32>,
}

/// What a drive has shown.
pub(crate) struct Result {
    pub(crate) tally: Tally,
    pub(crate) memory: Memory,
    pub(crate) took: Duration,
}

type Shared = Arc<Mutex<Tally>>;

impl Drive {
    /// Drives for `length`, and waits for the calls that are under way then.
    pub(crate) async fn run(&self, name: &str, length: Duration) -> io::Result<Result> {
        let (shared, begun) = (Shared::default(), Instant::now());
        let (watched, ()) = tokio::join!(self.watch(name, &shared, begun, length), self.call(&shared, begun + length));
        let tally = lock(&shared).clone();
        Ok(Result { tally, memory: watched?, took: begun.elapsed() })
    }

    async fn call(&self, shared: &Shared, until: Instant) {
        let mut tasks = JoinSet::new();
        if let Some(rate) = self.rate {
            self.call_at_rate(rate, shared, until, &mut tasks).await;
        } else {
            for customer in &self.customers {
                tasks.spawn(call_in_turn(customer.clone(), shared.clone(), until));
            }
        }
        tasks.join_all().await;
    }

    /// Each call counts from the moment at which it was due, so that a slow answer also counts for those that wait behind it.
    async fn call_at_rate(&self, rate: u32, shared: &Shared, until: Instant, tasks: &mut JoinSet<()>) {
        let mut due = interval(Duration::from_secs(1) / rate);
        for customer in self.customers.iter().cycle() {
            let due = due.tick().await.into_std();
            if due >= until {
                break;
            }
            tasks.spawn(call_once(customer.clone(), shared.clone(), due));
            while tasks.try_join_next().is_some() {}
        }
    }

    /// Takes a sample of the memory each second, and says how it goes.
    async fn watch(&self, name: &str, shared: &Shared, begun: Instant, length: Duration) -> io::Result<Memory> {
        let mut memory = Memory::default();
        let mut seconds = interval(Duration::from_secs(1));
        let mut before = 0;
        while begun.elapsed() < length {
            seconds.tick().await;
            if let Some(pid) = self.pid {
                memory.sample(pid);
            }
            let passed = begun.elapsed().as_secs();
            if passed > 0 && passed.is_multiple_of(PROGRESS_SECONDS) {
                let (calls, errors) = lock(shared).so_far();
                let rate = (calls - before) as u64 / PROGRESS_SECONDS;
                let resident = memory.span().map_or_else(String::new, |[_, now, _]| format!(", {} MB", now / 1024));
                say(&format!("{name}: {passed} s, {calls} calls, {rate} a second, {errors} errors{resident}"))?;
                before = calls;
            }
        }
        Ok(memory)
    }
}

async fn call_in_turn(customer: Arc<Customer>, shared: Shared, until: Instant) {
    while Instant::now() < until {
        call_once(customer.clone(), shared.clone(), Instant::now()).await;
    }
}

async fn call_once(customer: Arc<Customer>, shared: Shared, begun: Instant) {
    let (call, outcome) = customer.call().await;
    lock(&shared).add(call, begun.elapsed(), outcome);
}

fn lock(shared: &Shared) -> MutexGuard<'_, Tally> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line of progress.
pub(crate) fn say(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}
