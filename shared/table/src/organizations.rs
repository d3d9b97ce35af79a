use domain::organization::{Hold, HoldReason, Organization, PurchasePolicy};
use domain::{Error, OrganizationId, Result};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{corrupt, time, to_item};
use crate::keys::Key;
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
    /// 64 hexadecimal digits.
    cursor_key: String,
}

impl From<&Organization> for OrganizationItem {
    fn from(organization: &Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name.clone(),
            buying_enabled: organization.buying_enabled,
            purchase_policy: organization.purchase_policy.map(|policy| policy.as_str().to_owned()),
            hold_at: organization.hold.as_ref().map(|hold| hold.at.to_string()),
            hold_reason: organization.hold.as_ref().map(|hold| hold.reason.as_str().to_owned()),
            cursor_key: hex::encode(organization.cursor_key),
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
        let mut cursor_key = [0; 32];
        hex::decode_to_slice(&item.cursor_key, &mut cursor_key).map_err(Error::internal)?;
        Ok(Self {
            id: OrganizationId::parse(&item.id).map_err(corrupt("id"))?,
            name: item.name,
            buying_enabled: item.buying_enabled,
            purchase_policy: policy.map_err(corrupt("purchasePolicy"))?,
            hold,
            cursor_key,
        })
    }
}

impl Table {
    /// # Errors
    /// [`Error::Internal`] when there is none: every API key belongs to an organization that exists.
    pub async fn organization(&self, id: &OrganizationId) -> Result<Organization> {
        let item = self.get::<OrganizationItem>(Key::organization(id)).await?;
        item.ok_or_else(|| Error::internal("the caller's organization is not in the table"))?.try_into()
    }

    /// Creates an organization.
    ///
    /// # Errors
    /// [`Error::Internal`] when its id is taken.
    pub async fn create_organization(&self, organization: &Organization) -> Result<()> {
        let item = to_item(Key::organization(&organization.id), None, &OrganizationItem::from(organization))?;
        self.create(item, || Error::internal("an organization with this id exists already")).await
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
        let key = Key::organization(id);
        match hold {
            None => self.update(key, "REMOVE holdAt, holdReason", Condition::present(), || Error::NotFound).await,
            Some(hold) => {
                let condition =
                    Condition::present().text(":at", &hold.at.to_string()).text(":reason", hold.reason.as_str());
                self.update(key, "SET holdAt = :at, holdReason = :reason", condition, || Error::NotFound).await
            }
        }
    }
}
