//! `ops credits`: balance, ledger, grants and adjustments.

use clap::Subcommand;
use domain::credits::{EntryKind, LedgerEntry};
use domain::{BookingReference, Error, MicroUsd, OrganizationId};
use serde_json::json;
use table::{Booked, Booking, LedgerPlace};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Give credits, once for each reference
    Grant {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// US dollars, at most six decimals
        #[arg(value_parser = positive)]
        amount: MicroUsd,
        /// Your own name for this payment, such as an invoice's number; a second grant under it changes nothing
        #[arg(long, value_parser = BookingReference::parse)]
        reference: BookingReference,
    },
    /// Correct the balance, up or down, once for each reference
    Adjust {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// US dollars, at most six decimals; negative takes away
        #[arg(value_parser = not_zero, allow_negative_numbers = true)]
        amount: MicroUsd,
        /// Your own name for this correction; a second one under it changes nothing
        #[arg(long, value_parser = BookingReference::parse)]
        reference: BookingReference,
    },
    /// Show what an organization has left
    Balance {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
    },
    /// List movements of the balance, the last booked first
    Ledger {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// Only entries of this kind: grant, debit, topup, refund or adjustment
        #[arg(long, value_parser = kind)]
        kind: Option<EntryKind>,
        /// At most this many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only those before this one: the last position of the page before
        #[arg(long, value_name = "POSITION", value_parser = LedgerPlace::parse)]
        after: Option<LedgerPlace>,
    },
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Grant { organization, amount, reference } => {
            let entry = LedgerEntry::grant(reference.as_str(), amount);
            book(session, &organization, &reference, &entry).await
        }
        Command::Adjust { organization, amount, reference } => {
            let entry = LedgerEntry::adjustment(reference.as_str(), amount);
            book(session, &organization, &reference, &entry).await
        }
        Command::Balance { organization } => {
            session.organization(&organization).await?;
            let balance = session.table.balance(&organization).await?;
            Ok(Output::thing(json!({ "organizationId": organization.as_str(), "balanceUsd": balance.to_string() })))
        }
        Command::Ledger { organization, kind, limit, after } => {
            session.organization(&organization).await?;
            let page = session.table.ledger(&organization, kind, after.as_ref(), usize::from(limit)).await?;
            let lines = page.lines.into_iter().map(|line| {
                json!({
                    "position": line.place().as_str(),
                    "at": line.created_at.to_string(),
                    "kind": line.kind,
                    "amountUsd": line.amount.to_string(),
                    "reference": line.reference,
                    "periodStart": line.period.map(|period| period.start.to_string()),
                    "periodEnd": line.period.map(|period| period.end.to_string()),
                })
            });
            Ok(Output::table(
                &["at", "kind", "amountUsd", "reference", "periodStart", "periodEnd"],
                "The ledger has no (more) such entries.",
                lines.collect(),
            ))
        }
    }
}

async fn book(
    session: &mut Session<'_, '_>,
    organization: &OrganizationId,
    reference: &BookingReference,
    entry: &LedgerEntry,
) -> Result<Output, Failure> {
    session.organization(organization).await?;
    let (kind, amount) = (entry.kind.as_str(), entry.amount);
    let deed = format!("book {} of {amount} USD for '{organization}' under reference {reference}", one(kind));
    if let Some(would) = session.before(&deed, Undo::Possible)? {
        return Ok(would);
    }
    let operator = session.operator().await?;
    let booked = session.table.book_once(organization, reference, entry, &operator).await;
    let booked = booked.map_err(|error| match error {
        Error::InsufficientCredits { balance, .. } => Failure::new(format!(
            "The balance of '{organization}' is {balance} USD, and an adjustment of {amount} USD would make it negative."
        )),
        error => error.into(),
    })?;
    let balance = session.table.balance(organization).await?;
    let fields = json!({ "reference": reference.as_str(), "balanceUsd": balance.to_string() });
    match booked {
        Booked::Now => {
            let message = format!("Booked {} of {amount} USD for '{organization}'.", one(kind));
            Ok(Output::changed(true, message, fields))
        }
        Booked::Before(before) if before.kind == kind && before.amount == amount => {
            Ok(Output::changed(false, format!("Nothing has changed: {}", used(reference, &before)), fields))
        }
        Booked::Before(before) => {
            Err(Failure::new(format!("Nothing has changed, take another reference: {}", used(reference, &before))))
        }
    }
}

fn used(reference: &BookingReference, before: &Booking) -> String {
    let Booking { kind, amount, at, operator } = before;
    format!("{operator} booked {} of {amount} USD under reference {reference} on {at}.", one(kind))
}

fn one(kind: &str) -> String {
    let article = if kind.starts_with('a') { "an" } else { "a" };
    format!("{article} {kind}")
}

fn kind(text: &str) -> Result<EntryKind, &'static str> {
    EntryKind::parse(text).ok_or("must be grant, debit, topup, refund or adjustment")
}

fn positive(text: &str) -> Result<MicroUsd, &'static str> {
    match MicroUsd::parse(text)? {
        MicroUsd::ZERO => Err("must be more than zero"),
        amount => Ok(amount),
    }
}

fn not_zero(text: &str) -> Result<MicroUsd, &'static str> {
    match MicroUsd::parse_signed(text)? {
        MicroUsd::ZERO => Err("must not be zero"),
        amount => Ok(amount),
    }
}
