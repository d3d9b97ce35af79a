//! Months to be paid: whose they are, which of an organization's numbers they are, and how they are written.
//!
//! The indexes only say where to look. What is written is decided from rows and credits as they are now, under the
//! condition that nothing was booked and no row has changed since.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::{Action, Actor};
use domain::credits::{Credits, LedgerEntry};
use domain::number::{PhoneNumber, Source};
use domain::renewal::{ALIVE_WITHIN, Renewable};
use domain::{E164, Error, MicroUsd, OrganizationId, PhoneNumberId, Recorded, Result, Timestamp, chain};
use runtime::alarm::Alarm;
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::credits::unchanged;
use crate::index::Entry;
use crate::item::{Item, corrupt, from_item, optional_time, time, to_item};
use crate::keys::{DUE_INDEX, Key, NUMBERS, Named, Work};
use crate::number_item::{next_month, number_item, read_number};
use crate::pages::Pages;
use crate::transaction::{Condition, Outcome, TRANSACTION_STEPS, Transaction};

/// A number as the index `due` has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueItem {
    #[serde(rename = "SK")]
    sk: String,
    e164: String,
    created_at: String,
    next_month: Option<u32>,
    monthly_micro_usd: i64,
    billing_suspended_at: Option<String>,
    work_due: Option<String>,
}

impl TryFrom<DueItem> for Renewable {
    type Error = Error;

    fn try_from(item: DueItem) -> Result<Self> {
        let (anchor, next_month) = (time("createdAt", &item.created_at)?, next_month(item.next_month)?);
        // The place in the work index begins with the time.
        let next_try_at = item.work_due.as_deref().and_then(|due| due.split('#').next());
        let is_in_arrears = optional_time("billingSuspendedAt", item.billing_suspended_at.as_deref())?.is_some();
        let id = item.sk.strip_prefix(NUMBERS).unwrap_or_default();
        Ok(Self {
            id: PhoneNumberId::parse(id).map_err(corrupt("SK"))?,
            e164: E164::from_stored(&item.e164).map_err(corrupt("e164"))?,
            anchor,
            next_month,
            monthly: MicroUsd::from_micros(item.monthly_micro_usd),
            is_in_arrears,
            next_try_at: optional_time("workDue", next_try_at)?.unwrap_or_else(|| anchor.months_later(next_month)),
        })
    }
}

/// Numbers as they are now.
#[derive(Clone, Debug)]
pub struct Rows {
    pub found: Vec<PhoneNumber>,
    /// How many cannot be understood.
    pub unreadable: usize,
}

/// What the work index says of an organization that renewals have to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueOrganization {
    /// Numbers that are to be charged.
    pub numbers: usize,
    /// When the longest waiting of them was to be charged.
    pub oldest: Option<Timestamp>,
}

/// The schedule of renewals, as it remembers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Since when no two runs were further apart than an hour.
    pub alive_since: Timestamp,
    pub last_run_at: Timestamp,
    /// Organizations with a month that begins before this were looked at, for whether their credits cover it.
    pub looked_ahead_to: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeartbeatItem {
    alive_since: String,
    last_run_at: String,
    looked_ahead_to: String,
}

impl Heartbeat {
    /// Since when the schedule has been alive without a gap until now; now, where its last run is too long ago.
    #[must_use]
    pub fn alive_since_at(&self, now: Timestamp) -> Timestamp {
        if now.since(self.last_run_at) <= ALIVE_WITHIN { self.alive_since } else { now }
    }

    /// The first run, or one after a gap, begins anew; another one goes on.
    #[must_use]
    pub fn next(before: Option<Self>, now: Timestamp, looked_ahead_to: Timestamp) -> Self {
        let alive_since = before.map_or(now, |before| before.alive_since_at(now));
        Self { alive_since, last_run_at: now, looked_ahead_to }
    }
}

/// A number that was charged: what becomes of its row, and what is booked.
#[derive(Clone, Debug)]
pub struct Renewed {
    pub old: PhoneNumber,
    pub change: RowChange,
    pub entries: Vec<LedgerEntry>,
}

/// How a row is written.
#[derive(Clone, Debug)]
pub enum RowChange {
    /// Everybody sees it.
    Recorded(Box<Recorded<PhoneNumber>>),
    /// Only renewals do: the number was charged in vain again.
    Unseen(Box<PhoneNumber>),
}

impl Renewed {
    /// The number as it is afterwards.
    #[must_use]
    pub fn row(&self) -> &PhoneNumber {
        match &self.change {
            RowChange::Recorded(change) => &change.row,
            RowChange::Unseen(row) => row,
        }
    }

    /// What is debited.
    #[must_use]
    pub fn price(&self) -> MicroUsd {
        self.entries.iter().map(|entry| -entry.amount).fold(MicroUsd::ZERO, std::ops::Add::add)
    }

    /// How many items are written.
    fn steps(&self) -> usize {
        let events = match &self.change {
            RowChange::Recorded(change) => 1 + change.events.len(),
            RowChange::Unseen(_) => 0,
        };
        1 + events + self.entries.len()
    }

    /// As many of these, from the first on, as fit into one transaction beside the credits.
    #[must_use]
    pub fn batch(all: &[Self]) -> usize {
        let mut steps = 1;
        let fitting = all.iter().take_while(|one| {
            steps += one.steps();
            steps <= TRANSACTION_STEPS
        });
        fitting.count().max(1).min(all.len())
    }
}

/// What became of a write that renewals have decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalOutcome {
    /// It is written; these are the credits now.
    Written(Credits),
    /// Something was booked, or a row has changed since: decide again.
    Raced,
}

impl Table {
    /// One organization's numbers that are charged and whose next month begins until `until`, the oldest month first, as the
    /// index has them: a moment behind. One that cannot be understood is logged and left out.
    pub async fn renewables(&self, organization: &OrganizationId, until: Timestamp) -> Result<Vec<Renewable>> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(DUE_INDEX)
            .key_condition_expression("organizationId = :organization AND nextChargeAt <= :until")
            .expression_attribute_values(":organization", AttributeValue::S(organization.to_string()))
            .expression_attribute_values(":until", AttributeValue::S(until.to_string()));
        let found = Pages::of(query, None).all().await?;
        let read = |item: Item| {
            let read = from_item::<DueItem>(item).and_then(Renewable::try_from);
            read.inspect_err(|error| unreadable(organization, error)).ok()
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// These numbers as they are now, in no order. One that cannot be understood is logged.
    pub async fn numbers_of<'a>(
        &self,
        organization: &OrganizationId,
        ids: impl Iterator<Item = &'a PhoneNumberId>,
    ) -> Result<Rows> {
        let keys = ids.map(|id| Key::number(organization, id)).collect();
        let read = |item| read_number(item).inspect_err(|error| unreadable(organization, error)).ok();
        let items = self.fetch_all(keys).await?;
        let there = items.len();
        let found: Vec<_> = items.into_iter().filter_map(read).collect();
        Ok(Rows { unreadable: there - found.len(), found })
    }

    /// Organizations with numbers that are to be charged until `charged_until`, or with credits in which something was booked
    /// until `now`. It reads one entry for each such number.
    pub async fn due_organizations(
        &self,
        charged_until: Timestamp,
        now: Timestamp,
    ) -> Result<BTreeMap<OrganizationId, DueOrganization>> {
        let shard = Work::booked_credits();
        let booked = self.entries_between(&shard, None, now);
        let (charges, booked) = tokio::try_join!(self.charges(None, charged_until), booked)?;
        let mut found: BTreeMap<OrganizationId, DueOrganization> = BTreeMap::new();
        for entry in charges {
            let Some(Named::Number(organization, _)) = entry.named() else { continue };
            let due = found.entry(organization).or_default();
            due.numbers += 1;
            due.oldest = [due.oldest, entry.due_at()].into_iter().flatten().min();
        }
        for entry in booked {
            if let Some(Named::Credits(organization)) = entry.named() {
                found.entry(organization).or_default();
            }
        }
        Ok(found)
    }

    /// Organizations with a month that begins after `after` and until `until`.
    pub async fn organizations_charged(&self, after: Timestamp, until: Timestamp) -> Result<BTreeSet<OrganizationId>> {
        let charges = self.charges(Some(after), until).await?;
        let organization = |entry: Entry| match entry.named() {
            Some(Named::Number(organization, _)) => Some(organization),
            _ => None,
        };
        Ok(charges.into_iter().filter_map(organization).collect())
    }

    async fn charges(&self, after: Option<Timestamp>, until: Timestamp) -> Result<Vec<Entry>> {
        self.entries_of_shards(Work::charge_shard_name, after, until).await
    }

    /// When the schedule of renewals ran; `None` before its first run.
    pub async fn heartbeat(&self) -> Result<Option<Heartbeat>> {
        let item = self.get::<HeartbeatItem>(Key::renewals()).await?;
        let read = |item: HeartbeatItem| {
            Ok(Heartbeat {
                alive_since: time("aliveSince", &item.alive_since)?,
                last_run_at: time("lastRunAt", &item.last_run_at)?,
                looked_ahead_to: time("lookedAheadTo", &item.looked_ahead_to)?,
            })
        };
        item.map(read).transpose()
    }

    /// Remembers a run of the schedule over the one before. False when another run was faster, or the clock was set back.
    pub async fn beat(&self, before: Option<&Heartbeat>, next: &Heartbeat) -> Result<bool> {
        let Heartbeat { alive_since, last_run_at, looked_ahead_to } = next;
        let item = HeartbeatItem {
            alive_since: alive_since.to_string(),
            last_run_at: last_run_at.to_string(),
            looked_ahead_to: looked_ahead_to.to_string(),
        };
        let condition = match before {
            None => Condition::absent(),
            Some(before) if before.last_run_at > *last_run_at => return Ok(false),
            Some(before) => Condition::new("lastRunAt = :before").text(":before", &before.last_run_at.to_string()),
        };
        self.put_if(to_item(Key::renewals(), None, &item)?, &condition).await
    }

    /// Writes what was decided about several numbers of one organization, as long as nothing was booked since `credits` were
    /// read and none of the rows has changed. At most as many as [`Renewed::batch`] says.
    pub async fn renew(
        &self,
        organization: &OrganizationId,
        credits: &Credits,
        renewed: &[Renewed],
    ) -> Result<RenewalOutcome> {
        let entries: Vec<LedgerEntry> = renewed.iter().flat_map(|one| one.entries.clone()).collect();
        let at = credits.next_booking(self.clock.now());
        let mut transaction = Transaction::on(self);
        transaction = if entries.is_empty() {
            transaction.check("credits", Key::credits(organization), &unchanged(credits))?
        } else {
            transaction.book_all(organization, at, &entries, unchanged(credits))?
        };
        for Renewed { old, change, .. } in renewed {
            transaction = match change {
                RowChange::Recorded(change) => transaction.change(old, change)?,
                RowChange::Unseen(row) => {
                    let same = Condition::new("version = :old").number(":old", old.version);
                    transaction.put("number", number_item(row)?, &same)?
                }
            };
        }
        let amount = entries.iter().map(|entry| entry.amount).fold(MicroUsd::ZERO, std::ops::Add::add);
        Ok(match transaction.commit().await? {
            Outcome::Refused(_) => RenewalOutcome::Raced,
            Outcome::Committed if entries.is_empty() => RenewalOutcome::Written(*credits),
            Outcome::Committed => RenewalOutcome::Written(Credits {
                balance: credits.balance + amount,
                booked_at: Some(at),
                is_marked: true,
                ..*credits
            }),
        })
    }

    /// Removes an imported number that nobody pays for, as long as nothing was booked since `credits` were read.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] for a managed number, whose release begins with a change of its row.
    pub async fn remove_unpaid(
        &self,
        number: &PhoneNumber,
        credits: &Credits,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<RenewalOutcome> {
        if matches!(number.source, Source::Managed(_)) {
            return Err(Error::NumberBusy);
        }
        let removal = Recorded::removed(number, Action::Removed, actor, now);
        let removed = Transaction::on(self)
            .check("credits", Key::credits(&number.organization), &unchanged(credits))?
            .remove_imported(&removal)?
            .commit()
            .await?;
        Ok(match removed {
            Outcome::Committed => RenewalOutcome::Written(*credits),
            Outcome::Refused(_) => RenewalOutcome::Raced,
        })
    }
}

fn unreadable(organization: &OrganizationId, error: &Error) {
    tracing::error!(
        alarm = Alarm::RenewalsFail.as_str(), organization.id = %organization, error.cause = %chain(error),
        "a number cannot be charged, because its row cannot be understood"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_gap_of_more_than_an_hour_begins_the_schedules_life_anew() {
        let at = |minutes| Timestamp::from_millis(0).plus(Duration::from_mins(minutes));
        let first = Heartbeat::next(None, at(0), at(9));
        assert_eq!(first, Heartbeat { alive_since: at(0), last_run_at: at(0), looked_ahead_to: at(9) });
        let second = Heartbeat::next(Some(first), at(60), at(9));
        assert_eq!((second.alive_since, second.last_run_at), (at(0), at(60)));
        assert_eq!((second.alive_since_at(at(120)), second.alive_since_at(at(121))), (at(0), at(121)));
        let third = Heartbeat::next(Some(second), at(121), at(9));
        assert_eq!((third.alive_since, third.last_run_at), (at(121), at(121)));
        assert_eq!(Heartbeat::next(Some(third), at(100), at(9)).alive_since, at(121), "the clock was set back");
    }
}
