//! What staff look at, and how their decision is written.

use domain::audit::{Actor, Event, Subject};
use domain::kyb::{Case, Decision, Review, Submission};
use domain::organization::Hold;
use domain::{Error, KybId, OrganizationId, Result};

use crate::Table;
use crate::keys::Key;
use crate::kyb_item::submission_item;
use crate::organizations::hold_update;
use crate::transaction::{Condition, Outcome, Transaction};
use crate::trouble::{RETRIES, back_off};

impl Table {
    /// A submission by its id, current or past, with the one that it answers. `None` when the organization has no such
    /// submission.
    pub async fn case(&self, organization: &OrganizationId, id: &KybId) -> Result<Option<Case>> {
        let Some(submission) = self.submission(organization, id).await? else { return Ok(None) };
        let earlier = match &submission.previous {
            None => None,
            Some(previous) => self.submission(organization, previous).await?,
        };
        Ok(Some(Case { submission, earlier }))
    }

    /// Decides a submission: its outcome, the organization's hold and the event that remembers it are written
    /// together, or nothing is. The first decision stands. It takes the submission out of the work index.
    ///
    /// Whoever comes second is refused, and [`Table::submission`] says who was first and what they decided.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the organization has no such submission; [`Error::KybNotUnderReview`], or for a
    /// revocation [`Error::KybNotApproved`], with the state of just that submission, also when it has become history.
    /// [`Error::Busy`], after which the decision may stand all the same: deciding again tells.
    pub async fn decide(
        &self,
        organization: &OrganizationId,
        id: &KybId,
        decision: &Decision,
        review: &Review,
        actor: &Actor,
    ) -> Result<Submission> {
        let (mut written, mut lost): (Option<Submission>, _) = (None, None);
        for tries in 0..=RETRIES {
            let known = self.submission(organization, id).await?.ok_or(Error::NotFound)?;
            if written.is_some_and(|own| own.state == known.state) {
                // Our own write, whose answer was lost.
                return Ok(known);
            }
            if let Some(error) = lost {
                return Err(error);
            }
            let unchanged = Condition::new("id = :id AND kybStatus = :status AND version = :version")
                .text(":id", known.id.as_str())
                .text(":status", known.status().as_str())
                .number(":version", known.version);
            let (decided, hold) = known.decide(decision, review.clone())?;
            match self.write_decision(&decided, &unchanged, hold.as_ref(), actor).await {
                Ok(true) => return Ok(decided),
                Ok(false) => {}
                Err(error) => lost = Some(error),
            }
            written = Some(decided);
            back_off(tries).await;
        }
        Err(Error::Busy("a submission keeps changing while it is decided".into()))
    }

    /// True when written, false when somebody else was faster.
    async fn write_decision(
        &self,
        decided: &Submission,
        unchanged: &Condition,
        hold: Option<&Hold>,
        actor: &Actor,
    ) -> Result<bool> {
        let organization = &decided.organization;
        let item = submission_item(Key::current_kyb(organization), None, decided)?;
        let (expression, condition) = hold_update(hold);
        let outcome = Transaction::on(self)
            .put("submission", item, unchanged)?
            .update("organization", Key::organization(organization), expression, &condition)?
            .audit(&event(decided, actor))?
            .commit()
            .await?;
        Ok(outcome == Outcome::Committed)
    }
}

fn event(decided: &Submission, actor: &Actor) -> Event {
    let mut changed = vec!["status"];
    if decided.reason().is_some() {
        changed.push("rejectionReason");
    }
    if !decided.rejection_issues().is_empty() {
        changed.push("rejectionIssues");
    }
    Event {
        organization: decided.organization.clone(),
        subject: Subject::Verification(decided.id.clone()),
        at: decided.updated_at,
        actor: actor.clone(),
        action: decided.status().as_str(),
        changed,
    }
}
