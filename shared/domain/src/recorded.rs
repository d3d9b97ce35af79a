//! A change as it is written: the row, and the events that record it.
//!
//! Rows of numbers and verifications are written in this form and in no other, so no change forgets its events.

use crate::audit::{Action, Actor, Event};
use crate::feed::{About, Kind, Payment};
use crate::kyb::Submission;
use crate::number::PhoneNumber;
use crate::renewal::Period;
use crate::{Timestamp, feed};

/// A row as a change leaves it, or takes it away, with its audit event and its customer events: one for most changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<T> {
    pub row: T,
    pub audit: Event,
    pub events: Vec<feed::Event>,
}

impl Recorded<PhoneNumber> {
    /// A number comes into the table.
    #[must_use]
    pub fn registered(number: &PhoneNumber, action: Action, actor: &Actor) -> Self {
        Self::of(number.clone(), Event::number_registered(number, action, actor))
    }

    /// A number that is there becomes `new`.
    #[must_use]
    pub fn changed(old: &PhoneNumber, new: PhoneNumber, action: Action, actor: &Actor) -> Self {
        let audit = Event::number_changed(old, &new, action, actor);
        Self::of(new, audit)
    }

    /// A number was charged: its months are paid, or not.
    #[must_use]
    pub fn renewed(old: &PhoneNumber, new: PhoneNumber, actor: &Actor) -> Self {
        let action = match (old.billing.arrears, new.billing.arrears) {
            (None, Some(_)) => Action::Suspended,
            (Some(_), None) => Action::Unsuspended,
            (None, None) => Action::Charged,
            (Some(_), Some(_)) => Action::ReleaseScheduled,
        };
        let audit = Event::number_changed(old, &new, action, actor);
        let payment = payment(old, &new);
        let kinds = Kind::of_renewal(action, payment);
        Self::with(new, audit, kinds, payment)
    }

    /// A number leaves the table.
    #[must_use]
    pub fn removed(number: &PhoneNumber, action: Action, actor: &Actor, at: Timestamp) -> Self {
        Self::of(number.clone(), Event::number_removed(number, action, actor, at))
    }

    fn of(row: PhoneNumber, audit: Event) -> Self {
        let kind = Kind::of(&audit);
        Self::with(row, audit, kind, None)
    }

    fn with(
        mut row: PhoneNumber,
        audit: Event,
        kinds: impl IntoIterator<Item = Kind>,
        payment: Option<Payment>,
    ) -> Self {
        let kinds: Vec<Kind> = kinds.into_iter().collect();
        let before = row.sequence;
        row.sequence += kinds.len() as u64;
        let event = |(kind, sequence)| {
            let about = About::number(&row, kind, &audit, payment);
            feed::Event { organization: row.organization.clone(), kind, sequence, about }
        };
        let events = kinds.into_iter().zip(before + 1..).map(event).collect();
        Self { row, audit, events }
    }
}

/// What was paid between two states of a number, and for which months.
fn payment(old: &PhoneNumber, new: &PhoneNumber) -> Option<Payment> {
    let months = old.billing.next_month?..new.billing.next_month?;
    let period =
        Period { start: new.created_at.months_later(months.start), end: new.created_at.months_later(months.end) };
    let count = months.end.checked_sub(months.start).filter(|count| *count > 0)?;
    Some(Payment { amount: new.billing.monthly.times(count), period: Some(period) })
}

impl Recorded<Submission> {
    /// A verification is saved or submitted over `earlier`, the one that was current until then.
    #[must_use]
    pub fn filed(earlier: Option<&Submission>, new: Submission, actor: &Actor) -> Self {
        let audit = Event::verification_filed(earlier, &new, actor);
        Self::of(new, audit)
    }

    /// A verification is decided.
    #[must_use]
    pub fn decided(decided: Submission, actor: &Actor) -> Self {
        let audit = Event::verification_decided(&decided, actor);
        Self::of(decided, audit)
    }

    /// The values of `old` are erased.
    #[must_use]
    pub fn erased(old: &Submission, erased: Submission, actor: &Actor) -> Self {
        let audit = Event::verification_erased(old, actor, erased.updated_at);
        Self::of(erased, audit)
    }

    fn of(mut row: Submission, audit: Event) -> Self {
        let event = Kind::of(&audit).map(|kind| {
            row.sequence += 1;
            let (organization, about) = (row.organization.clone(), About::verification(&row));
            feed::Event { organization, kind, sequence: row.sequence, about }
        });
        Self { row, audit, events: event.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::CarrierNumberId;
    use crate::kyb::{Attestation, Decision, Declaration, Filing, Review, SubmittedBy};
    use crate::number::ReleaseReason;
    use crate::number::tests::managed;
    use crate::{ApiKeyId, KybId, Label, Name, Prose};

    const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

    fn sent<T>(change: &Recorded<T>) -> Option<(Kind, u64)> {
        assert!(change.events.len() < 2);
        change.events.first().map(|event| (event.kind, event.sequence))
    }

    fn customer() -> Actor {
        Actor::ApiKey(ApiKeyId::new(NOW, 1))
    }

    #[test]
    fn a_number_counts_its_customer_events() {
        let (customer, reconciler) = (customer(), Actor::System("reconciler"));
        let ordering = Recorded::registered(&managed(), Action::Purchased, &customer);
        assert_eq!((sent(&ordering), ordering.row.sequence), (None, 0), "it is not confirmed yet");
        let active = ordering.row.clone().activate(CarrierNumberId::parse("1").unwrap(), NOW).unwrap();
        let active = Recorded::changed(&ordering.row, active, Action::Activated, &reconciler);
        assert_eq!((sent(&active), active.row.sequence), (Some((Kind::Purchased, 1)), 1));
        let mut labelled = active.row.clone();
        labelled.routing.label = Some(Label::parse("Desk").unwrap());
        let mut labelled = Recorded::changed(&active.row, labelled, Action::Updated, &customer);
        assert_eq!(sent(&labelled), Some((Kind::Updated, 2)));
        let Some(About::Number { changed, .. }) = labelled.events.pop().map(|event| event.about) else {
            panic!("a number")
        };
        assert_eq!(changed, ["label"]);
        let releasing = labelled.row.clone().release(ReleaseReason::Requested, NOW).unwrap();
        let releasing = Recorded::changed(&labelled.row, releasing, Action::ReleaseBegun, &customer);
        assert_eq!((sent(&releasing), releasing.row.sequence), (None, 2));
        let mut removed = Recorded::removed(&releasing.row, Action::Released, &Actor::Operator("grace".into()), NOW);
        assert_eq!(sent(&removed), Some((Kind::Released, 3)));
        let Some(About::Number { reason, .. }) = removed.events.pop().map(|event| event.about) else {
            panic!("a number")
        };
        assert_eq!(reason, Some(ReleaseReason::Requested), "whoever finishes it");
    }

    #[test]
    fn a_refund_has_an_event_unless_a_request_answers_it() {
        for (actor, kind) in [
            (customer(), None),
            (Actor::System("reconciler"), Some((Kind::PurchaseFailed, 1))),
            (Actor::Operator("grace".into()), Some((Kind::PurchaseFailed, 1))),
        ] {
            assert_eq!(sent(&Recorded::removed(&managed(), Action::PurchaseRefunded, &actor, NOW)), kind, "{actor:?}");
        }
    }

    #[test]
    fn each_submission_counts_for_itself() {
        let filing = || {
            let (business_name, use_case) = (Name::parse("Acme").unwrap(), Prose::parse("Reminders").unwrap());
            Filing::Short(Declaration { business_name, use_case })
        };
        let organization = managed().organization;
        let draft = Submission::save_draft(None, &organization, KybId::new(NOW, 1), filing(), false, NOW).unwrap();
        let draft = Recorded::filed(None, draft, &customer());
        assert_eq!(sent(&draft), None);
        let submit = |over: &Submission, id| {
            let by = SubmittedBy { api_key: ApiKeyId::new(NOW, 1), user_id: None, email: None };
            let (id, attestation) = (KybId::new(NOW, id), Attestation::current());
            let new = Submission::submit(Some(over), &organization, id, filing(), by, attestation, NOW).unwrap();
            Recorded::filed(Some(over), new, &customer())
        };
        let first = submit(&draft.row, 2);
        assert_eq!(sent(&first), Some((Kind::KybSubmitted, 1)));
        let review = Review { at: NOW, reviewer_id: "U1".into(), reviewer_email: None };
        let rejection = Decision::Reject { reason: Prose::parse("No").unwrap(), issues: Vec::new() };
        let (rejected, _) = first.row.decide(&rejection, review).unwrap();
        let rejected = Recorded::decided(rejected, &customer());
        assert_eq!(sent(&rejected), Some((Kind::KybRejected, 2)));
        assert_eq!(sent(&submit(&rejected.row, 3)), Some((Kind::KybSubmitted, 1)));
    }
}
