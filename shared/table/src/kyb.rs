use std::time::Duration;

use domain::kyb::{Brand, Delivery, Notification, Status, Submission};
use domain::organization::Organization;
use domain::{Error, KybId, OrganizationId, Result};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::to_item;
use crate::keys::{Key, Work};
use crate::kyb_item::{read_submission, submission_item};
use crate::transaction::{Condition, Outcome, Transaction};
use crate::trouble::{RETRIES, back_off};

/// How long the queue has to deliver a notification before it is queued again.
const DELIVERY: Duration = Duration::from_mins(2);

/// Spells [`Brand`] as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Brand", rename_all = "camelCase")]
struct BrandItem {
    company_name: String,
    display_name: String,
    entity_type: String,
    ein: String,
    website: String,
    street: String,
    city: String,
    state: String,
    postal_code: String,
    country: String,
    first_name: String,
    last_name: String,
    email: String,
    phone: String,
}

#[derive(Serialize, Deserialize)]
struct StoredBrand(#[serde(with = "BrandItem")] Brand);

/// What the overview of an organization's verification shows, read in one parallel batch.
#[derive(Clone, Debug)]
pub struct Verification {
    pub current: Option<Submission>,
    pub brand: Option<Brand>,
    pub organization: Organization,
}

impl Table {
    /// The current verification and what surrounds it.
    pub async fn verification(&self, organization: &OrganizationId) -> Result<Verification> {
        let (current, brand, organization) = tokio::try_join!(
            self.current_submission(organization),
            self.brand(organization),
            self.organization(organization),
        )?;
        Ok(Verification { current, brand, organization })
    }

    async fn current_submission(&self, organization: &OrganizationId) -> Result<Option<Submission>> {
        self.fetch(Key::current_kyb(organization)).await?.map(read_submission).transpose()
    }

    /// A submission by its id, current or past.
    pub async fn submission(&self, organization: &OrganizationId, id: &KybId) -> Result<Option<Submission>> {
        match self.current_submission(organization).await? {
            Some(current) if current.id == *id => Ok(Some(current)),
            _ => self.fetch(Key::past_kyb(organization, id)).await?.map(read_submission).transpose(),
        }
    }

    /// Files a submission over whatever is current, and keeps a turned-down one as history.
    ///
    /// `file` makes the new submission from the current one; it is asked again when somebody else files meanwhile.
    ///
    /// # Errors
    /// What `file` says.
    pub async fn file_submission(
        &self,
        organization: &OrganizationId,
        file: impl Fn(Option<&Submission>) -> Result<Submission>,
    ) -> Result<(Submission, Organization)> {
        let mut written = None;
        for tries in 0..=RETRIES {
            let (current, holder) =
                tokio::try_join!(self.current_submission(organization), self.organization(organization))?;
            if let Some(own) = written.take_if(|own| Some(&*own) == current.as_ref()) {
                // Our own write, whose answer was lost.
                return Ok((own, holder));
            }
            let new = file(current.as_ref())?;
            if self.replace_submission(current, &new).await? {
                return Ok((new, holder));
            }
            written = Some(new);
            back_off(tries).await;
        }
        Err(Error::Busy("a verification keeps changing while it is filed".into()))
    }

    /// True when written, false when somebody else was faster.
    pub async fn replace_submission(&self, current: Option<Submission>, new: &Submission) -> Result<bool> {
        let key = Key::current_kyb(&new.organization);
        let item = submission_item(key, work(new), new)?;
        let Some(current) = current else { return self.put_if(item, &Condition::absent()).await };
        let unchanged = Condition::new("id = :id AND version = :version")
            .text(":id", current.id.as_str())
            .number(":version", current.version);
        if current.id == new.id {
            return self.put_if(item, &unchanged).await;
        }
        let past = submission_item(Key::past_kyb(&current.organization, &current.id), None, &current)?;
        let transaction =
            Transaction::on(self).put("current", item, &unchanged)?.put("past", past, &Condition::absent())?;
        Ok(transaction.commit().await? == Outcome::Committed)
    }

    /// Records what became of the queue message. A submission that has been delivered or decided meanwhile keeps
    /// what stands there.
    pub async fn record_notification(&self, submission: &Submission, notification: &Notification) -> Result<()> {
        let (state, attribute, detail) = match notification {
            Notification::NotQueued => return Ok(()),
            Notification::Queued { job } => ("queued", "notificationJob", job),
            Notification::EnqueueFailed { error } => ("enqueue_failed", "notificationError", error),
        };
        let condition = Condition::new("id = :id AND kybStatus = :submitted AND attribute_not_exists(slackTs)")
            .text(":id", submission.id.as_str())
            .text(":submitted", Status::Submitted.as_str())
            .text(":state", state)
            .text(":detail", detail)
            .number(":one", 1);
        let expression = format!("SET notificationState = :state, {attribute} = :detail ADD version :one");
        self.update_if(Key::current_kyb(&submission.organization), &expression, condition).await.map(drop)
    }

    /// Ends the announcing of a submission: records the message that told staff, where there is one, and takes the
    /// submission out of the work index. The first recorded message stays.
    pub async fn notified(&self, submission: &Submission, delivery: Option<&Delivery>) -> Result<()> {
        let condition = Condition::new("id = :id").text(":id", submission.id.as_str()).number(":one", 1);
        let (expression, condition) = match delivery {
            None => ("REMOVE workShard, workDue ADD version :one", condition),
            Some(Delivery { channel, ts }) => (
                "SET slackChannel = if_not_exists(slackChannel, :channel), slackTs = if_not_exists(slackTs, :ts) \
                 REMOVE workShard, workDue ADD version :one",
                condition.text(":channel", channel).text(":ts", ts),
            ),
        };
        // A submission that has become history was decided, so there is nothing left to take out of the index.
        self.update_if(Key::current_kyb(&submission.organization), expression, condition).await.map(drop)
    }

    async fn brand(&self, organization: &OrganizationId) -> Result<Option<Brand>> {
        Ok(self.get::<StoredBrand>(Key::brand(organization)).await?.map(|stored| stored.0))
    }

    /// Sets the SMS brand from which a new verification is prefilled.
    pub async fn set_brand(&self, organization: &OrganizationId, brand: &Brand) -> Result<()> {
        self.put(to_item(Key::brand(organization), None, &StoredBrand(brand.clone()))?).await
    }
}

/// A submission is due for announcing until Slack has said ok or it is decided.
fn work(submission: &Submission) -> Option<Work> {
    let waiting = matches!(submission.state, domain::kyb::State::Submitted(_)) && submission.delivery.is_none();
    waiting.then(|| Work::unsettled(submission.updated_at.plus(DELIVERY), submission.id.as_str()))
}
