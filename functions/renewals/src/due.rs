//! Finds the organizations that have something due, and queues a message for each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::credits::LOW_WITHIN;
use domain::renewal::charged_until;
use domain::{Clock, OrganizationId, Result, Timestamp};
use runtime::Start;
use runtime::message::RenewalsHandle;
use runtime::queue::Queue;
use runtime::settings::SettingsError;
use serde::Serialize;
use serde_json::Value;
use table::{Heartbeat, Table};

/// How often months that come within reach are looked at, for whether the credits cover them.
const LOOK_AHEAD_EVERY: Duration = Duration::from_hours(1);

/// What it takes to find what is due.
#[derive(Clone)]
pub struct Scheduler {
    pub table: Table,
    pub queue: Queue<RenewalsHandle>,
    pub clock: Arc<dyn Clock>,
}

/// What a run has found, as it is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Numbers that are to be charged.
    pub numbers: usize,
    /// Organizations that a message was queued for.
    pub organizations: usize,
    /// For how many seconds the longest waiting number has been due.
    pub oldest_due_s: u64,
    /// Messages that the queue did not take.
    pub not_queued: usize,
}

impl Scheduler {
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> std::result::Result<Self, SettingsError> {
        Ok(Self { table: Table::from_start(start)?, queue: Queue::from_start(start)?, clock: start.clock.clone() })
    }

    pub(crate) async fn handle(self) -> std::result::Result<Value, runtime::Error> {
        Ok(serde_json::to_value(self.run().await?)?)
    }

    /// Queues a message for each organization with numbers to charge, with credits in which something was booked, or, once an
    /// hour, with a month that will begin within a week.
    ///
    /// # Errors
    /// What is due cannot be read, or that this run has taken place cannot be remembered.
    pub async fn run(&self) -> Result<Found> {
        let now = self.clock.now();
        let before = self.table.heartbeat().await?;
        let due = self.table.due_organizations(charged_until(now), now).await?;
        let looked_ahead_to = before.map_or(now, |before| before.looked_ahead_to);
        let (ahead, ahead_to) = self.look_ahead(looked_ahead_to, now.plus(LOW_WITHIN)).await?;
        let organizations: BTreeSet<_> = due.keys().cloned().chain(ahead).collect();
        let messages: Vec<_> = organizations.into_iter().map(|organization| RenewalsHandle { organization }).collect();
        let not_queued = self.queue.send_all(&messages).await;
        let oldest = due.values().filter_map(|due| due.oldest).min();
        let found = Found {
            numbers: due.values().map(|due| due.numbers).sum(),
            organizations: messages.len() - not_queued,
            oldest_due_s: oldest.map_or(0, |oldest| now.since(oldest).as_secs()),
            not_queued,
        };
        if found == Found::default() {
            tracing::debug!("nothing was due");
        } else {
            tracing::info!(
                renewals.numbers = found.numbers,
                renewals.organizations = found.organizations,
                renewals.not_queued = not_queued,
                oldest_due_s = found.oldest_due_s,
                "looked for what is due"
            );
        }
        // A run that could not queue everything is none: credits may have come that nobody looks at.
        if not_queued == 0 {
            self.table.beat(before.as_ref(), &Heartbeat::next(before, now, ahead_to)).await?;
        }
        Ok(found)
    }

    /// The organizations with a month that has come within reach since the last look, and how far this look went.
    async fn look_ahead(&self, from: Timestamp, to: Timestamp) -> Result<(BTreeSet<OrganizationId>, Timestamp)> {
        if to.since(from) < LOOK_AHEAD_EVERY {
            return Ok((BTreeSet::new(), from));
        }
        Ok((self.table.organizations_charged(from, to).await?, to))
    }
}
