//! A change as it is written: the row, and the events that record it.
//!
//! Rows of numbers and verifications are written in this form and in no other, so no change forgets its events.

use crate::audit::{Action, Actor, Event};
use crate::feed::{About, Kind};
use crate::kyb::Submission;
use crate::number::PhoneNumber;
use crate::{Timestamp, feed};

/// A row as a change leaves it, or takes it away, with its audit event and, where customers are told of such a change, theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<T> {
    pub row: T,
    pub audit: Event,
    pub told: Option<feed::Event>,
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

    /// A number leaves the table.
    #[must_use]
    pub fn removed(number: &PhoneNumber, action: Action, actor: &Actor, at: Timestamp) -> Self {
        Self::of(number.clone(), Event::number_removed(number, action, actor, at))
    }

    fn of(mut row: PhoneNumber, audit: Event) -> Self {
        let told = Kind::of(&audit).map(|kind| {
            row.sequence += 1;
            let about = About::number(&row, kind, &audit);
            feed::Event { organization: row.organization.clone(), kind, sequence: row.sequence, about }
        });
        Self { row, audit, told }
    }
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

    fn of(mut row: Submission, audit: Event) -> Self {
        let told = Kind::of(&audit).map(|kind| {
            row.sequence += 1;
            let (organization, about) = (row.organization.clone(), About::verification(&row));
            feed::Event { organization, kind, sequence: row.sequence, about }
        });
        Self { row, audit, told }
    }
}
