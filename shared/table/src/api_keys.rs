//! API keys by their hash, and by their id for operators.

use std::time::Duration;

use domain::api_key::{ApiKeyHash, Grant, Scope};
use domain::audit::{Actor, Event};
use domain::{ApiKeyId, Error, Name, OrganizationId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{corrupt, from_item, optional_time, time, to_item};
use crate::keys::{API_KEYS, Key};
use crate::optimistic::Rounds;
use crate::transaction::{Condition, Outcome, Transaction};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiKeyItem {
    id: String,
    organization_id: String,
    name: Option<String>,
    scopes: Vec<String>,
    created_at: String,
    /// Not `expiresAt`: a key that has expired stays, and DynamoDB deletes what has that attribute.
    valid_until: Option<String>,
    revoked_at: Option<String>,
}

/// Finds a key by its id. What the key allows stands only with the key itself.
#[derive(Serialize, Deserialize)]
struct NamedKeyItem {
    hash: String,
}

impl TryFrom<NamedKeyItem> for ApiKeyHash {
    type Error = Error;

    fn try_from(item: NamedKeyItem) -> Result<Self> {
        Self::parse(&item.hash).map_err(corrupt("hash"))
    }
}

impl From<&Grant> for ApiKeyItem {
    fn from(grant: &Grant) -> Self {
        // Whole, so that a new field is not forgotten here.
        let Grant { id, organization, name, scopes, created_at, expires_at, revoked_at } = grant;
        Self {
            id: id.to_string(),
            organization_id: organization.to_string(),
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            name: name.as_ref().map(Name::to_string),
            created_at: created_at.to_string(),
            valid_until: expires_at.map(|at| at.to_string()),
            revoked_at: revoked_at.map(|at| at.to_string()),
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
            name: item.name.map(|name| Name::from_stored(&name)).transpose().map_err(corrupt("name"))?,
            created_at: time("createdAt", &item.created_at)?,
            expires_at: optional_time("validUntil", item.valid_until.as_deref())?,
            revoked_at: optional_time("revokedAt", item.revoked_at.as_deref())?,
        })
    }
}

/// A key's last use is written down again after this long.
const USE_RECORDED_EVERY: Duration = Duration::from_hours(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UseItem {
    used_at: String,
}

impl Table {
    /// Remembers that a key is used, unless that was remembered within the last hour.
    pub async fn record_key_use(&self, id: &ApiKeyId, now: Timestamp) -> Result<()> {
        let hour_ago = now.minus(USE_RECORDED_EVERY).to_string();
        let due = Condition::new("attribute_not_exists(usedAt) OR usedAt <= :hourAgo")
            .text(":hourAgo", &hour_ago)
            .text(":now", &now.to_string());
        self.update_if(Key::api_key_use(id), "SET usedAt = :now", due).await.map(drop)
    }

    /// When a key was last used, at most 70 minutes too early; `None` for one that was never used.
    pub async fn key_used_at(&self, id: &ApiKeyId) -> Result<Option<Timestamp>> {
        let item = self.get::<UseItem>(Key::api_key_use(id)).await?;
        item.map(|item| time("usedAt", &item.used_at)).transpose()
    }

    /// What a key allows; `None` for a key that was never issued.
    pub async fn api_key(&self, hash: &ApiKeyHash) -> Result<Option<Grant>> {
        self.get::<ApiKeyItem>(Key::api_key(hash)).await?.map(Grant::try_from).transpose()
    }

    /// Stores a new key by its hash, with its name among the organization's keys. The key itself is never stored.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such organization; [`Error::Internal`] when the key exists already, which
    /// 256 random bits do not let happen by chance.
    pub async fn create_api_key(&self, hash: &ApiKeyHash, grant: &Grant, actor: &Actor) -> Result<()> {
        let named = NamedKeyItem { hash: hash.to_string() };
        let committed = Transaction::on(self)
            .check("organization", Key::organization(&grant.organization), &Condition::present())?
            .put("key", to_item(Key::api_key(hash), None, &ApiKeyItem::from(grant))?, &Condition::absent())?
            .put("name", to_item(Key::api_key_of(&grant.organization, &grant.id), None, &named)?, &Condition::absent())?
            .audit(&Event::key_issued(grant, actor))?
            .commit()
            .await;
        match committed {
            Ok(Outcome::Committed) => Ok(()),
            Ok(Outcome::Refused(failed)) if failed.contains(&"organization") => Err(Error::NotFound),
            Ok(Outcome::Refused(_)) => Err(Error::internal("this API key exists already")),
            // Our own write, whose answer was lost.
            Err(_) if self.api_key(hash).await?.as_ref() == Some(grant) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All keys of an organization, revoked ones too, oldest first. A key from before keys had names is not among them.
    pub async fn api_keys(&self, organization: &OrganizationId) -> Result<Vec<Grant>> {
        let mut grants = Vec::new();
        for item in self.query_all(organization, API_KEYS).await? {
            let hash = from_item::<NamedKeyItem>(item)?.try_into()?;
            grants.extend(self.api_key(&hash).await?);
        }
        Ok(grants)
    }

    /// The hash of an organization's key; `None` for an id that none of its keys has.
    pub async fn api_key_hash(&self, organization: &OrganizationId, id: &ApiKeyId) -> Result<Option<ApiKeyHash>> {
        let item = self.get::<NamedKeyItem>(Key::api_key_of(organization, id)).await?;
        item.map(ApiKeyHash::try_from).transpose()
    }

    /// Ends a key. Warm functions may honour it for up to 60 seconds more. Answers when it was ended, which is earlier
    /// than `at` for a key that was ended before: then nothing changes.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that was never issued.
    pub async fn revoke_api_key(&self, hash: &ApiKeyHash, at: Timestamp, actor: &Actor) -> Result<Timestamp> {
        let mut rounds = Rounds::of("an API key keeps changing while it is revoked");
        loop {
            let grant = self.api_key(hash).await?.ok_or(Error::NotFound)?;
            if let Some(revoked_at) = grant.revoked_at {
                return Ok(revoked_at);
            }
            let valid = Condition::new("attribute_exists(PK) AND attribute_not_exists(revokedAt)");
            let revocation = Transaction::on(self)
                .update("key", Key::api_key(hash), "SET revokedAt = :at", &valid.text(":at", &at.to_string()))?
                .audit(&Event::key_revoked(&grant, at, actor))?;
            // A lost answer is an error: revoking again answers when the key was revoked.
            if revocation.commit().await? == Outcome::Committed {
                return Ok(at);
            }
            rounds.raced().await?;
        }
    }
}
