//! How staff are told of a submission: what the row remembers of it, and where it stands in the work index meanwhile.

use std::time::Duration;

use domain::kyb::{Delivery, Notification, State, Status, Submission};
use domain::{Error, KybId, OrganizationId, Result, Timestamp};

use crate::Table;
use crate::keys::{Key, Work};
use crate::kyb_item::NOT_QUEUED;
use crate::transaction::Condition;

/// How long the queue has to deliver a notification before it is queued again.
const DELIVERED_WITHIN: Duration = Duration::from_mins(2);

impl Table {
    /// Records what became of the queue message. A submission that has been delivered or decided meanwhile keeps what was
    /// recorded before; where nothing was, the message was only faster than this.
    pub async fn record_notification(&self, submission: &Submission, notification: &Notification) -> Result<()> {
        let (state, attribute, detail) = match notification {
            Notification::NotQueued => return Ok(()),
            Notification::Queued { job } => ("queued", "notificationJob", job),
            Notification::EnqueueFailed { error } => ("enqueue_failed", "notificationError", error),
        };
        let open = "kybStatus = :submitted AND attribute_not_exists(slackTs)";
        let condition = Condition::new(&format!("id = :id AND (({open}) OR notificationState = :notQueued)"))
            .text(":id", submission.id.as_str())
            .text(":submitted", Status::Submitted.as_str())
            .text(":notQueued", NOT_QUEUED)
            .text(":state", state)
            .text(":detail", detail)
            .number(":one", 1);
        let expression = format!("SET notificationState = :state, {attribute} = :detail ADD version :one");
        self.update_if(Key::current_kyb(&submission.organization), &expression, condition).await.map(drop)
    }

    /// Ends the announcing of a submission: records the message that told staff, where there is one, and moves the
    /// submission to where those stand that wait for a decision, or, when it is decided, out of the index. The first
    /// recorded message stays. True while a decision is awaited.
    pub async fn notified(&self, submission: &Submission, delivery: Option<&Delivery>) -> Result<bool> {
        let key = Key::current_kyb(&submission.organization);
        let condition = |text| {
            let condition = Condition::new(text).text(":id", submission.id.as_str()).number(":one", 1);
            match delivery {
                None => condition,
                Some(Delivery { channel, ts }) => condition.text(":channel", channel).text(":ts", ts),
            }
        };
        let told = match delivery {
            None => "",
            Some(_) => "slackChannel = if_not_exists(slackChannel, :channel), slackTs = if_not_exists(slackTs, :ts)",
        };
        if let Some(Work { shard, due }) = awaiting_decision(submission) {
            let comma = if told.is_empty() { "" } else { ", " };
            let expression = format!("SET workShard = :shard, workDue = :due{comma}{told} ADD version :one");
            let waiting = condition("id = :id AND kybStatus = :submitted")
                .text(":submitted", Status::Submitted.as_str())
                .text(":shard", &shard)
                .text(":due", &due);
            if self.update_if(key.clone(), &expression, waiting).await? {
                return Ok(true);
            }
        }
        let set = if told.is_empty() { String::new() } else { format!("SET {told} ") };
        // A submission that has become history was decided, so there is nothing left to take out of the index.
        let expression = format!("{set}REMOVE workShard, workDue ADD version :one");
        self.update_if(key, &expression, condition("id = :id")).await?;
        Ok(false)
    }

    /// Forgets that staff have been told of a submission that waits for their decision, so that they are told again: it
    /// is due for announcing, and whoever sends the queue's message is only faster than the reconciler.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::KybNotUnderReview`] when there is nothing to decide (any more).
    pub async fn announce_again(&self, organization: &OrganizationId, id: &KybId, now: Timestamp) -> Result<()> {
        let Work { shard, due } = Work::unsettled(now.plus(DELIVERED_WITHIN), id.as_str());
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

    /// Looks at a submission again after a while, unless staff have been told meanwhile.
    pub async fn postpone_submission(&self, known: &Submission, until: Timestamp) -> Result<()> {
        let due = Work::unsettled(until, known.id.as_str()).due;
        let condition = Condition::new("id = :id AND attribute_exists(workDue) AND attribute_not_exists(slackTs)")
            .text(":id", known.id.as_str())
            .text(":due", &due);
        self.update_if(Key::current_kyb(&known.organization), "SET workDue = :due", condition).await.map(drop)
    }
}

/// A submission is due for announcing until Slack has said ok, and waits for a decision until it is decided.
pub(crate) fn work(submission: &Submission) -> Option<Work> {
    let awaiting = awaiting_decision(submission)?;
    Some(match submission.delivery {
        None => Work::unsettled(submission.updated_at.plus(DELIVERED_WITHIN), submission.id.as_str()),
        Some(_) => awaiting,
    })
}

/// Where a submission stands in the index once staff have been told of it; nowhere when there is nothing to decide.
fn awaiting_decision(submission: &Submission) -> Option<Work> {
    match &submission.state {
        State::Submitted(filed) => Some(Work::review(filed.at, &submission.id)),
        State::Draft { .. } | State::Approved(..) | State::Rejected(..) | State::Revoked(..) => None,
    }
}
