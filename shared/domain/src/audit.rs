//! Who changed what, and when. An event names fields and never their values, so that reading the trail reveals nothing
//! of what customers have filed.

use std::time::Duration;

use crate::api_key::Grant;
use crate::billing::{Arrears, Billing};
use crate::kyb::{Status, Submission};
use crate::number::{PhoneNumber, Routing, SmsAssignment};
use crate::settlement::LateOrder;
use crate::{ApiKeyId, KybId, OrganizationId, PhoneNumberId, Timestamp};

/// How long an event is kept: 400 days, so that a yearly audit finds the whole year before it.
pub const KEPT_FOR: Duration = Duration::from_hours(400 * 24);

/// What was done, in the past tense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A number was paid for; its order follows.
    Purchased,
    /// A number of the customer's own came in.
    Imported,
    /// The carrier has delivered a number.
    Activated,
    /// A customer has changed a number, or its agent has gone.
    Updated,
    /// Months of a number were paid, or began for nothing.
    Charged,
    /// The credits did not cover a month of a number; those before it were paid.
    Suspended,
    /// All months of a suspended number were paid.
    Unsuspended,
    /// The release of a number that is not paid for was put off.
    ReleaseScheduled,
    /// A number is to leave; the carrier is asked next.
    ReleaseBegun,
    /// The carrier refuses to take a number back.
    ReleaseRefused,
    /// The carrier has taken a number back, and it is gone here.
    Released,
    /// An imported number is gone.
    Removed,
    /// The carrier has refused an order, or never got it: row and claim are gone, and the money is back.
    PurchaseRefunded,
    /// An order has arrived at the carrier after its purchase was refunded; its number was released there.
    LateOrderReleased,
    /// A verification was saved.
    DraftSaved,
    /// A verification was submitted.
    Submitted,
    /// Staff approved a verification.
    Approved,
    /// Staff rejected a verification.
    Rejected,
    /// An approved verification, or an API key, was revoked.
    Revoked,
    /// The values of a verification were erased.
    Erased,
    /// An API key was issued.
    Issued,
}

impl Action {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchased => "purchased",
            Self::Imported => "imported",
            Self::Activated => "activated",
            Self::Updated => "updated",
            Self::Charged => "charged",
            Self::Suspended => "suspended",
            Self::Unsuspended => "unsuspended",
            Self::ReleaseScheduled => "release_scheduled",
            Self::ReleaseBegun => "release_begun",
            Self::ReleaseRefused => "release_refused",
            Self::Released => "released",
            Self::Removed => "removed",
            Self::PurchaseRefunded => "purchase_refunded",
            Self::LateOrderReleased => "late_order_released",
            Self::DraftSaved => "draft_saved",
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::Erased => "erased",
            Self::Issued => "issued",
        }
    }
}

/// Whoever made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A customer, through this key of theirs.
    ApiKey(ApiKeyId),
    /// A member of staff, as the chat in which they review knows them.
    Reviewer { id: String, email: Option<String> },
    /// A person at the operator's command line, by user name.
    Operator(String),
    /// A function that acts by itself, such as `reconciler`.
    System(&'static str),
}

impl Actor {
    /// `api_key`, `reviewer`, `operator` or `system`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ApiKey(_) => "api_key",
            Self::Reviewer { .. } => "reviewer",
            Self::Operator(_) => "operator",
            Self::System(_) => "system",
        }
    }

    /// Which one of its kind.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::ApiKey(id) => id.as_str(),
            Self::Reviewer { id, .. } => id,
            Self::Operator(name) => name,
            Self::System(function) => function,
        }
    }

    /// A reviewer's e-mail address, where the chat tells it.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        match self {
            Self::Reviewer { email, .. } => email.as_deref(),
            Self::ApiKey(_) | Self::Operator(_) | Self::System(_) => None,
        }
    }
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Number(PhoneNumberId),
    Verification(KybId),
    ApiKey(ApiKeyId),
}

impl Subject {
    /// The id, whose prefix tells the kind.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Number(id) => id.as_str(),
            Self::Verification(id) => id.as_str(),
            Self::ApiKey(id) => id.as_str(),
        }
    }
}

/// One change, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub organization: OrganizationId,
    pub subject: Subject,
    pub at: Timestamp,
    pub actor: Actor,
    pub action: Action,
    /// The fields that got another value, as callers spell them (`dispatchMetadataTemplate`, `address.city`). Their
    /// type keeps values out: no customer's text lives as long as the program.
    pub changed: Vec<&'static str>,
}

impl Event {
    /// A number has come into the table. What it was given beyond the defaults counts as changed.
    #[must_use]
    pub(crate) fn number_registered(number: &PhoneNumber, action: Action, actor: &Actor) -> Self {
        let changed = differing(&routing(&Routing::default(), &number.routing));
        Self { changed, ..Self::of_number(number, number.created_at, action, actor) }
    }

    /// A number that is there has become `new`.
    #[must_use]
    pub(crate) fn number_changed(old: &PhoneNumber, new: &PhoneNumber, action: Action, actor: &Actor) -> Self {
        let changed = differing(&[&state(old, new)[..], &routing(&old.routing, &new.routing)].concat());
        Self { changed, ..Self::of_number(new, new.updated_at, action, actor) }
    }

    /// A number has left the table, and all of it with it.
    #[must_use]
    pub(crate) fn number_removed(number: &PhoneNumber, action: Action, actor: &Actor, at: Timestamp) -> Self {
        Self::of_number(number, at, action, actor)
    }

    /// An order has arrived after its purchase was refunded, and its number was released at the carrier.
    #[must_use]
    pub fn late_order_released(late: &LateOrder, actor: &Actor, at: Timestamp) -> Self {
        Self {
            organization: late.organization.clone(),
            subject: Subject::Number(late.reference.clone()),
            at,
            actor: actor.clone(),
            action: Action::LateOrderReleased,
            changed: Vec::new(),
        }
    }

    /// A verification has been saved or submitted. What differs from `earlier`, the one that was current until then,
    /// counts as changed; in the first one, all that it says.
    #[must_use]
    pub(crate) fn verification_filed(earlier: Option<&Submission>, new: &Submission, actor: &Actor) -> Self {
        let form = match earlier {
            Some(earlier) => new.filing.changes_since(&earlier.filing),
            None => new.filing.answers().into_iter().filter(|(_, text)| !text.is_empty()).collect(),
        };
        let accepted = earlier.is_some_and(Submission::attestation_accepted);
        let attestation = differing(&[("attestationAccepted", accepted != new.attestation_accepted())]);
        Self {
            organization: new.organization.clone(),
            subject: Subject::Verification(new.id.clone()),
            at: new.updated_at,
            actor: actor.clone(),
            action: reached(new.status()),
            changed: form.into_iter().map(|(field, _)| field.path()).chain(attestation).collect(),
        }
    }

    /// A verification has been decided.
    #[must_use]
    pub(crate) fn verification_decided(decided: &Submission, actor: &Actor) -> Self {
        let fields = [
            ("status", true),
            ("rejectionReason", decided.reason().is_some()),
            ("rejectionIssues", !decided.rejection_issues().is_empty()),
        ];
        Self {
            organization: decided.organization.clone(),
            subject: Subject::Verification(decided.id.clone()),
            at: decided.updated_at,
            actor: actor.clone(),
            action: reached(decided.status()),
            changed: differing(&fields),
        }
    }

    /// The values of a verification have been erased.
    #[must_use]
    pub(crate) fn verification_erased(old: &Submission, actor: &Actor, at: Timestamp) -> Self {
        let said = old.filing.answers().into_iter().filter(|(_, text)| !text.is_empty());
        Self {
            organization: old.organization.clone(),
            subject: Subject::Verification(old.id.clone()),
            at,
            actor: actor.clone(),
            action: Action::Erased,
            changed: said.map(|(field, _)| field.path()).collect(),
        }
    }

    /// An API key has been issued.
    #[must_use]
    pub fn key_issued(grant: &Grant, actor: &Actor) -> Self {
        Self { changed: vec!["scopes"], ..Self::of_key(grant, grant.created_at, Action::Issued, actor) }
    }

    /// An API key has been revoked.
    #[must_use]
    pub fn key_revoked(grant: &Grant, at: Timestamp, actor: &Actor) -> Self {
        Self { changed: vec!["revokedAt"], ..Self::of_key(grant, at, Action::Revoked, actor) }
    }

    fn of_key(grant: &Grant, at: Timestamp, action: Action, actor: &Actor) -> Self {
        Self {
            organization: grant.organization.clone(),
            subject: Subject::ApiKey(grant.id.clone()),
            at,
            actor: actor.clone(),
            action,
            changed: Vec::new(),
        }
    }

    fn of_number(number: &PhoneNumber, at: Timestamp, action: Action, actor: &Actor) -> Self {
        Self {
            organization: number.organization.clone(),
            subject: Subject::Number(number.id.clone()),
            at,
            actor: actor.clone(),
            action,
            changed: Vec::new(),
        }
    }

    /// When the event may be forgotten.
    #[must_use]
    pub fn kept_until(&self) -> Timestamp {
        self.at.plus(KEPT_FOR)
    }
}

/// What brings a verification into a state.
const fn reached(status: Status) -> Action {
    match status {
        Status::Draft => Action::DraftSaved,
        Status::Submitted => Action::Submitted,
        Status::Approved => Action::Approved,
        Status::Rejected => Action::Rejected,
        Status::Revoked => Action::Revoked,
    }
}

/// A field as callers spell it, and whether it differs.
type Difference = (&'static str, bool);

/// What callers decide about a number.
fn routing(old: &Routing, new: &Routing) -> [Difference; 4] {
    // Whole, so that a new field is not forgotten here.
    let Routing { direction, template, agent, label } = new;
    [
        ("direction", old.direction != *direction),
        ("dispatchMetadataTemplate", old.template != *template),
        ("agentId", old.agent != *agent),
        ("label", old.label != *label),
    ]
}

/// What the carrier, the credits and the SMS registration decide about a number.
fn state(old: &PhoneNumber, new: &PhoneNumber) -> [Difference; 9] {
    // Whole, so that a new field is not forgotten here. Identity and price never change; `routing` compares the rest.
    let PhoneNumber {
        id: _,
        organization: _,
        e164: _,
        source: _, // as `settled` and `resource` tell it
        routing: _,
        billing: Billing { upfront: _, monthly: _, next_month, last_charged_at, arrears },
        sms: SmsAssignment { profile_id, campaign_id, status, updated_at: _ },
        created_at: _,
        updated_at: _,
        version: _,
        sequence: _,
    } = new;
    let suspended = |arrears: Arrears| arrears.suspended_at;
    let release = |arrears: Arrears| arrears.release_at;
    [
        ("setupStatus", old.settled() != new.settled()),
        ("providerResourceId", old.resource() != new.resource()),
        ("nextChargeAt", old.billing.next_month != *next_month),
        ("lastChargedAt", old.billing.last_charged_at != *last_charged_at),
        ("billingSuspendedAt", old.billing.arrears.map(suspended) != arrears.map(suspended)),
        ("scheduledReleaseAt", old.billing.arrears.map(release) != arrears.map(release)),
        ("sms10dlcProfileId", old.sms.profile_id != *profile_id),
        ("smsCampaignId", old.sms.campaign_id != *campaign_id),
        ("smsAssignmentStatus", old.sms.status != *status),
    ]
}

fn differing(fields: &[Difference]) -> Vec<&'static str> {
    fields.iter().filter(|(_, differs)| *differs).map(|(field, _)| *field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::CarrierNumberId;
    use crate::kyb::{Attestation, Declaration, Filing, SubmittedBy};
    use crate::number::tests::managed;
    use crate::number::{Change, Direction, DispatchTemplate, Patch};
    use crate::{AgentId, Label, Name, Prose};

    const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

    #[test]
    fn every_actor_has_a_kind_and_an_id() {
        let key = ApiKeyId::new(NOW, 1);
        let reviewer = Actor::Reviewer { id: "U1".into(), email: Some("ada@example.com".into()) };
        for (actor, kind, id, email) in [
            (Actor::ApiKey(key.clone()), "api_key", key.as_str(), None),
            (reviewer, "reviewer", "U1", Some("ada@example.com")),
            (Actor::Reviewer { id: "U2".into(), email: None }, "reviewer", "U2", None),
            (Actor::Operator("grace".into()), "operator", "grace", None),
            (Actor::System("reconciler"), "system", "reconciler", None),
        ] {
            assert_eq!((actor.kind(), actor.id(), actor.email()), (kind, id, email));
        }
    }

    #[test]
    fn the_subjects_id_tells_its_kind() {
        assert!(Subject::Number(PhoneNumberId::new(NOW, 1)).id().starts_with("pn_"));
        assert!(Subject::Verification(KybId::new(NOW, 1)).id().starts_with("kyb_"));
        assert!(Subject::ApiKey(ApiKeyId::new(NOW, 1)).id().starts_with("key_"));
    }

    #[test]
    fn an_event_is_kept_for_four_hundred_days() {
        let at = Timestamp::parse("2026-01-01T00:00:00.000Z").unwrap();
        let event = Event {
            organization: OrganizationId::parse("org_1").unwrap(),
            subject: Subject::Number(PhoneNumberId::new(at, 1)),
            at,
            actor: Actor::System("reconciler"),
            action: Action::Activated,
            changed: Vec::new(),
        };
        assert_eq!(event.kept_until().to_string(), "2027-02-05T00:00:00.000Z");
    }
    fn system() -> Actor {
        Actor::System("reconciler")
    }

    #[test]
    fn a_change_names_exactly_the_fields_that_differ() {
        let ordering = managed();
        let registered = Event::number_registered(&ordering, Action::Purchased, &system());
        assert_eq!((registered.at, registered.changed), (ordering.created_at, vec![]), "nothing beyond the defaults");
        let active = ordering.clone().activate(CarrierNumberId::parse("1").unwrap(), NOW).unwrap();
        let activated = Event::number_changed(&ordering, &active, Action::Activated, &system());
        assert_eq!((activated.at, activated.changed), (NOW, vec!["setupStatus", "providerResourceId"]));
        let released = active.clone().release(crate::number::ReleaseReason::Requested, NOW).unwrap();
        assert_eq!(Event::number_changed(&active, &released, Action::ReleaseBegun, &system()).changed, ["setupStatus"]);
        let label = || Change::Set(Label::parse("Desk").unwrap());
        for (patch, changed) in [
            (Patch { direction: Some(Direction::Both), ..Patch::default() }, vec!["direction"]),
            (Patch { direction: Some(Direction::Outbound), label: label(), ..Patch::default() }, vec!["label"]),
            (
                Patch {
                    template: Change::Set(DispatchTemplate::from_compact_json("{}".into()).unwrap()),
                    agent: Change::Set(AgentId::parse("agent_1").unwrap()),
                    ..Patch::default()
                },
                vec!["dispatchMetadataTemplate", "agentId"],
            ),
            (Patch { label: Change::Clear, agent: Change::Clear, ..Patch::default() }, vec![]),
        ] {
            let patched = active.clone().patch(patch, NOW).unwrap();
            assert_eq!(Event::number_changed(&active, &patched, Action::Updated, &system()).changed, changed);
        }
        let mut billed = active.clone();
        billed.billing.next_month = None;
        billed.billing.last_charged_at = None;
        let arrears = Arrears { suspended_at: NOW, release_at: NOW, refused_since: NOW, refused_at: NOW };
        billed.billing.arrears = Some(arrears);
        billed.sms.profile_id = Some("p".into());
        billed.sms.campaign_id = Some("c".into());
        billed.sms.status = Some(crate::number::SmsAssignmentStatus::Assigned);
        let changed = Event::number_changed(&active, &billed, Action::Updated, &system()).changed;
        let billing = ["nextChargeAt", "lastChargedAt", "billingSuspendedAt", "scheduledReleaseAt"];
        assert_eq!(changed, [&billing[..], &["sms10dlcProfileId", "smsCampaignId", "smsAssignmentStatus"]].concat());
    }

    #[test]
    fn a_filing_names_what_differs_from_the_one_before() {
        let organization = OrganizationId::parse("org_1").unwrap();
        let filing = |use_case| {
            let (business_name, use_case) = (Name::parse("Acme").unwrap(), Prose::parse(use_case).unwrap());
            Filing::Short(Declaration { business_name, use_case })
        };
        let save = |earlier: Option<&Submission>, use_case, accepted| {
            Submission::save_draft(earlier, &organization, KybId::new(NOW, 1), filing(use_case), accepted, NOW).unwrap()
        };
        let first = save(None, "Reminders", false);
        let event = Event::verification_filed(None, &first, &system());
        assert_eq!((event.action, event.subject.id()), (Action::DraftSaved, first.id.as_str()));
        assert_eq!(event.changed, ["declaration.businessName", "declaration.useCase"]);
        let second = save(Some(&first), "Surveys", true);
        let event = Event::verification_filed(Some(&first), &second, &system());
        assert_eq!(event.changed, ["declaration.useCase", "attestationAccepted"]);
        let by = SubmittedBy { api_key: ApiKeyId::new(NOW, 1), user_id: None, email: None };
        let later = NOW.plus(KEPT_FOR);
        let filed = filing("Surveys");
        let third = Submission::submit(
            Some(&second),
            &organization,
            KybId::new(NOW, 2),
            filed,
            by,
            Attestation::current(),
            later,
        )
        .unwrap();
        let event = Event::verification_filed(Some(&second), &third, &system());
        assert_eq!((event.action, event.at, event.changed), (Action::Submitted, later, vec![]));
    }
}
