//! Settles what a crash, a time-out or a silent carrier has left behind: orders in doubt, releases that stopped
//! half-way, submissions that staff have not been told of.
//!
//! Every step is conditional on the row as it was read, so two runs at once do no harm. A row that cannot be settled is
//! looked at again later and never keeps the others waiting.

pub mod sweep;
mod task;

use std::sync::Arc;
use std::time::Duration;

use clients::telnyx::Telnyx;
use domain::audit::Actor;
use domain::kyb::{Notification, Status};
use domain::number::{Order, PhoneNumber, Source};
use domain::settlement::{HANDED_OVER_AFTER, ask_again_after};
use domain::{Clock, Error, KybId, OrganizationId, PhoneNumberId, Result, Timestamp, chain};
use runtime::alarm::Alarm;
use runtime::message::SubmissionHandle;
use runtime::queue::Queue;
use runtime::schedule::Schedule;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use serde::Serialize;
use serde_json::Value;
use settling::{LateLook, Settled, finish_release, look_for_late_order, settle_order};
use table::{Due, Table};
use tokio::time::Instant;

pub use task::Task;

/// Rows looked at in one run.
const ROWS_PER_RUN: usize = 200;
/// No row is begun after this: the next run comes after a minute, and one row takes at most some 20 s.
const LAST_ROW_BEGINS_WITHIN: Duration = Duration::from_secs(35);
/// When to ask again about a refunded order that is under way, or about which the carrier gave no answer.
const LATE_ORDER_PAUSE: Duration = Duration::from_mins(15);
/// Whom the audit trail names for what is settled here.
const ACTOR: Actor = Actor::System("reconciler");

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> std::result::Result<Function, SettingsError> {
    let reconciler = Reconciler::from_start(start)?;
    let warm_up = reconciler.table.connect();
    Ok(Function::new(warm_up).entrance("schedule", Schedule::new(move |event| reconciler.clone().handle(event))))
}

/// What it takes to settle things.
#[derive(Clone)]
pub struct Reconciler {
    pub table: Table,
    pub carrier: Telnyx,
    pub queue: Queue<SubmissionHandle>,
    pub clock: Arc<dyn Clock>,
}

/// What a run has done, as it is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Orders whose number is ours.
    pub adopted: u32,
    /// Orders that the carrier has given up or never got, with the money returned.
    pub refunded: u32,
    /// Orders that arrived after their refund, with their numbers released at the carrier.
    pub late_released: u32,
    /// Orders and releases that are asked about again later, refunded orders that may still arrive among them.
    pub waiting: u32,
    /// Orders and releases that a person has to decide.
    pub handed_over: u32,
    /// Releases that are finished now.
    pub released: u32,
    /// Submissions queued for staff again.
    pub queued: u32,
    /// Rows that needed nothing.
    pub settled_already: u32,
    /// Rows that could not be looked at.
    pub failed: u32,
}

impl Reconciler {
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> Result<Self, SettingsError> {
        Ok(Self {
            table: Table::from_start(start)?,
            carrier: Telnyx::from_start(start)?,
            queue: Queue::from_start(start)?,
            clock: start.clock.clone(),
        })
    }

    async fn handle(self, event: Value) -> std::result::Result<Value, runtime::Error> {
        Ok(match Task::read(event)? {
            Task::Settle {} => serde_json::to_value(self.run().await?)?,
            Task::Sweep(order) => serde_json::to_value(self.sweep(&order, Instant::now() + sweep::SWEEP_TIME).await)?,
        })
    }

    /// Looks at what is due, the longest overdue first.
    ///
    /// # Errors
    /// What is due cannot be read. Trouble with single rows is counted and logged instead.
    pub async fn run(&self) -> Result<Report> {
        let deadline = Instant::now() + LAST_ROW_BEGINS_WITHIN;
        let (mut report, mut throttled) = (Report::default(), false);
        for due in self.table.due(self.clock.now(), ROWS_PER_RUN).await? {
            if Instant::now() >= deadline {
                break;
            }
            if throttled && matches!(due, Due::Number(..) | Due::LateOrder(..)) {
                // It would hear the same; the next run goes on with it. Submissions need no carrier.
                continue;
            }
            let outcome = match self.settle(&due, &mut report).await {
                Err(Error::CarrierThrottled { retry_after, .. }) if Instant::now() + retry_after < deadline => {
                    tokio::time::sleep(retry_after).await;
                    self.settle(&due, &mut report).await
                }
                outcome => outcome,
            };
            if let Err(error) = outcome {
                report.failed += 1;
                tracing::warn!(work.row = ?due, error.cause = %chain(&error), "a row could not be settled");
                throttled |= matches!(error, Error::CarrierThrottled { .. });
            }
        }
        if report == Report::default() {
            tracing::debug!("nothing was due");
        } else {
            tracing::info!(
                reconciler.adopted = report.adopted,
                reconciler.refunded = report.refunded,
                reconciler.late_released = report.late_released,
                reconciler.waiting = report.waiting,
                reconciler.handed_over = report.handed_over,
                reconciler.released = report.released,
                reconciler.queued = report.queued,
                reconciler.failed = report.failed,
                "reconciler run finished"
            );
        }
        Ok(report)
    }

    async fn settle(&self, due: &Due, report: &mut Report) -> Result<()> {
        // Boxed, because the SDK's futures within are large.
        match due {
            Due::Number(organization, number) => Box::pin(self.settle_number(organization, number, report)).await,
            Due::LateOrder(organization, reference) => {
                Box::pin(self.look_for_late_order(organization, reference, report)).await
            }
            Due::Submission(organization, submission) => {
                Box::pin(self.queue_again(organization, submission, report)).await
            }
        }
    }

    async fn settle_number(
        &self,
        organization: &OrganizationId,
        id: &PhoneNumberId,
        report: &mut Report,
    ) -> Result<()> {
        let Some(number) = self.table.find_number(organization, id).await? else {
            report.settled_already += 1;
            return Ok(());
        };
        let settled = match &number.source {
            Source::Managed(Order::Ordering { .. }) => self.settle_order(number.clone(), report).await,
            Source::Managed(Order::Releasing { .. }) => self.finish_release(number.clone(), report).await,
            Source::Managed(Order::Active { .. }) | Source::SipTrunk { .. } => {
                report.settled_already += 1;
                Ok(())
            }
        };
        let Err(error) = &settled else { return Ok(()) };
        if self.age(&number) >= HANDED_OVER_AFTER {
            self.hand_over(&number, error, report);
        }
        match error {
            // The carrier was not asked about this row, which therefore does not wait the longer for its age. It does go
            // behind the others, because what is throttled may be a kind of call that they can do without.
            Error::CarrierThrottled { retry_after, .. } => {
                self.table.postpone_number(&number, self.clock.now().plus(*retry_after)).await?;
            }
            _ => self.table.postpone_number(&number, self.next_look(&number)).await?,
        }
        settled
    }

    async fn settle_order(&self, number: PhoneNumber, report: &mut Report) -> Result<()> {
        match settle_order(&self.table, &self.carrier, number.clone(), &ACTOR, self.clock.now()).await? {
            Settled::Adopted => report.adopted += 1,
            Settled::Refunded => report.refunded += 1,
            Settled::Open { order, look, absent_since, handed_over } => {
                self.table.record_look(&number, order.as_ref(), absent_since, self.next_look(&number)).await?;
                if handed_over {
                    self.hand_over(&number, &look, report);
                } else {
                    report.waiting += 1;
                }
            }
        }
        Ok(())
    }

    async fn finish_release(&self, number: PhoneNumber, report: &mut Report) -> Result<()> {
        let id = number.id.clone();
        finish_release(&self.table, &self.carrier, number, &ACTOR, self.clock.now()).await?;
        report.released += 1;
        tracing::info!(number.id = %id, "an interrupted release was finished");
        Ok(())
    }

    async fn look_for_late_order(
        &self,
        organization: &OrganizationId,
        reference: &PhoneNumberId,
        report: &mut Report,
    ) -> Result<()> {
        let Some(late) = self.table.late_order(organization, reference).await? else {
            report.settled_already += 1;
            return Ok(());
        };
        let now = self.clock.now();
        let look = look_for_late_order(&self.table, &self.carrier, &late, &ACTOR, now).await;
        let pause = match &look {
            Ok(LateLook::Nothing) => {
                report.settled_already += 1;
                return Ok(());
            }
            Ok(LateLook::Released) => {
                report.late_released += 1;
                return Ok(());
            }
            Ok(LateLook::UnderWay) => {
                report.waiting += 1;
                LATE_ORDER_PAUSE
            }
            Err(Error::CarrierThrottled { retry_after, .. }) => *retry_after,
            Err(_) => LATE_ORDER_PAUSE,
        };
        self.table.postpone_late_order(&late, now.plus(pause)).await?;
        look.map(drop)
    }

    async fn queue_again(&self, organization: &OrganizationId, id: &KybId, report: &mut Report) -> Result<()> {
        let submission = self.table.submission(organization, id).await?;
        let waiting = submission.filter(|submission| submission.status() == Status::Submitted);
        let Some(submission) = waiting.filter(|submission| submission.delivery.is_none()) else {
            report.settled_already += 1;
            return Ok(());
        };
        let now = self.clock.now();
        let age = now.since(submission.updated_at);
        // Before the message is sent: were this to fail afterwards, the next run would send another one at once.
        self.table.postpone_submission(&submission, now.plus(ask_again_after(age))).await?;
        let job = self.queue.send(&SubmissionHandle::of(&submission)).await.map_err(Error::Busy)?;
        self.table.record_notification(&submission, &Notification::Queued { job }).await?;
        report.queued += 1;
        Ok(())
    }

    /// Tells a person of a row that only a person can decide, and why. It is asked about further.
    fn hand_over(&self, number: &PhoneNumber, reason: &dyn std::fmt::Debug, report: &mut Report) {
        report.handed_over += 1;
        tracing::error!(
            alarm = Alarm::OrdersHandedOver.as_str(), number.id = %number.id, organization.id = %number.organization, number.reason = ?reason,
            number.age_s = self.age(number).as_secs(),
            "an order or a release needs a person"
        );
    }

    /// How long a number has been in its state: ordered, or being released.
    fn age(&self, number: &PhoneNumber) -> Duration {
        let since = match number.source {
            Source::Managed(Order::Releasing { .. }) => number.updated_at,
            Source::Managed(_) | Source::SipTrunk { .. } => number.created_at,
        };
        self.clock.now().since(since)
    }

    fn next_look(&self, number: &PhoneNumber) -> Timestamp {
        self.clock.now().plus(ask_again_after(self.age(number)))
    }
}
