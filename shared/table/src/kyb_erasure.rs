//! How the values of an organization's verifications are erased. What was decided, and the audit trail, stay.

use domain::audit::Actor;
use domain::kyb::{Filing, Status, Submission};
use domain::{OrganizationId, Recorded, Result, Timestamp};
use serde::Deserialize;

use crate::Table;
use crate::item::{from_item, key_of};
use crate::keys::{IDEMPOTENCY, Key, SUBMISSIONS, kyb_partition};
use crate::kyb_item::{read_submission, submission_item};
use crate::optimistic::Rounds;
use crate::pages::Pages;
use crate::transaction::{Condition, Transaction};

#[derive(Deserialize)]
struct MadeItem {
    made: Option<String>,
}

impl Table {
    /// All verifications of an organization: earlier ones, oldest first, then the current one.
    pub async fn submissions(&self, organization: &OrganizationId) -> Result<Vec<Submission>> {
        let past = Pages::of(self.prefixed(kyb_partition(organization), SUBMISSIONS), None).all();
        let (past, current) = tokio::try_join!(past, self.fetch(Key::current_kyb(organization)))?;
        past.into_iter().chain(current).map(read_submission).collect()
    }

    /// Erases the values of one verification; a draft is deleted. Answers what stays; `None` when nothing does.
    ///
    /// # Errors
    /// [`domain::Error::KybUnderReview`].
    pub async fn erase_submission(
        &self,
        known: Submission,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Option<Submission>> {
        let (organization, id) = (known.organization.clone(), known.id.clone());
        let mut rounds = Rounds::of("a verification keeps changing while it is erased");
        let mut found = Some(known);
        loop {
            let Some(known) = found else { return rounds.landed(true).map(|_| None) };
            if rounds.landed(known.filing == Filing::Erased)? {
                return Ok(Some(known));
            }
            let is_draft = known.status() == Status::Draft;
            let erased = Recorded::erased(&known, known.clone().erase(now)?, actor);
            let unchanged = Condition::new("id = :id AND version = :version")
                .text(":id", id.as_str())
                .number(":version", known.version);
            let key = self.key_of_submission(&known).await?;
            let transaction = Transaction::on(self).record(&erased)?;
            let transaction = if is_draft {
                transaction.delete("submission", key, &unchanged)?
            } else {
                transaction.put("submission", submission_item(key, None, &erased.row)?, &unchanged)?
            };
            if rounds.wrote(transaction.commit().await).await? {
                return Ok(Some(erased.row).filter(|_| !is_draft));
            }
            found = self.submission(&organization, &id).await?;
        }
    }

    /// Where a submission stands: it may have become history.
    async fn key_of_submission(&self, submission: &Submission) -> Result<Key> {
        let current = Key::current_kyb(&submission.organization);
        let found = self.fetch(current.clone()).await?.map(read_submission).transpose()?;
        let is_current = found.is_some_and(|found| found.id == submission.id);
        Ok(if is_current { current } else { Key::past_kyb(&submission.organization, &submission.id) })
    }

    /// Deletes the SMS brand, from which forms are prefilled, and the answers that are kept for whoever submits again with the
    /// same Idempotency-Key.
    pub async fn erase_copies(&self, organization: &OrganizationId) -> Result<()> {
        let mut copies = vec![Key::brand(organization)];
        for item in self.query_all(organization, IDEMPOTENCY).await? {
            let key = key_of(&item)?;
            let made = from_item::<MadeItem>(item)?.made;
            copies.extend(made.filter(|made| made.starts_with(SUBMISSIONS)).map(|_| key));
        }
        for key in copies {
            Transaction::on(self).delete("copy", key, &Condition::default())?.commit().await?;
        }
        Ok(())
    }
}
