use super::Filing;
use crate::organization::{Hold, HoldReason};
use crate::{ApiKeyId, Error, KybId, OrganizationId, Prose, Result, Timestamp};

/// Names the wording below; it changes whenever the wording does.
pub const ATTESTATION_VERSION: &str = "2026-11-01";

/// What a customer declares to be true by submitting.
pub const ATTESTATION_TEXT: &str = "I am authorized to act for this business. The information given is true and \
complete, and phone numbers obtained here will be used lawfully and only for the purpose described.";

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
        Self { version: ATTESTATION_VERSION.to_owned(), text: ATTESTATION_TEXT.to_owned() }
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
    pub reviewer_id: String,
    pub reviewer_email: Option<String>,
}

/// Where a submission stands, with what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Draft { attestation_accepted: bool },
    Submitted(Filed),
    Approved(Filed, Review),
    Rejected(Filed, Review, Prose),
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
    pub filing: Filing,
    pub state: State,
    pub notification: Notification,
    /// Set once Slack has said ok.
    pub delivery: Option<Delivery>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Grows by one with every write.
    pub version: u64,
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
    /// [`Error::KybUnderReview`], [`Error::KybAlreadyApproved`].
    pub fn submit(
        current: Option<&Self>,
        organization: &OrganizationId,
        new_id: KybId,
        filing: Filing,
        by: SubmittedBy,
        now: Timestamp,
    ) -> Result<Self> {
        let filed = Filed { at: now, by, attestation: Attestation::current() };
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
        let draft = match current {
            None => None,
            Some(submission) => match submission.state {
                State::Draft { .. } => Some(submission),
                State::Rejected(..) | State::Revoked(..) => None,
                State::Submitted(_) => return Err(Error::KybUnderReview),
                State::Approved(..) => return Err(Error::KybAlreadyApproved),
            },
        };
        Ok(Self {
            id: draft.map_or(new_id, |draft| draft.id.clone()),
            organization: organization.clone(),
            filing,
            state,
            notification: Notification::NotQueued,
            delivery: None,
            created_at: draft.map_or(now, |draft| draft.created_at),
            updated_at: now,
            version: draft.map_or(1, |draft| draft.version + 1),
        })
    }

    /// # Errors
    /// [`Error::KybNotUnderReview`].
    pub fn approve(self, review: Review) -> Result<Self> {
        self.decide(review.at, |filed| State::Approved(filed, review))
    }

    /// Turns the submission down and says why. The organization's hold comes with it.
    ///
    /// # Errors
    /// [`Error::KybNotUnderReview`].
    pub fn reject(self, review: Review, reason: Prose) -> Result<(Self, Hold)> {
        let hold = Hold { at: review.at, reason: HoldReason::Rejected };
        Ok((self.decide(review.at, |filed| State::Rejected(filed, review, reason))?, hold))
    }

    /// Takes an approval back and says why. The organization's hold comes with it.
    ///
    /// # Errors
    /// [`Error::KybNotApproved`].
    pub fn revoke(self, review: Review, reason: Prose) -> Result<(Self, Hold)> {
        let status = self.status();
        let State::Approved(filed, _) = self.state else { return Err(Error::KybNotApproved(status.as_str())) };
        let hold = Hold { at: review.at, reason: HoldReason::Revoked };
        let (updated_at, version) = (review.at, self.version + 1);
        Ok((Self { state: State::Revoked(filed, review, reason), updated_at, version, ..self }, hold))
    }

    fn decide(self, at: Timestamp, outcome: impl FnOnce(Filed) -> State) -> Result<Self> {
        let status = self.status();
        let State::Submitted(filed) = self.state else { return Err(Error::KybNotUnderReview(status.as_str())) };
        Ok(Self { state: outcome(filed), updated_at: at, version: self.version + 1, ..self })
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
            State::Approved(_, review) | State::Rejected(_, review, _) | State::Revoked(_, review, _) => Some(review),
        }
    }

    /// Why it was rejected or revoked.
    #[must_use]
    pub const fn reason(&self) -> Option<&Prose> {
        match &self.state {
            State::Rejected(.., reason) | State::Revoked(.., reason) => Some(reason),
            State::Draft { .. } | State::Submitted(_) | State::Approved(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        Submission::submit(current, &org(), KybId::new(NOW, 3), filing(), by(), NOW)
    }

    /// One submission in each state.
    fn world() -> [(Status, Submission); 5] {
        let submitted = submit(None).unwrap();
        let approved = submitted.clone().approve(review()).unwrap();
        let rejected = submitted.clone().reject(review(), reason()).unwrap().0;
        let revoked = approved.clone().revoke(review(), reason()).unwrap().0;
        [
            (Status::Draft, draft(None).unwrap()),
            (Status::Submitted, submitted),
            (Status::Approved, approved),
            (Status::Rejected, rejected),
            (Status::Revoked, revoked),
        ]
    }

    #[test]
    fn every_transition_is_allowed_or_refused_as_the_table_says() {
        for (from, submission) in world() {
            assert_eq!(submission.status(), from);
            let may_file = !matches!(from, Status::Submitted | Status::Approved);
            assert_eq!(draft(Some(&submission)).is_ok(), may_file, "draft over {from:?}");
            assert_eq!(submit(Some(&submission)).is_ok(), may_file, "submit over {from:?}");
            assert_eq!(submission.clone().approve(review()).is_ok(), from == Status::Submitted, "approve {from:?}");
            assert_eq!(
                submission.clone().reject(review(), reason()).is_ok(),
                from == Status::Submitted,
                "reject {from:?}"
            );
            assert_eq!(submission.revoke(review(), reason()).is_ok(), from == Status::Approved, "revoke {from:?}");
        }
    }

    #[test]
    fn refusals_say_which_state_stands_in_the_way() {
        let [_, (_, submitted), (_, approved), _, _] = world();
        assert!(matches!(submit(Some(&submitted)), Err(Error::KybUnderReview)));
        assert!(matches!(draft(Some(&approved)), Err(Error::KybAlreadyApproved)));
        assert!(matches!(approved.approve(review()), Err(Error::KybNotUnderReview("approved"))));
        assert!(matches!(submitted.revoke(review(), reason()), Err(Error::KybNotApproved("submitted"))));
    }

    #[test]
    fn a_draft_keeps_its_id_and_a_turned_down_submission_gets_a_successor() {
        let [(_, saved), _, _, (_, rejected), (_, revoked)] = world();
        let again = submit(Some(&saved)).unwrap();
        assert_eq!((&again.id, again.version), (&saved.id, 2));
        for turned_down in [rejected, revoked] {
            let next = draft(Some(&turned_down)).unwrap();
            assert_ne!(next.id, turned_down.id);
            assert_eq!(next.version, 1);
        }
    }

    #[test]
    fn turning_down_sets_a_hold_and_keeps_the_reason() {
        let (rejected, hold) = submit(None).unwrap().reject(review(), reason()).unwrap();
        assert_eq!((hold.at, hold.reason), (NOW, HoldReason::Rejected));
        assert_eq!(rejected.reason(), Some(&reason()));
        assert_eq!(rejected.review(), Some(&review()));
        assert_eq!(rejected.filed().unwrap().attestation, Attestation::current());
    }
}
