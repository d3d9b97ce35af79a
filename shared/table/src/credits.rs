//! An organization's balance and ledger, and what operators book.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::credits::{Credits, EntryKind, LedgerEntry};
use domain::feed::{self, About, Kind, Shortage};
use domain::renewal::Period;
use domain::{BookingReference, Error, MicroUsd, OrganizationId, PhoneNumberId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, corrupt, from_item, key_attributes, optional_time, time, to_item};
use crate::keys::{Key, SK, Work, ledger_partition};
use crate::optimistic::Rounds;
use crate::pages::Pages;
use crate::transaction::{Condition, Outcome, Transaction};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreditsItem {
    /// Absent where nothing was ever booked, and only the event of low credits was written.
    #[serde(default)]
    balance_micro_usd: i64,
    last_booked_at: Option<String>,
    low_since: Option<String>,
    #[serde(default)]
    event_sequence: u64,
    work_due: Option<String>,
}

impl TryFrom<CreditsItem> for Credits {
    type Error = Error;

    fn try_from(item: CreditsItem) -> Result<Self> {
        Ok(Self {
            balance: MicroUsd::from_micros(item.balance_micro_usd),
            booked_at: optional_time("lastBookedAt", item.last_booked_at.as_deref())?,
            low_since: optional_time("lowSince", item.low_since.as_deref())?,
            sequence: item.event_sequence,
            is_marked: item.work_due.is_some(),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LedgerItem {
    kind: String,
    amount_micro_usd: i64,
    created_at: String,
    reference: String,
    number_id: Option<String>,
    period_start: Option<String>,
    period_end: Option<String>,
}

/// One line of an organization's ledger, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// `grant`, `debit`, `topup`, `refund` or `adjustment`.
    pub kind: String,
    /// Signed: a debit is negative.
    pub amount: MicroUsd,
    /// When it was booked.
    pub created_at: Timestamp,
    /// What it is for; unique within the organization.
    pub reference: String,
    pub number: Option<PhoneNumberId>,
    /// The month that it pays for.
    pub period: Option<Period>,
}

impl LedgerLine {
    /// The place after this line.
    #[must_use]
    pub fn place(&self) -> LedgerPlace {
        LedgerPlace(format!("{}#{}", self.created_at, self.reference))
    }
}

impl TryFrom<LedgerItem> for LedgerLine {
    type Error = Error;

    fn try_from(item: LedgerItem) -> Result<Self> {
        let start = optional_time("periodStart", item.period_start.as_deref())?;
        let end = optional_time("periodEnd", item.period_end.as_deref())?;
        Ok(Self {
            kind: item.kind,
            amount: MicroUsd::from_micros(item.amount_micro_usd),
            created_at: time("createdAt", &item.created_at)?,
            reference: item.reference,
            number: item.number_id.as_deref().map(PhoneNumberId::parse).transpose().map_err(corrupt("numberId"))?,
            period: start.zip(end).map(|(start, end)| Period { start, end }),
        })
    }
}

/// Entries, the last booked first, and where the ledger goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPage {
    pub lines: Vec<LedgerLine>,
    /// The page after this one begins there; `None` at the end. No entry is ever written after this place.
    pub next: Option<LedgerPlace>,
}

/// A place in a ledger, between two entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPlace(String);

impl LedgerPlace {
    /// # Errors
    /// The text is no place.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "is not a place in a ledger";
        let (booked_at, reference) = text.split_once('#').ok_or(FORM)?;
        Timestamp::parse(booked_at).map_err(|_| FORM)?;
        if reference.is_empty() || text.len() > 1024 { Err(FORM) } else { Ok(Self(text.to_owned())) }
    }

    /// The place before which all entries stand that were booked up to then.
    pub(crate) fn behind(booked_at: Timestamp) -> Self {
        // '$' follows '#', which ends the time in the key of an entry.
        Self(format!("{booked_at}$"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an operator has booked under one reference.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookingItem {
    kind: String,
    amount_micro_usd: i64,
    at: String,
    operator: String,
}

/// What an operator has booked, and who it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// `grant` or `adjustment`.
    pub kind: String,
    /// Signed.
    pub amount: MicroUsd,
    pub at: Timestamp,
    pub operator: String,
}

impl TryFrom<BookingItem> for Booking {
    type Error = Error;

    fn try_from(item: BookingItem) -> Result<Self> {
        let BookingItem { kind, amount_micro_usd, at, operator } = item;
        Ok(Self { kind, amount: MicroUsd::from_micros(amount_micro_usd), at: time("at", &at)?, operator })
    }
}

/// What became of a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booked {
    Now,
    /// The reference was used before, for this: nothing has changed.
    Before(Booking),
}

fn ledger_item(organization: &OrganizationId, at: Timestamp, entry: &LedgerEntry) -> Result<Item> {
    // Whole, so that a new field is not forgotten here.
    let LedgerEntry { kind, amount, reference, number, period } = entry;
    let attributes = LedgerItem {
        kind: kind.as_str().to_owned(),
        amount_micro_usd: amount.micros(),
        created_at: at.to_string(),
        reference: reference.clone(),
        number_id: number.as_ref().map(ToString::to_string),
        period_start: period.map(|period| period.start.to_string()),
        period_end: period.map(|period| period.end.to_string()),
    };
    to_item(Key::ledger_entry(organization, at, reference), None, &attributes)
}

/// The credits are still as they were read: nothing was booked since.
pub(crate) fn unchanged(credits: &Credits) -> Condition {
    match credits.booked_at {
        None => Condition::new("attribute_not_exists(lastBookedAt)"),
        Some(at) => Condition::new("lastBookedAt = :seen").text(":seen", &at.to_string()),
    }
}

impl Transaction<'_> {
    /// Moves the balance by an entry's amount and writes the entry, at a time that is later than that of every entry before.
    /// The step `credits` fails when `at` is not, or when the balance would fall below zero.
    pub(crate) fn book(self, organization: &OrganizationId, at: Timestamp, entry: &LedgerEntry) -> Result<Self> {
        let in_order = Condition::new("(attribute_not_exists(lastBookedAt) OR lastBookedAt < :at)");
        self.book_all(organization, at, std::slice::from_ref(entry), in_order)
    }

    /// Books several entries at once, in the state of the credits that `condition` asks for.
    pub(crate) fn book_all(
        self,
        organization: &OrganizationId,
        at: Timestamp,
        entries: &[LedgerEntry],
        mut condition: Condition,
    ) -> Result<Self> {
        let amount: i64 = entries.iter().map(|entry| entry.amount.micros()).sum();
        if amount < 0 {
            condition = condition.and("balanceMicroUsd >= :debit").number(":debit", -amount);
        }
        let Work { shard, due } = Work::credits(organization, at);
        let condition = condition.number(":amount", amount).text(":at", &at.to_string());
        let booked = self.update(
            "credits",
            Key::credits(organization),
            "SET lastBookedAt = :at, workShard = if_not_exists(workShard, :shard), workDue = if_not_exists(workDue, :due) \
             ADD balanceMicroUsd :amount",
            &condition.text(":shard", &shard).text(":due", &due),
        )?;
        entries.iter().try_fold(booked, |transaction, entry| {
            transaction.put("ledger", ledger_item(organization, at, entry)?, &Condition::absent())
        })
    }
}

impl Table {
    /// What an organization has left; zero for one that never had credits.
    pub async fn balance(&self, organization: &OrganizationId) -> Result<MicroUsd> {
        Ok(self.credits(organization).await?.balance)
    }

    /// An organization's credits as they are now.
    pub async fn credits(&self, organization: &OrganizationId) -> Result<Credits> {
        read_credits(self.fetch(Key::credits(organization)).await?)
    }

    /// Books what an operator gives or corrects, once for each reference of theirs: a second booking under the same one
    /// changes nothing, whatever it says.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such organization; [`Error::InsufficientCredits`] for a correction that the
    /// balance does not cover.
    pub async fn book_once(
        &self,
        organization: &OrganizationId,
        reference: &BookingReference,
        entry: &LedgerEntry,
        operator: &str,
    ) -> Result<Booked> {
        let (mut rounds, mut credits) = (Rounds::of("credits keep changing under a booking"), Credits::default());
        let key = Key::booking(organization, reference);
        loop {
            let at = credits.next_booking(self.clock.now());
            let booking = BookingItem {
                kind: entry.kind.as_str().to_owned(),
                amount_micro_usd: entry.amount.micros(),
                at: at.to_string(),
                operator: operator.to_owned(),
            };
            let outcome = Transaction::on(self)
                .check("organization", Key::organization(organization), &Condition::present())?
                .put("reference", to_item(key.clone(), None, &booking)?, &Condition::absent())?
                .book(organization, at, entry)?
                .commit()
                .await?;
            let Outcome::Refused(failed) = outcome else { return Ok(Booked::Now) };
            if let Some(before) = self.get::<BookingItem>(key.clone()).await? {
                return Ok(Booked::Before(before.try_into()?));
            }
            if failed.contains(&"organization") {
                return Err(Error::NotFound);
            }
            credits = self.credits(organization).await?;
            let balance = credits.balance;
            if balance + entry.amount < MicroUsd::ZERO {
                return Err(Error::InsufficientCredits { required: -entry.amount, balance });
            }
            // Something else was booked at the same moment.
            rounds.raced().await?;
        }
    }

    /// Movements of the balance, the last booked first: at most `limit` of them after `after`, perhaps of one kind only.
    pub async fn ledger(
        &self,
        organization: &OrganizationId,
        kind: Option<EntryKind>,
        after: Option<&LedgerPlace>,
        limit: usize,
    ) -> Result<LedgerPage> {
        let partition = ledger_partition(organization);
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .scan_index_forward(false)
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition.clone()));
        query = match kind {
            None => query.limit(i32::try_from(limit + 1).unwrap_or(i32::MAX)),
            Some(kind) => query
                .filter_expression("kind = :kind")
                .expression_attribute_values(":kind", AttributeValue::S(kind.as_str().to_owned())),
        };
        let after = after.map(|place| key_attributes(Key { pk: partition, sk: place.0.clone() }).into());
        let mut pages = Pages::of(query, after);
        let (items, more) = pages.up_to(limit).await?;
        // By its key: what an entry says of itself could lead back.
        let last = items.last().and_then(|item| item.get(SK)?.as_s().ok()).filter(|_| more);
        let next = last.cloned().or_else(|| pages.position()).map(LedgerPlace);
        let lines = items.into_iter().map(read_line).collect::<Result<Vec<_>>>()?;
        Ok(LedgerPage { lines, next })
    }

    /// Remembers that renewals have looked at the credits as they were read, and whether they are low. Credits that have become
    /// low get an event. False when something was booked since: then it is looked at again.
    pub async fn credits_looked_at(
        &self,
        organization: &OrganizationId,
        credits: &Credits,
        shortage: Option<&Shortage>,
        now: Timestamp,
    ) -> Result<bool> {
        let key = Key::credits(organization);
        match (shortage, credits.low_since) {
            (Some(shortage), None) => {
                let sequence = credits.sequence + 1;
                let condition = unchanged(credits).and("attribute_not_exists(lowSince)");
                let condition = condition.text(":now", &now.to_string()).number(":sequence", sequence);
                let about = About::Credits(*shortage);
                let event = feed::Event { organization: organization.clone(), kind: Kind::CreditsLow, sequence, about };
                let id = self.event_ids().next().ok_or_else(|| Error::internal("no id for an event"))?;
                let told = Transaction::on(self)
                    .update(
                        "credits",
                        key,
                        "SET lowSince = :now, eventSequence = :sequence REMOVE workShard, workDue",
                        &condition,
                    )?
                    .feed_event(&id, &event)?
                    .commit()
                    .await?;
                Ok(told == Outcome::Committed)
            }
            (None, Some(_)) => self.update_if(key, "REMOVE lowSince, workShard, workDue", unchanged(credits)).await,
            _ if credits.is_marked => self.update_if(key, "REMOVE workShard, workDue", unchanged(credits)).await,
            _ => Ok(true),
        }
    }
}

/// Credits as they are stored; none where nothing was ever booked.
pub(crate) fn read_credits(item: Option<Item>) -> Result<Credits> {
    item.map_or(Ok(Credits::default()), |item| from_item::<CreditsItem>(item)?.try_into())
}

fn read_line(item: Item) -> Result<LedgerLine> {
    from_item::<LedgerItem>(item)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_of_an_entry_is_a_place_in_a_ledger() {
        let place = "2026-07-01T00:00:00.000Z#grant:INV-1";
        assert_eq!(LedgerPlace::parse(place).unwrap().as_str(), place);
        let long = format!("{place}{}", "x".repeat(1000));
        for bad in ["", "#", "2026-07-01T00:00:00.000Z", "2026-07-01T00:00:00.000Z#", "then#grant:1", &long] {
            assert!(LedgerPlace::parse(bad).is_err(), "{bad}");
        }
    }
}
