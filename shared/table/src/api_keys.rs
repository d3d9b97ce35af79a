use domain::api_key::{ApiKeyHash, Grant, Scope};
use domain::{ApiKeyId, Error, OrganizationId, Result};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{corrupt, optional_time, time, to_item};
use crate::keys::Key;
use crate::transaction::Condition;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKeyItem {
    id: String,
    organization_id: String,
    scopes: Vec<String>,
    created_at: String,
    revoked_at: Option<String>,
}

impl From<&Grant> for ApiKeyItem {
    fn from(grant: &Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            organization_id: grant.organization.to_string(),
            scopes: grant.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: grant.created_at.to_string(),
            revoked_at: grant.revoked_at.map(|at| at.to_string()),
        }
    }
}

impl TryFrom<ApiKeyItem> for Grant {
    type Error = Error;

    fn try_from(item: ApiKeyItem) -> Result<Self> {
        Ok(Self {
            id: ApiKeyId::parse(&item.id).map_err(corrupt("id"))?,
            organization: OrganizationId::parse(&item.organization_id).map_err(corrupt("organizationId"))?,
            // A scope that this version does not know allows nothing here.
            scopes: item.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect(),
            created_at: time("createdAt", &item.created_at)?,
            revoked_at: optional_time("revokedAt", item.revoked_at.as_deref())?,
        })
    }
}

impl Table {
    /// What a key allows; `None` for a key that was never issued.
    pub async fn api_key(&self, hash: &ApiKeyHash) -> Result<Option<Grant>> {
        self.get::<ApiKeyItem>(Key::api_key(hash)).await?.map(Grant::try_from).transpose()
    }

    /// Stores a new key by its hash. The key itself is never stored.
    ///
    /// # Errors
    /// [`Error::Internal`] when the key exists already, which 256 random bits do not let happen by chance.
    pub async fn create_api_key(&self, hash: &ApiKeyHash, grant: &Grant) -> Result<()> {
        let item = to_item(Key::api_key(hash), None, &ApiKeyItem::from(grant))?;
        self.create(item, || Error::internal("this API key exists already")).await
    }

    /// Ends a key. Warm functions may honour it for up to 60 seconds more.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that was never issued.
    pub async fn revoke_api_key(&self, hash: &ApiKeyHash, at: domain::Timestamp) -> Result<()> {
        let condition = Condition::present().text(":at", &at.to_string());
        self.update(Key::api_key(hash), "SET revokedAt = :at", condition, || Error::NotFound).await
    }
}
