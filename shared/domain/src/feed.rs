//! Customer events: what happened to their numbers, verifications and credits. The audit trail is apart: it is the operator's and names
//! who acted.
//!
//! An event shows its subject as the change has left it. It never holds a dispatch template, a set-up status, who acted, or
//! what was filed.

use std::time::Duration;

use crate::audit::{Action, Actor, Subject};
use crate::kyb::{Status, Submission};
use crate::number::{Order, PhoneNumber, ReleaseReason, Source};
use crate::renewal::Period;
use crate::{KybId, MicroUsd, OrganizationId, Timestamp, audit};

/// How long an event is listed: 30 days.
pub const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// An event is listed once it is this old. Its place in the list is the time at which its transaction was built, and a
/// transaction is committed or given up well within this. So no event appears before a place that was already read.
pub const LISTED_AFTER: Duration = Duration::from_secs(30);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The carrier has confirmed a number's order.
    Purchased,
    /// An order that was in doubt has ended, and its price was refunded.
    PurchaseFailed,
    Imported,
    Updated,
    Charged,
    /// The credits did not cover a month.
    Suspended,
    Unsuspended,
    /// A date was set, or put off, at which a number is released that is not paid for.
    ReleaseScheduled,
    Released,
    KybSubmitted,
    KybApproved,
    KybRejected,
    KybRevoked,
    /// The credits no longer cover what is due within the next days.
    CreditsLow,
}

impl Kind {
    pub const ALL: [Self; 14] = [
        Self::Purchased,
        Self::PurchaseFailed,
        Self::Imported,
        Self::Updated,
        Self::Charged,
        Self::Suspended,
        Self::Unsuspended,
        Self::ReleaseScheduled,
        Self::Released,
        Self::KybSubmitted,
        Self::KybApproved,
        Self::KybRejected,
        Self::KybRevoked,
        Self::CreditsLow,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchased => "phone_number.purchased",
            Self::PurchaseFailed => "phone_number.purchase_failed",
            Self::Imported => "phone_number.imported",
            Self::Updated => "phone_number.updated",
            Self::Charged => "phone_number.charged",
            Self::Suspended => "phone_number.suspended",
            Self::Unsuspended => "phone_number.unsuspended",
            Self::ReleaseScheduled => "phone_number.release_scheduled",
            Self::Released => "phone_number.released",
            Self::KybSubmitted => "kyb.submitted",
            Self::KybApproved => "kyb.approved",
            Self::KybRejected => "kyb.rejected",
            Self::KybRevoked => "kyb.revoked",
            Self::CreditsLow => "credits.low",
        }
    }

    /// `None` for a word that names no kind of event.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The event of a change; `None` for a change that concerns only the operator. The only place that decides it, except that
    /// a renewal may have several ([`of_renewal`](Self::of_renewal)).
    pub(crate) const fn of(change: &audit::Event) -> Option<Self> {
        match (change.action, &change.subject) {
            (Action::Activated, _) => Some(Self::Purchased),
            // Where the ordering request itself refunds the purchase, its response says so.
            (Action::PurchaseRefunded, _) if matches!(change.actor, Actor::ApiKey(_)) => None,
            (Action::PurchaseRefunded, _) => Some(Self::PurchaseFailed),
            (Action::Imported, _) => Some(Self::Imported),
            (Action::Updated, _) => Some(Self::Updated),
            (Action::Released | Action::Removed, _) => Some(Self::Released),
            (Action::Submitted, _) => Some(Self::KybSubmitted),
            (Action::Approved, _) => Some(Self::KybApproved),
            (Action::Rejected, _) => Some(Self::KybRejected),
            (Action::Revoked, Subject::Verification(_)) => Some(Self::KybRevoked),
            (Action::Revoked, Subject::Number(_) | Subject::ApiKey(_))
            | (
                Action::Purchased
                | Action::Charged
                | Action::Suspended
                | Action::Unsuspended
                | Action::ReleaseScheduled
                | Action::ReleaseBegun
                | Action::ReleaseRefused
                | Action::LateOrderReleased
                | Action::DraftSaved
                | Action::Erased
                | Action::Issued,
                _,
            ) => None,
        }
    }

    /// The events of a renewal, in their order. Months that cost nothing begin in silence.
    pub(crate) fn of_renewal(action: Action, payment: Option<Payment>) -> Vec<Self> {
        let charged = payment.filter(|payment| payment.amount > MicroUsd::ZERO).map(|_| Self::Charged);
        let then: &[Self] = match action {
            Action::Suspended => &[Self::Suspended, Self::ReleaseScheduled],
            Action::Unsuspended => &[Self::Unsuspended],
            Action::ReleaseScheduled => &[Self::ReleaseScheduled],
            _ => &[],
        };
        charged.into_iter().chain(then.iter().copied()).collect()
    }
}

/// What was paid, or given back, and for which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    pub amount: MicroUsd,
    /// The months that were paid for; `None` where they were given back.
    pub period: Option<Period>,
}

/// One event. The table gives it its id, which holds the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub organization: OrganizationId,
    pub kind: Kind,
    /// Counts the events of one subject from 1, without gaps.
    pub sequence: u64,
    pub about: About,
}

/// What an event is about, as the change has left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    Number {
        /// Boxed, because it is so much larger than a verification's id.
        number: Box<PhoneNumber>,
        payment: Option<Payment>,
        /// When it is to be released, where that was announced just now.
        release_at: Option<Timestamp>,
        /// Why it was released.
        reason: Option<ReleaseReason>,
        /// Names of the fields that an update has changed, as callers spell them.
        changed: Vec<&'static str>,
    },
    Verification(KybId, Status),
    Credits(Shortage),
}

/// How far the credits fall short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    pub balance: MicroUsd,
    /// What falls due within [`LOW_WITHIN`](crate::credits::LOW_WITHIN).
    pub due: MicroUsd,
    /// When the first month begins that the balance does not cover.
    pub covered_until: Timestamp,
}

impl About {
    pub(crate) fn number(number: &PhoneNumber, kind: Kind, change: &audit::Event, paid: Option<Payment>) -> Self {
        let payment = match kind {
            Kind::Purchased => Some(Payment { amount: number.purchase_price(), period: Some(number.first_month()) }),
            Kind::Charged => paid,
            Kind::PurchaseFailed => Some(Payment { amount: number.purchase_price(), period: None }),
            _ => None,
        };
        let reason = (kind == Kind::Released).then(|| released_for(number, &change.actor));
        let changed = if kind == Kind::Updated { change.changed.clone() } else { Vec::new() };
        let announces = matches!(kind, Kind::Suspended | Kind::ReleaseScheduled);
        let release_at = number.billing.arrears.filter(|_| announces).map(|arrears| arrears.release_at);
        Self::Number { number: Box::new(number.clone()), payment, release_at, reason, changed }
    }

    pub(crate) fn verification(submission: &Submission) -> Self {
        Self::Verification(submission.id.clone(), submission.status())
    }
}

/// A managed number remembers why its release was begun; an imported one is gone in one step.
fn released_for(number: &PhoneNumber, actor: &Actor) -> ReleaseReason {
    match (&number.source, actor) {
        (Source::Managed(Order::Releasing { reason, .. }), _) => *reason,
        (_, Actor::Operator(_) | Actor::Reviewer { .. }) => ReleaseReason::Operator,
        (_, Actor::ApiKey(_)) => ReleaseReason::Requested,
        (_, Actor::System(_)) => ReleaseReason::Unpaid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_by_its_own_word() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("phone_number.charged."), None);
    }
}
