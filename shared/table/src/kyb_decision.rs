//! What staff look at, and how their decision is written.

use domain::audit::Actor;
use domain::kyb::{Case, Decision, Review, Submission};
use domain::organization::Hold;
use domain::{Error, KybId, OrganizationId, Recorded, Result};

use crate::Table;
use crate::keys::Key;
use crate::kyb_item::submission_item;
use crate::optimistic::Rounds;
use crate::organizations::hold_update;
use crate::transaction::{Condition, Outcome, Transaction};

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
        let mut rounds = Rounds::of("a submission keeps changing while it is decided");
        let mut written: Option<Submission> = None;
        loop {
            let known = self.submission(organization, id).await?.ok_or(Error::NotFound)?;
            if rounds.landed(written.is_some_and(|own| own.state == known.state))? {
                return Ok(known);
            }
            let unchanged = Condition::new("id = :id AND kybStatus = :status AND version = :version")
                .text(":id", known.id.as_str())
                .text(":status", known.status().as_str())
                .number(":version", known.version);
            let (decided, hold) = known.decide(decision, review.clone())?;
            let decided = Recorded::decided(decided, actor);
            if rounds.wrote(self.write_decision(&decided, &unchanged, hold.as_ref()).await).await? {
                return Ok(decided.row);
            }
            written = Some(decided.row);
        }
    }

    async fn write_decision(
        &self,
        decided: &Recorded<Submission>,
        unchanged: &Condition,
        hold: Option<&Hold>,
    ) -> Result<Outcome> {
        let organization = &decided.row.organization;
        let item = submission_item(Key::current_kyb(organization), None, &decided.row)?;
        let (expression, condition) = hold_update(hold);
        let expression = format!("{expression}{} verification = :status", if hold.is_some() { "," } else { " SET" });
        let condition = condition.text(":status", decided.row.status().as_str());
        Transaction::on(self)
            .put("submission", item, unchanged)?
            .update("organization", Key::organization(organization), &expression, &condition)?
            .record(decided)?
            .commit()
            .await
    }
}
