//! A verification from its draft to its decision: one method for each transition.

use std::time::Duration;

use super::{Decision, Filing, RejectionIssue};
use crate::organization::{Hold, HoldReason};
use crate::{ApiKeyId, Error, KybId, OrganizationId, Prose, Result, Timestamp};

/// A wording of what a customer declares to be true by submitting.
struct Wording {
    /// Names the wording; each has its own.
    version: &'static str,
    text: &'static str,
    /// When the next one took its place; `None` for today's.
    replaced_at: Option<&'static str>,
}

/// The wordings, today's last.
const WORDINGS: &[Wording] = &[Wording {
    version: "2026-11-01",
    text: "I am authorized to act for this business. The information given is true and complete, and phone numbers \
           obtained here will be used lawfully and only for the purpose described.",
    replaced_at: None,
}];

/// For this long after it was replaced a wording may still be agreed to: forms stay open, and clients are released later.
const AGREED_TO_AFTER_REPLACEMENT: Duration = Duration::from_hours(30 * 24);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Draft,
    Submitted,
    Approved,
    Rejected,
    Revoked,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Draft, Self::Submitted, Self::Approved, Self::Rejected, Self::Revoked];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
        }
    }

    /// `None` for a word that names no status.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A draft that nobody changes for this long expires.
const DRAFT_KEPT_FOR: Duration = Duration::from_hours(90 * 24);

/// Who submitted: always a key; the platform may also know the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedBy {
    pub api_key: ApiKeyId,
    pub user_id: Option<String>,
    pub email: Option<String>,
}

/// The wording that was agreed to, as it stood then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    pub version: String,
    pub text: String,
}

impl Attestation {
    /// Today's wording.
    #[must_use]
    pub fn current() -> Self {
        WORDINGS.last().map_or(Self { version: String::new(), text: String::new() }, Self::of)
    }

    /// The wording of this version, if it can be agreed to now: nobody agrees to a text that was not shown.
    ///
    /// # Errors
    /// A sentence that names today's version.
    pub fn agreed_to(version: &str, now: Timestamp) -> Result<Self, String> {
        Self::among(WORDINGS, version, now)
    }

    fn among(wordings: &[Wording], version: &str, now: Timestamp) -> Result<Self, String> {
        let is_open = |wording: &&Wording| {
            let replaced = wording.replaced_at.and_then(|at| Timestamp::parse(at).ok());
            replaced.is_none_or(|at| now.since(at) <= AGREED_TO_AFTER_REPLACEMENT)
        };
        let today = wordings.last().map_or("", |wording| wording.version);
        let found = wordings.iter().find(|wording| wording.version == version).filter(is_open);
        found.map(Self::of).ok_or_else(|| format!("must be {today}, the version that requiredAttestation shows now"))
    }

    fn of(wording: &Wording) -> Self {
        Self { version: wording.version.to_owned(), text: wording.text.to_owned() }
    }
}

/// The moment of submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    pub at: Timestamp,
    pub by: SubmittedBy,
    pub attestation: Attestation,
}

/// Who decided, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub at: Timestamp,
    /// A Slack user's id, or an operator's name: in AWS such as `assumed-role/Operators/jane@example.com`.
    pub reviewer_id: String,
    pub reviewer_email: Option<String>,
}

impl Review {
    /// Who decided, as customers read it: how AWS knows a member of staff is not for them.
    #[must_use]
    pub fn shown_reviewer(&self) -> &str {
        if self.reviewer_id.contains('/') { "operator" } else { &self.reviewer_id }
    }
}

/// Where a submission stands, with what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Draft { attestation_accepted: bool },
    Submitted(Filed),
    Approved(Filed, Review),
    Rejected(Filed, Review, Prose, Vec<RejectionIssue>),
    Revoked(Filed, Review, Prose),
}

/// Whether staff have been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    NotQueued,
    /// On its way, under the queue's message id.
    Queued {
        job: String,
    },
    /// The queue refused it; the work index brings it up again.
    EnqueueFailed {
        error: String,
    },
}

/// The message in which staff were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub channel: String,
    /// Slack's name for a message within its channel.
    pub ts: String,
}

/// One business verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    pub id: KybId,
    pub organization: OrganizationId,
    /// The rejected or revoked submission that this one answers.
    pub previous: Option<KybId>,
    pub filing: Filing,
    pub state: State,
    pub notification: Notification,
    /// Set once Slack has said ok.
    pub delivery: Option<Delivery>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: u64,
    /// The sequence of its last customer event ([`crate::feed`]); 0 before the first.
    pub sequence: u64,
}

/// A submission as staff look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub submission: Submission,
    /// The rejected or revoked submission that it answers.
    pub earlier: Option<Submission>,
}

impl Submission {
    /// Saves a draft over `current`: a new submission where there was none or the last was turned down.
    ///
    /// # Errors
    /// [`Error::KybUnderReview`], [`Error::KybAlreadyApproved`].
    pub fn save_draft(
        current: Option<&Self>,
        organization: &OrganizationId,
        new_id: KybId,
        filing: Filing,
        attestation_accepted: bool,
        now: Timestamp,
    ) -> Result<Self> {
        Self::file(current, organization, new_id, filing, State::Draft { attestation_accepted }, now)
    }

    /// Submits for review over `current`: a new submission where there was none or the last was turned down.
    ///
    /// # Errors
    /// [`Error::KybUnderReview`], [`Error::KybAlreadyApproved`]; [`Error::Invalid`] for a partial form.
    pub fn submit(
        current: Option<&Self>,
        organization: &OrganizationId,
        new_id: KybId,
        filing: Filing,
        by: SubmittedBy,
        attestation: Attestation,
        now: Timestamp,
    ) -> Result<Self> {
        if let Filing::Partial(_) | Filing::Erased = filing {
            return Err(Error::field("", "must be the whole form, not a part of it"));
        }
        let filed = Filed { at: now, by, attestation };
        Self::file(current, organization, new_id, filing, State::Submitted(filed), now)
    }

    fn file(
        current: Option<&Self>,
        organization: &OrganizationId,
        new_id: KybId,
        filing: Filing,
        state: State,
        now: Timestamp,
    ) -> Result<Self> {
        let (draft, turned_down) = match current {
            None => (None, None),
            Some(submission) => match submission.state {
                State::Draft { .. } => (Some(submission), None),
                State::Rejected(..) | State::Revoked(..) => (None, Some(submission)),
                State::Submitted(_) => return Err(Error::KybUnderReview),
                State::Approved(..) => return Err(Error::KybAlreadyApproved),
            },
        };
        let previous = turned_down.map(|submission| &submission.id).or(draft.and_then(|draft| draft.previous.as_ref()));
        Ok(Self {
            id: draft.map_or(new_id, |draft| draft.id.clone()),
            organization: organization.clone(),
            previous: previous.cloned(),
            filing,
            state,
            notification: Notification::NotQueued,
            delivery: None,
            created_at: draft.map_or(now, |draft| draft.created_at),
            updated_at: now,
            version: draft.map_or(1, |draft| draft.version + 1),
            sequence: draft.map_or(0, |draft| draft.sequence),
        })
    }

    /// What the submission and its organization's hold are after a decision: turning down sets a hold, approving
    /// lifts whichever there is.
    ///
    /// # Errors
    /// [`Error::KybNotUnderReview`]; for a revocation [`Error::KybNotApproved`].
    pub fn decide(self, decision: &Decision, review: Review) -> Result<(Self, Option<Hold>)> {
        let (at, status) = (review.at, self.status().as_str());
        let (state, hold) = match (decision, self.state) {
            (Decision::Approve, State::Submitted(filed)) => (State::Approved(filed, review), None),
            (Decision::Reject { reason, issues }, State::Submitted(filed)) => {
                let state = State::Rejected(filed, review, reason.clone(), issues.clone());
                (state, Some(Hold { at, reason: HoldReason::Rejected }))
            }
            (Decision::Revoke { reason }, State::Approved(filed, _)) => {
                (State::Revoked(filed, review, reason.clone()), Some(Hold { at, reason: HoldReason::Revoked }))
            }
            (Decision::Approve | Decision::Reject { .. }, _) => return Err(Error::KybNotUnderReview(status)),
            (Decision::Revoke { .. }, _) => return Err(Error::KybNotApproved(status)),
        };
        Ok((Self { state, updated_at: at, version: self.version + 1, ..self }, hold))
    }

    /// When nobody has any use for it: a draft, 90 days after it was last changed.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        matches!(self.state, State::Draft { .. }).then(|| self.updated_at.plus(DRAFT_KEPT_FOR))
    }

    /// What stays of a decided submission once its values are erased: that it was filed and decided, when, and by whom. Staff's
    /// words go too, since they may repeat a value.
    ///
    /// # Errors
    /// [`Error::KybUnderReview`] while staff have not decided. A draft is no record of anything: it is deleted.
    pub fn erase(self, now: Timestamp) -> Result<Self> {
        let nameless = |filed: Filed| Filed { by: SubmittedBy { user_id: None, email: None, ..filed.by }, ..filed };
        let erased = || Prose::from_stored("Erased").map_err(Error::internal);
        let state = match self.state {
            State::Draft { attestation_accepted } => State::Draft { attestation_accepted },
            State::Submitted(_) => return Err(Error::KybUnderReview),
            State::Approved(filed, review) => State::Approved(nameless(filed), review),
            State::Rejected(filed, review, ..) => State::Rejected(nameless(filed), review, erased()?, Vec::new()),
            State::Revoked(filed, review, _) => State::Revoked(nameless(filed), review, erased()?),
        };
        Ok(Self { filing: Filing::Erased, state, updated_at: now, version: self.version + 1, ..self })
    }

    #[must_use]
    pub const fn status(&self) -> Status {
        match self.state {
            State::Draft { .. } => Status::Draft,
            State::Submitted(_) => Status::Submitted,
            State::Approved(..) => Status::Approved,
            State::Rejected(..) => Status::Rejected,
            State::Revoked(..) => Status::Revoked,
        }
    }

    #[must_use]
    pub const fn attestation_accepted(&self) -> bool {
        match self.state {
            State::Draft { attestation_accepted } => attestation_accepted,
            State::Submitted(_) | State::Approved(..) | State::Rejected(..) | State::Revoked(..) => true,
        }
    }

    /// When and by whom it was submitted; `None` for a draft.
    #[must_use]
    pub const fn filed(&self) -> Option<&Filed> {
        match &self.state {
            State::Draft { .. } => None,
            State::Submitted(filed)
            | State::Approved(filed, _)
            | State::Rejected(filed, ..)
            | State::Revoked(filed, ..) => Some(filed),
        }
    }

    /// The decision; `None` until there is one.
    #[must_use]
    pub const fn review(&self) -> Option<&Review> {
        match &self.state {
            State::Draft { .. } | State::Submitted(_) => None,
            State::Approved(_, review) | State::Rejected(_, review, ..) | State::Revoked(_, review, _) => Some(review),
        }
    }

    /// Why it was rejected or revoked.
    #[must_use]
    pub const fn reason(&self) -> Option<&Prose> {
        match &self.state {
            State::Rejected(_, _, reason, _) | State::Revoked(.., reason) => Some(reason),
            State::Draft { .. } | State::Submitted(_) | State::Approved(..) => None,
        }
    }

    /// What staff marked in a rejected submission.
    #[must_use]
    pub fn rejection_issues(&self) -> &[RejectionIssue] {
        match &self.state {
            State::Rejected(.., issues) => issues,
            State::Draft { .. } | State::Submitted(_) | State::Approved(..) | State::Revoked(..) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wording_can_be_agreed_to_until_thirty_days_after_it_was_replaced() {
        let replaced_at = Some("2026-11-01T00:00:00.000Z");
        let wordings = [
            Wording { version: "a", text: "old", replaced_at: Some("2026-01-01T00:00:00.000Z") },
            Wording { version: "b", text: "last", replaced_at },
            Wording { version: "c", text: "new", replaced_at: None },
        ];
        for (version, now, expected) in [
            ("c", "2026-11-02T00:00:00.000Z", Some("new")),
            ("b", "2026-10-30T00:00:00.000Z", Some("last")),
            ("b", "2026-12-01T00:00:00.000Z", Some("last")),
            ("b", "2026-12-01T00:00:00.001Z", None),
            ("a", "2026-11-02T00:00:00.000Z", None),
            ("1999-01-01", "2026-11-02T00:00:00.000Z", None),
            ("", "2026-11-02T00:00:00.000Z", None),
        ] {
            let found = Attestation::among(&wordings, version, Timestamp::parse(now).unwrap());
            assert_eq!(found.as_ref().ok().map(|found| found.text.as_str()), expected, "{version} {now}");
            assert!(found.is_ok() || found.is_err_and(|sentence| sentence.contains("must be c")));
        }
        assert_eq!(
            Attestation::agreed_to(&Attestation::current().version, Timestamp::from_millis(0)),
            Ok(Attestation::current())
        );
    }
    use crate::{Name, kyb::Declaration};

    const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

    fn filing() -> Filing {
        Filing::Short(Declaration {
            business_name: Name::parse("Acme").unwrap(),
            use_case: Prose::parse("Reminders").unwrap(),
        })
    }

    fn by() -> SubmittedBy {
        SubmittedBy { api_key: ApiKeyId::new(NOW, 1), user_id: None, email: None }
    }

    fn review() -> Review {
        Review { at: NOW, reviewer_id: "U1".into(), reviewer_email: None }
    }

    fn reason() -> Prose {
        Prose::parse("No such company").unwrap()
    }

    fn org() -> OrganizationId {
        OrganizationId::parse("org_1").unwrap()
    }

    fn draft(current: Option<&Submission>) -> Result<Submission> {
        Submission::save_draft(current, &org(), KybId::new(NOW, 2), filing(), false, NOW)
    }

    fn submit(current: Option<&Submission>) -> Result<Submission> {
        Submission::submit(current, &org(), KybId::new(NOW, 3), filing(), by(), Attestation::current(), NOW)
    }

    fn rejection() -> Decision {
        let issue = RejectionIssue::parse("declaration.useCase", "Say which calls").unwrap();
        Decision::Reject { reason: reason(), issues: vec![issue] }
    }

    fn revocation() -> Decision {
        Decision::Revoke { reason: reason() }
    }

    fn decided(submission: &Submission, decision: &Decision) -> Submission {
        submission.clone().decide(decision, review()).unwrap().0
    }

    /// One submission in each state.
    fn world() -> [(Status, Submission); 5] {
        let submitted = submit(None).unwrap();
        let approved = decided(&submitted, &Decision::Approve);
        [
            (Status::Draft, draft(None).unwrap()),
            (Status::Rejected, decided(&submitted, &rejection())),
            (Status::Revoked, decided(&approved, &revocation())),
            (Status::Approved, approved),
            (Status::Submitted, submitted),
        ]
    }

    #[test]
    fn every_transition_is_allowed_or_refused_as_the_table_says() {
        for (from, submission) in world() {
            assert_eq!(submission.status(), from);
            let may_file = !matches!(from, Status::Submitted | Status::Approved);
            assert_eq!(draft(Some(&submission)).is_ok(), may_file, "draft over {from:?}");
            assert_eq!(submit(Some(&submission)).is_ok(), may_file, "submit over {from:?}");
            for (decision, wanted, outcome) in [
                (Decision::Approve, Status::Submitted, Status::Approved),
                (rejection(), Status::Submitted, Status::Rejected),
                (revocation(), Status::Approved, Status::Revoked),
            ] {
                let decided = submission.clone().decide(&decision, review());
                assert_eq!(decided.is_ok(), from == wanted, "{decision:?} of {from:?}");
                if let Ok((decided, hold)) = decided {
                    assert_eq!((decided.status(), hold.is_none()), (outcome, decision == Decision::Approve));
                    assert_eq!(decided.version, submission.version + 1);
                }
            }
        }
    }

    #[test]
    fn refusals_say_which_state_stands_in_the_way() {
        let [_, _, _, (_, approved), (_, submitted)] = world();
        assert!(matches!(submit(Some(&submitted)), Err(Error::KybUnderReview)));
        assert!(matches!(draft(Some(&approved)), Err(Error::KybAlreadyApproved)));
        let refused = |submission: Submission, decision| submission.decide(&decision, review()).unwrap_err();
        assert!(matches!(refused(approved, Decision::Approve), Error::KybNotUnderReview("approved")));
        assert!(matches!(refused(submitted, revocation()), Error::KybNotApproved("submitted")));
    }

    #[test]
    fn a_draft_keeps_its_id_and_a_turned_down_submission_gets_a_successor_that_knows_it() {
        let [(_, saved), (_, rejected), (_, revoked), ..] = world();
        let again = submit(Some(&saved)).unwrap();
        assert_eq!((&again.id, again.version, &again.previous), (&saved.id, 2, &None));
        for turned_down in [rejected, revoked] {
            let next = draft(Some(&turned_down)).unwrap();
            assert_ne!(next.id, turned_down.id);
            assert_eq!((next.version, next.previous.as_ref()), (1, Some(&turned_down.id)));
            assert_eq!(submit(Some(&next)).unwrap().previous.as_ref(), Some(&turned_down.id), "by way of a draft");
        }
    }

    #[test]
    fn turning_down_sets_a_hold_and_keeps_what_staff_said() {
        let (rejected, hold) = submit(None).unwrap().decide(&rejection(), review()).unwrap();
        assert_eq!(hold, Some(Hold { at: NOW, reason: HoldReason::Rejected }));
        assert_eq!(rejected.reason(), Some(&reason()));
        assert_eq!(rejected.rejection_issues()[0].path, "declaration.useCase");
        assert_eq!(rejected.review(), Some(&review()));
        assert_eq!(rejected.filed().unwrap().attestation, Attestation::current());
        let approved = decided(&submit(None).unwrap(), &Decision::Approve);
        let (revoked, hold) = approved.decide(&revocation(), review()).unwrap();
        assert_eq!(hold, Some(Hold { at: NOW, reason: HoldReason::Revoked }));
        assert_eq!((revoked.reason(), revoked.rejection_issues()), (Some(&reason()), [].as_slice()));
    }
}
