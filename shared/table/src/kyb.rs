//! The current verification, its history, and the brand.

use domain::audit::Actor;
use domain::idempotency::Made;
use domain::kyb::{Brand, Status, Submission};
use domain::organization::Organization;
use domain::{KybId, OrganizationId, Recorded, Result};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::idempotency::{Lease, still_held};
use crate::item::to_item;
use crate::keys::Key;
use crate::kyb_item::{read_submission, submission_item};
use crate::kyb_notification::work;
use crate::optimistic::Rounds;
use crate::transaction::{Condition, Outcome, Transaction};

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
#[serde(transparent)]
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

    /// A draft that has expired is none, whether or not DynamoDB has deleted it.
    async fn current_submission(&self, organization: &OrganizationId) -> Result<Option<Submission>> {
        let current = self.fetch(Key::current_kyb(organization)).await?.map(read_submission).transpose()?;
        let now = self.clock.now();
        Ok(current.filter(|current| current.expires_at().is_none_or(|end| now < end)))
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
    /// `file` makes the new submission from the current one; it is asked again when somebody else files meanwhile. A
    /// draft that says what stands there already is not written. `lease` is that of a request which carries an
    /// Idempotency-Key.
    ///
    /// # Errors
    /// What `file` says; [`domain::Error::IdempotencyInProgress`] when the lease was taken over.
    pub async fn file_submission(
        &self,
        organization: &OrganizationId,
        file: impl Fn(Option<&Submission>) -> Result<Submission>,
        lease: Option<&Lease>,
        actor: &Actor,
    ) -> Result<(Submission, Organization)> {
        let (mut rounds, mut written) = (Rounds::of("a verification keeps changing while it is filed"), None);
        loop {
            let (current, holder) =
                tokio::try_join!(self.current_submission(organization), self.organization(organization))?;
            if let Some(own) = written.take()
                && rounds.landed(current.as_ref() == Some(&own))?
            {
                return Ok((own, holder));
            }
            let new = file(current.as_ref())?;
            let same = |current: &&Submission| current.filing == new.filing && current.state == new.state;
            if let Some(saved) = current.as_ref().filter(same) {
                return Ok((saved.clone(), holder));
            }
            let filed = Recorded::filed(current.as_ref(), new, actor);
            if rounds.replaced(self.replace_submission(current, &filed, lease).await).await? {
                return Ok((filed.row, holder));
            }
            written = Some(filed.row);
        }
    }

    /// True when written, false when somebody else was faster.
    pub async fn replace_submission(
        &self,
        current: Option<Submission>,
        filing: &Recorded<Submission>,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        let new = &filing.row;
        let unchanged = match &current {
            None => Condition::new("attribute_not_exists(PK) OR expiresAt <= :now")
                .number(":now", self.clock.now().seconds()),
            Some(current) => Condition::new("id = :id AND version = :version")
                .text(":id", current.id.as_str())
                .number(":version", current.version),
        };
        let item = submission_item(Key::current_kyb(&new.organization), work(new), new)?;
        let mut transaction = Transaction::on(self)
            .under(lease, &Made::Submission(new.id.clone()))?
            .put("current", item, &unchanged)?
            .record(filing)?;
        if let Some((expression, condition)) = standing_update(current.as_ref(), new) {
            let key = Key::organization(&new.organization);
            transaction = transaction.update("organization", key, expression, &condition)?;
        }
        if let Some(past) = current.filter(|current| current.id != new.id) {
            let item = submission_item(Key::past_kyb(&past.organization, &past.id), None, &past)?;
            transaction = transaction.put("past", item, &Condition::absent())?;
        }
        match transaction.commit().await? {
            Outcome::Committed => Ok(true),
            Outcome::Refused(failed) => still_held(&failed).map(|()| false),
        }
    }

    async fn brand(&self, organization: &OrganizationId) -> Result<Option<Brand>> {
        Ok(self.get::<StoredBrand>(Key::brand(organization)).await?.map(|stored| stored.0))
    }

    /// Sets the SMS brand from which a new verification is prefilled.
    pub async fn set_brand(&self, organization: &OrganizationId, brand: &Brand) -> Result<()> {
        self.put(to_item(Key::brand(organization), None, &StoredBrand(brand.clone()))?).await
    }
}

/// How the organization's item comes to say how its verification stands; `None` where it says so already. A draft is no
/// standing: it may expire, and nothing else does then.
fn standing_update(current: Option<&Submission>, new: &Submission) -> Option<(&'static str, Condition)> {
    let standing = |submission: &Submission| Some(submission.status()).filter(|status| *status != Status::Draft);
    let (before, after) = (current.and_then(standing), standing(new));
    if before == after {
        return None;
    }
    Some(match after {
        None => ("REMOVE verification", Condition::present()),
        Some(status) => ("SET verification = :status", Condition::present().text(":status", status.as_str())),
    })
}
