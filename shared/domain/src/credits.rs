//! Prepaid credits: a balance that never goes below zero, and the ledger that explains it.

use crate::{MicroUsd, PhoneNumberId, Timestamp};

/// What a ledger entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    Grant,
    Debit,
    TopUp,
    Refund,
    Adjustment,
}

impl EntryKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Debit => "debit",
            Self::TopUp => "topup",
            Self::Refund => "refund",
            Self::Adjustment => "adjustment",
        }
    }
}

/// One movement of an organization's balance.
///
/// `at` and `reference` make the entry's key. Both are worked out from what is paid for, never from the clock of
/// whoever writes, so the same payment written twice meets itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub kind: EntryKind,
    /// Signed: a debit is negative.
    pub amount: MicroUsd,
    /// The time of what it pays for.
    pub at: Timestamp,
    /// Letters, digits, `_`, `-`, `:`; unique together with `at`.
    pub reference: String,
}

impl LedgerEntry {
    /// The set-up price and first month of a number bought at `at`.
    #[must_use]
    pub fn purchase(number: &PhoneNumberId, at: Timestamp, price: MicroUsd) -> Self {
        Self { kind: EntryKind::Debit, amount: -price, at, reference: format!("purchase:{number}") }
    }

    /// Gives a purchase back in full, once.
    #[must_use]
    pub fn purchase_refund(number: &PhoneNumberId, bought_at: Timestamp, price: MicroUsd) -> Self {
        Self { kind: EntryKind::Refund, amount: price, at: bought_at, reference: format!("refund:{number}") }
    }

    /// Credits that the operator gives, under a reference of the operator's choice.
    #[must_use]
    pub fn grant(reference: &str, at: Timestamp, amount: MicroUsd) -> Self {
        Self { kind: EntryKind::Grant, amount, at, reference: format!("grant:{reference}") }
    }

    /// A correction by the operator, up or down.
    #[must_use]
    pub fn adjustment(reference: &str, at: Timestamp, amount: MicroUsd) -> Self {
        Self { kind: EntryKind::Adjustment, amount, at, reference: format!("adjustment:{reference}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_mirrors_its_purchase_under_another_reference() {
        let at = Timestamp::from_millis(1_784_000_000_000);
        let number = PhoneNumberId::new(at, 7);
        let price = MicroUsd::from_micros(2_000_000);
        let (debit, refund) =
            (LedgerEntry::purchase(&number, at, price), LedgerEntry::purchase_refund(&number, at, price));
        assert_eq!((debit.amount + refund.amount, debit.at), (MicroUsd::ZERO, refund.at));
        assert_ne!(debit.reference, refund.reference);
        assert_eq!(LedgerEntry::purchase(&number, at, price), debit);
    }
}
