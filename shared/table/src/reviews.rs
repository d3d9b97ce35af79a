//! What staff look for across organizations: verifications to be decided, orders in doubt, and the pages of the index in
//! which they stand.

use domain::kyb::{State, Status, Submission};
use domain::number::{Order, PhoneNumber, Source};
use domain::{Error, KybId, OrganizationId, Result, Timestamp};

use crate::Table;
use crate::keys::{Key, Named, Work};
use crate::transaction::Condition;

/// How long the queue has to deliver a notification that was asked for again, before it is queued once more.
const DELIVERY: std::time::Duration = std::time::Duration::from_mins(2);

impl Table {
    /// Verifications that wait for a decision, across organizations: those that staff have been told of, then those that
    /// they are still to be told of, each the longest waiting first; at most `limit`.
    pub async fn review_queue(&self, limit: usize) -> Result<Vec<Submission>> {
        let submission = |named| match named {
            Named::Submission(organization, id) => Some((organization, id)),
            Named::Number(..) => None,
        };
        let told = self.entries(&Work::reviews(), None, limit).await?;
        let told = told.into_iter().filter_map(|entry| entry.named().and_then(submission));
        let untold = self.unsettled(submission).await?;
        let mut waiting: Vec<Submission> = Vec::new();
        for (organization, id) in told.chain(untold) {
            if waiting.len() == limit {
                break;
            }
            // An index is stale by nature: what was decided or told a moment ago may stand there still, or twice.
            let current = self.submission(&organization, &id).await?;
            let current = current.filter(|submission| submission.status() == Status::Submitted);
            waiting.extend(current.filter(|new| waiting.iter().all(|known| known.id != new.id)));
        }
        Ok(waiting)
    }

    /// Numbers whose order nobody has settled, across organizations, the soonest to be asked about again first.
    pub async fn orders_in_doubt(&self) -> Result<Vec<PhoneNumber>> {
        let number = |named| match named {
            Named::Number(organization, id) => Some((organization, id)),
            Named::Submission(..) => None,
        };
        let mut orders = Vec::new();
        for (organization, id) in self.unsettled(number).await? {
            let current = self.find_number(&organization, &id).await?;
            orders.extend(current.filter(|number| matches!(number.source, Source::Managed(Order::Ordering { .. }))));
        }
        Ok(orders)
    }

    /// Finds the number that holds an id's claim, whatever organization it belongs to.
    pub async fn number_by_claim(&self, e164: &domain::E164) -> Result<Option<PhoneNumber>> {
        let Some(claim) = self.claim(e164).await? else { return Ok(None) };
        self.find_number(&claim.organization, &claim.number).await
    }

    /// Forgets that staff have been told of a submission that waits for their decision, so that they are told again: it
    /// is due for announcing, and whoever sends the queue's message is only faster than the reconciler.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::KybNotUnderReview`] when there is nothing to decide (any more).
    pub async fn announce_again(&self, organization: &OrganizationId, id: &KybId, now: Timestamp) -> Result<()> {
        let Work { shard, due } = Work::unsettled(now.plus(DELIVERY), id.as_str());
        let condition = Condition::new("id = :id AND kybStatus = :submitted")
            .text(":id", id.as_str())
            .text(":submitted", Status::Submitted.as_str())
            .text(":shard", &shard)
            .text(":due", &due)
            .number(":one", 1);
        let expression = "SET workShard = :shard, workDue = :due REMOVE slackChannel, slackTs ADD version :one";
        if self.update_if(Key::current_kyb(organization), expression, condition).await? {
            return Ok(());
        }
        let submission = self.submission(organization, id).await?.ok_or(Error::NotFound)?;
        Err(Error::KybNotUnderReview(submission.status().as_str()))
    }
}

/// Where a submission stands in the index once staff have been told of it; nowhere when there is nothing to decide.
pub(crate) fn awaiting_decision(submission: &Submission) -> Option<Work> {
    match &submission.state {
        State::Submitted(filed) => Some(Work::review(filed.at, &submission.id)),
        State::Draft { .. } | State::Approved(..) | State::Rejected(..) | State::Revoked(..) => None,
    }
}
