//! The months after the first: charges numbers, suspends those that the credits do not cover, lifts suspensions when credits
//! come, and releases numbers that nobody pays for.
//!
//! A schedule finds the organizations that have something due and queues one message for each. A worker then charges the
//! numbers of one organization, the oldest month first. Every write is conditional on the credits and the rows that it was
//! decided from, so it does no harm when a run comes late, twice or beside another.

mod charge;
mod due;

use domain::audit::Actor;
use runtime::schedule::Schedule;
use runtime::settings::SettingsError;
use runtime::worker::QueueWorker;
use runtime::{Function, Start};

pub use charge::{Charger, NUMBERS_AT_ONCE, Report};
pub use due::{Found, Scheduler};

/// Whom the audit trail names for what is charged here.
pub const ACTOR: Actor = Actor::System("renewals");

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let (scheduler, charger) = (Scheduler::from_start(start)?, Charger::from_start(start)?);
    let (warm_up, queue) = (scheduler.table.connect(), scheduler.queue.clone());
    Ok(Function::new(warm_up)
        .entrance("due", Schedule::new(move |_| scheduler.clone().handle()))
        .entrance("charge", QueueWorker::new(charge::Messages { charger, queue })))
}
