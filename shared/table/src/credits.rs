//! Balance, ledger and operators' bookings of an organization.

use domain::credits::LedgerEntry;
use domain::{BookingReference, Error, MicroUsd, OrganizationId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, from_item, time, to_item};
use crate::keys::{Key, LEDGER};
use crate::transaction::{Condition, Outcome, Transaction};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreditsItem {
    balance_micro_usd: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LedgerItem {
    kind: String,
    amount_micro_usd: i64,
    at: String,
    reference: String,
}

/// One line of an organization's ledger, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// `grant`, `debit`, `topup`, `refund` or `adjustment`.
    pub kind: String,
    /// Signed: a debit is negative.
    pub amount: MicroUsd,
    /// The time of what it pays for.
    pub at: Timestamp,
    pub reference: String,
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

pub(crate) fn ledger_item(organization: &OrganizationId, entry: &LedgerEntry) -> Result<Item> {
    // Whole, so that a new field is not forgotten here.
    let LedgerEntry { kind, amount, at, reference } = entry;
    let attributes = LedgerItem {
        kind: kind.as_str().to_owned(),
        amount_micro_usd: amount.micros(),
        at: at.to_string(),
        reference: reference.clone(),
    };
    to_item(Key::ledger_entry(organization, entry), None, &attributes)
}

impl Transaction<'_> {
    /// Moves the balance by a ledger entry's amount and writes the entry. The step `credits` fails when the balance
    /// would fall below zero, the step `ledger` when this very entry has been written before.
    pub(crate) fn book(self, organization: &OrganizationId, entry: &LedgerEntry) -> Result<Self> {
        let amount = entry.amount.micros();
        let condition = if amount < 0 {
            Condition::new("balanceMicroUsd >= :debit").number(":debit", -amount)
        } else {
            Condition::default()
        };
        self.update(
            "credits",
            Key::credits(organization),
            "ADD balanceMicroUsd :amount",
            &condition.number(":amount", amount),
        )?
        .put("ledger", ledger_item(organization, entry)?, &Condition::absent())
    }
}

impl Table {
    /// What an organization has left; zero for one that never had credits.
    pub async fn balance(&self, organization: &OrganizationId) -> Result<MicroUsd> {
        let item = self.get::<CreditsItem>(Key::credits(organization)).await?;
        Ok(item.map_or(MicroUsd::ZERO, |item| MicroUsd::from_micros(item.balance_micro_usd)))
    }

    /// Gives credits once: the same entry again changes nothing.
    ///
    /// # Errors
    /// [`Error::InsufficientCredits`] for a negative entry that the balance does not cover.
    pub async fn book(&self, organization: &OrganizationId, entry: &LedgerEntry) -> Result<()> {
        match Transaction::on(self).book(organization, entry)?.commit().await? {
            Outcome::Refused(failed) if !failed.contains(&"ledger") => {
                let balance = self.balance(organization).await?;
                Err(Error::InsufficientCredits { required: -entry.amount, balance })
            }
            Outcome::Committed | Outcome::Refused(_) => Ok(()),
        }
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
        let booking = BookingItem {
            kind: entry.kind.as_str().to_owned(),
            amount_micro_usd: entry.amount.micros(),
            at: entry.at.to_string(),
            operator: operator.to_owned(),
        };
        let key = Key::booking(organization, reference);
        let outcome = Transaction::on(self)
            .check("organization", Key::organization(organization), &Condition::present())?
            .put("reference", to_item(key.clone(), None, &booking)?, &Condition::absent())?
            .book(organization, entry)?
            .commit()
            .await?;
        let Outcome::Refused(failed) = outcome else { return Ok(Booked::Now) };
        if let Some(before) = self.get::<BookingItem>(key).await? {
            return Ok(Booked::Before(before.try_into()?));
        }
        if failed.contains(&"organization") {
            return Err(Error::NotFound);
        }
        Err(Error::InsufficientCredits { required: -entry.amount, balance: self.balance(organization).await? })
    }

    /// Every movement of the balance, oldest first by what it pays for.
    pub async fn ledger(&self, organization: &OrganizationId) -> Result<Vec<LedgerLine>> {
        let line = |item: Item| {
            let LedgerItem { kind, amount_micro_usd, at, reference } = from_item(item)?;
            Ok(LedgerLine { kind, amount: MicroUsd::from_micros(amount_micro_usd), at: time("at", &at)?, reference })
        };
        self.query_all(organization, LEDGER).await?.into_iter().map(line).collect()
    }
}
