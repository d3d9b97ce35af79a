//! SIP connections of an organization.

use domain::number::{PhoneNumber, Source, Trunk};
use domain::registration::ConnectionStanding;
use domain::sip_connection::SipConnection;
use domain::{Error, Name, OrganizationId, Result, SipConnectionId};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::batches::Together;
use crate::item::{corrupt, from_item, to_item};
use crate::keys::{Key, SIP_CONNECTIONS};
use crate::transaction::{Condition, Outcome, Transaction};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SipConnectionItem {
    id: String,
    provider_name: String,
    connected: bool,
}

impl TryFrom<SipConnectionItem> for SipConnection {
    type Error = Error;

    fn try_from(item: SipConnectionItem) -> Result<Self> {
        Ok(Self {
            id: SipConnectionId::parse(&item.id).map_err(corrupt("id"))?,
            provider_name: Name::from_stored(&item.provider_name).map_err(corrupt("providerName"))?,
            connected: item.connected,
        })
    }
}

impl Table {
    /// Registers a SIP connection, or changes the registered one.
    pub async fn register_sip_connection(&self, organization: &OrganizationId, new: &SipConnection) -> Result<()> {
        // Whole, so that a new field is not forgotten here.
        let SipConnection { id, provider_name, connected } = new;
        let attributes =
            SipConnectionItem { id: id.to_string(), provider_name: provider_name.to_string(), connected: *connected };
        self.put(to_item(Key::sip_connection(organization, id), None, &attributes)?).await
    }

    /// All SIP connections of an organization.
    pub async fn sip_connections(&self, organization: &OrganizationId) -> Result<Vec<SipConnection>> {
        let items = self.query_all(organization, SIP_CONNECTIONS).await?;
        items.into_iter().map(|item| from_item::<SipConnectionItem>(item)?.try_into()).collect()
    }

    /// The SIP connections that numbers name: none is read where none is named.
    pub(crate) async fn connections_of<'a>(
        &self,
        organization: &OrganizationId,
        numbers: impl IntoIterator<Item = &'a PhoneNumber>,
    ) -> Result<Vec<SipConnection>> {
        let named = numbers.into_iter().filter_map(|number| match &number.source {
            Source::SipTrunk { trunk: Trunk::Connection(id), .. } => Some(Key::sip_connection(organization, id)),
            Source::SipTrunk { trunk: Trunk::Legacy(_), .. } | Source::Managed(_) => None,
        });
        let items = self.fetch_all(named.collect()).await?;
        items.into_iter().map(|item| from_item::<SipConnectionItem>(item)?.try_into()).collect()
    }

    /// Removes a SIP connection. Numbers that were imported through it stay, and count as disconnected from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the organization has no such connection.
    pub async fn remove_sip_connection(&self, organization: &OrganizationId, id: &SipConnectionId) -> Result<()> {
        let key = Key::sip_connection(organization, id);
        match Transaction::on(self).delete("connection", key, &Condition::present())?.commit().await? {
            Outcome::Committed => Ok(()),
            Outcome::Refused(_) => Err(Error::NotFound),
        }
    }
}

/// How a SIP connection stands that an import names, by the item under its key.
pub(crate) fn read_connection_standing(
    found: &mut Together,
    organization: &OrganizationId,
    connection: Option<&SipConnectionId>,
) -> Result<ConnectionStanding> {
    let Some(connection) = connection else { return Ok(ConnectionStanding::NotAsked) };
    match found.read::<SipConnectionItem>(&Key::sip_connection(organization, connection))? {
        None => Ok(ConnectionStanding::Unknown),
        Some(item) => Ok(ConnectionStanding::Installed(item.try_into()?)),
    }
}
