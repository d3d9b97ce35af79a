//! Prepaid credits: a balance that never goes below zero, and the ledger that explains it.

use std::time::Duration;

use crate::renewal::Period;
use crate::{MicroUsd, PhoneNumberId, Timestamp};

/// Credits are low when they do not cover the months that begin within this: 7 days.
pub const LOW_WITHIN: Duration = Duration::from_hours(7 * 24);

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
    pub const ALL: [Self; 5] = [Self::Grant, Self::Debit, Self::TopUp, Self::Refund, Self::Adjustment];

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

    /// `None` for a word that names no kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One movement of an organization's balance. The table gives it its time, which is when it is booked.
///
/// It is written once because of what is written with it: the number's row that comes, goes or moves to its next month, or
/// the operator's reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub kind: EntryKind,
    /// Signed: a debit is negative.
    pub amount: MicroUsd,
    /// Letters, digits, `_`, `-`, `:`; unique within the organization.
    pub reference: String,
    /// The number that it pays for, if it does.
    pub number: Option<PhoneNumberId>,
    /// The month that it pays for, if it does.
    pub period: Option<Period>,
}

impl LedgerEntry {
    /// The set-up price and first month of a number.
    #[must_use]
    pub fn purchase(number: &PhoneNumberId, price: MicroUsd, first_month: Period) -> Self {
        Self::of_number(EntryKind::Debit, -price, format!("purchase:{number}"), number, first_month)
    }

    /// Gives a purchase back in full, once.
    #[must_use]
    pub fn purchase_refund(number: &PhoneNumberId, price: MicroUsd, first_month: Period) -> Self {
        Self::of_number(EntryKind::Refund, price, format!("refund:{number}"), number, first_month)
    }

    /// Month `n` of a number, which is counted from 0, the month of its purchase.
    #[must_use]
    pub fn renewal(number: &PhoneNumberId, n: u32, price: MicroUsd, month: Period) -> Self {
        Self::of_number(EntryKind::Debit, -price, format!("renewal:{number}:{n}"), number, month)
    }

    /// Gives month `n` of a number back, which began when another carrier had taken the number over.
    #[must_use]
    pub fn ported_refund(number: &PhoneNumberId, n: u32, price: MicroUsd, month: Period) -> Self {
        Self::of_number(EntryKind::Refund, price, format!("ported:{number}:{n}"), number, month)
    }

    fn of_number(kind: EntryKind, amount: MicroUsd, reference: String, number: &PhoneNumberId, month: Period) -> Self {
        Self { kind, amount, reference, number: Some(number.clone()), period: Some(month) }
    }

    /// Credits that the operator gives, under a reference of the operator's choice.
    #[must_use]
    pub fn grant(reference: &str, amount: MicroUsd) -> Self {
        Self::by_operator(EntryKind::Grant, reference, amount)
    }

    /// A correction by the operator, up or down.
    #[must_use]
    pub fn adjustment(reference: &str, amount: MicroUsd) -> Self {
        Self::by_operator(EntryKind::Adjustment, reference, amount)
    }

    fn by_operator(kind: EntryKind, reference: &str, amount: MicroUsd) -> Self {
        Self { kind, amount, reference: format!("{}:{reference}", kind.as_str()), number: None, period: None }
    }
}

/// An organization's credits as they are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credits {
    pub balance: MicroUsd,
    /// When something was last booked.
    pub booked_at: Option<Timestamp>,
    /// Since when the balance does not cover what is due within [`LOW_WITHIN`], as far as the organization has been told.
    pub low_since: Option<Timestamp>,
    /// The sequence of the last customer event about these credits ([`crate::feed`]); 0 before the first.
    pub sequence: u64,
    /// Whether something was booked that renewals have not looked at yet.
    pub is_marked: bool,
}

impl Credits {
    /// The time of the next booking: now, but always after the last one, so that the ledger is in the order of booking
    /// whatever the clocks say.
    #[must_use]
    pub fn next_booking(&self, now: Timestamp) -> Timestamp {
        self.booked_at.map_or(now, |last| now.max(last.plus(Duration::from_millis(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

    #[test]
    fn a_refund_mirrors_its_purchase_under_another_reference() {
        let number = PhoneNumberId::new(NOW, 7);
        let (price, month) = (MicroUsd::from_micros(2_000_000), Period { start: NOW, end: NOW.months_later(1) });
        let (debit, refund) =
            (LedgerEntry::purchase(&number, price, month), LedgerEntry::purchase_refund(&number, price, month));
        assert_eq!((debit.amount + refund.amount, debit.period), (MicroUsd::ZERO, refund.period));
        assert_ne!(debit.reference, refund.reference);
    }

    #[test]
    fn a_booking_is_later_than_the_one_before_even_when_the_clock_was_set_back() {
        let booked = |at| Credits { booked_at: at, ..Credits::default() };
        let (before, millisecond) = (NOW.minus(Duration::from_secs(1)), Duration::from_millis(1));
        assert_eq!(booked(None).next_booking(NOW), NOW);
        assert_eq!(booked(Some(before)).next_booking(NOW), NOW);
        assert_eq!(booked(Some(NOW)).next_booking(NOW), NOW.plus(millisecond));
        assert_eq!(booked(Some(NOW)).next_booking(before), NOW.plus(millisecond));
    }

    #[test]
    fn every_kind_is_read_by_its_own_word() {
        for kind in EntryKind::ALL {
            assert_eq!(EntryKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(EntryKind::parse("Grant"), None);
    }
}
