//! Tenants: their switches, policy and hold.

use domain::kyb::Status;
use domain::organization::{Hold, HoldReason, Organization, PurchasePolicy};
use domain::{Error, OrganizationId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, corrupt, from_item, optional_time, time, to_item};
use crate::keys::{Key, Work};
use crate::transaction::Condition;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrganizationItem {
    id: String,
    name: String,
    buying_enabled: bool,
    purchase_policy: Option<String>,
    hold_at: Option<String>,
    hold_reason: Option<String>,
    /// How the current verification stands; not there before one was submitted, nor while its successor is a draft.
    verification: Option<String>,
    created_at: Option<String>,
    /// 64 hexadecimal digits.
    cursor_key: String,
}

impl From<&Organization> for OrganizationItem {
    fn from(organization: &Organization) -> Self {
        // Whole, so that a new field is not forgotten here.
        let Organization { id, name, buying_enabled, purchase_policy, hold, verification, created_at, cursor_key } =
            organization;
        Self {
            id: id.to_string(),
            name: name.clone(),
            buying_enabled: *buying_enabled,
            purchase_policy: purchase_policy.map(|policy| policy.as_str().to_owned()),
            hold_at: hold.as_ref().map(|hold| hold.at.to_string()),
            hold_reason: hold.as_ref().map(|hold| hold.reason.as_str().to_owned()),
            verification: verification.map(|status| status.as_str().to_owned()),
            created_at: Some(created_at.to_string()),
            cursor_key: hex::encode(cursor_key),
        }
    }
}

impl TryFrom<OrganizationItem> for Organization {
    type Error = Error;

    fn try_from(item: OrganizationItem) -> Result<Self> {
        let hold = match item.hold_at {
            None => None,
            Some(at) => {
                let reason = HoldReason::parse(item.hold_reason.as_deref().unwrap_or_default());
                Some(Hold { at: time("holdAt", &at)?, reason: reason.map_err(corrupt("holdReason"))? })
            }
        };
        let policy = item.purchase_policy.as_deref().map(PurchasePolicy::parse).transpose();
        let verification = |text: String| Status::parse(&text).ok_or("is unknown").map_err(corrupt("verification"));
        let created_at = optional_time("createdAt", item.created_at.as_deref())?;
        let mut cursor_key = [0; 32];
        hex::decode_to_slice(&item.cursor_key, &mut cursor_key).map_err(Error::internal)?;
        Ok(Self {
            id: OrganizationId::parse(&item.id).map_err(corrupt("id"))?,
            name: item.name,
            buying_enabled: item.buying_enabled,
            purchase_policy: policy.map_err(corrupt("purchasePolicy"))?,
            hold,
            verification: item.verification.map(verification).transpose()?,
            created_at: created_at.unwrap_or(Timestamp::from_millis(0)),
            cursor_key,
        })
    }
}

/// # Errors
/// [`Error::Internal`] when there is none: every API key belongs to an organization that exists.
pub(crate) fn read_organization(item: Option<Item>) -> Result<Organization> {
    let item = item.ok_or_else(|| Error::internal("the caller's organization is not in the table"))?;
    from_item::<OrganizationItem>(item)?.try_into()
}

impl Table {
    /// # Errors
    /// [`Error::Internal`] when there is none: every API key belongs to an organization that exists.
    pub async fn organization(&self, id: &OrganizationId) -> Result<Organization> {
        read_organization(self.fetch(Key::organization(id)).await?)
    }

    /// An organization that may not be there.
    pub async fn find_organization(&self, id: &OrganizationId) -> Result<Option<Organization>> {
        self.get::<OrganizationItem>(Key::organization(id)).await?.map(Organization::try_from).transpose()
    }

    /// Whether there is such an organization, even one whose item cannot be understood.
    ///
    /// # Errors
    /// [`Error::Busy`] when the table cannot be asked.
    pub async fn has_organization(&self, id: &OrganizationId) -> Result<bool> {
        Ok(self.fetch(Key::organization(id)).await?.is_some())
    }

    /// Creates an organization. False when its id is taken: then nothing has changed.
    pub async fn create_organization(&self, organization: &Organization) -> Result<bool> {
        let key = Key::organization(&organization.id);
        let item = to_item(key, Some(Work::organization(&organization.id)), &OrganizationItem::from(organization))?;
        if self.put_if(item, &Condition::absent()).await? {
            return Ok(true);
        }
        // Our own write, whose answer was lost: nobody else draws the same cursor key.
        let there = self.find_organization(&organization.id).await?;
        Ok(there.is_some_and(|there| there.cursor_key == organization.cursor_key))
    }

    /// A page of all organizations in the order of their ids: at most `limit` after `after`. One that was created within
    /// the last second may be missing.
    pub async fn organizations(&self, after: Option<&OrganizationId>, limit: usize) -> Result<Vec<Organization>> {
        let mut found = Vec::new();
        // The index tells which; how they are now, their own items tell.
        for id in self.organization_ids(after, limit).await? {
            found.extend(self.find_organization(&id).await?);
        }
        Ok(found)
    }

    /// The ids alone of such a page: one call, however many.
    pub async fn organization_ids(&self, after: Option<&OrganizationId>, limit: usize) -> Result<Vec<OrganizationId>> {
        let start = after.map(|id| (Key::organization(id), Work::organization(id)));
        let entries = self.entries(&Work::organizations(), start, limit).await?;
        entries.iter().map(|entry| OrganizationId::parse(&entry.due).map_err(corrupt("workDue"))).collect()
    }

    /// Sets which verification is enough to buy; `None` leaves it to the deployment.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_purchase_policy(&self, id: &OrganizationId, policy: Option<PurchasePolicy>) -> Result<()> {
        let present = Condition::present();
        let (expression, condition) = match policy {
            None => ("REMOVE purchasePolicy", present),
            Some(policy) => ("SET purchasePolicy = :policy", present.text(":policy", policy.as_str())),
        };
        self.update(Key::organization(id), expression, condition, || Error::NotFound).await
    }

    /// Switches the buying of numbers on or off.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_buying_enabled(&self, id: &OrganizationId, enabled: bool) -> Result<()> {
        let condition = Condition::present().flag(":enabled", enabled);
        self.update(Key::organization(id), "SET buyingEnabled = :enabled", condition, || Error::NotFound).await
    }

    /// Sets or clears the compliance hold.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn set_hold(&self, id: &OrganizationId, hold: Option<&Hold>) -> Result<()> {
        let (expression, condition) = hold_update(hold);
        self.update(Key::organization(id), expression, condition, || Error::NotFound).await
    }
}

/// How an organization's item comes to carry this hold, or none.
pub(crate) fn hold_update(hold: Option<&Hold>) -> (&'static str, Condition) {
    match hold {
        None => ("REMOVE holdAt, holdReason", Condition::present()),
        Some(Hold { at, reason }) => {
            let condition = Condition::present().text(":at", &at.to_string()).text(":reason", reason.as_str());
            ("SET holdAt = :at, holdReason = :reason", condition)
        }
    }
}
