use domain::registration::AgentStanding;
use domain::{AgentId, Error, OrganizationId, PhoneNumberId, Result};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, corrupt, to_item};
use crate::keys::Key;

#[derive(Serialize, Deserialize)]
struct AgentItem {
    id: String,
}

/// The one number that an agent is linked to. It exists exactly while that number names the agent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentLinkItem {
    number_id: String,
}

pub(crate) fn link_item(organization: &OrganizationId, agent: &AgentId, number: &PhoneNumberId) -> Result<Item> {
    to_item(Key::agent_link(organization, agent), None, &AgentLinkItem { number_id: number.to_string() })
}

impl Table {
    /// Registers an agent; again for one that exists changes nothing.
    pub async fn register_agent(&self, organization: &OrganizationId, agent: &AgentId) -> Result<()> {
        let item = to_item(Key::agent(organization, agent), None, &AgentItem { id: agent.to_string() })?;
        self.put(item).await
    }

    pub(crate) async fn agent_standing(
        &self,
        organization: &OrganizationId,
        agent: Option<&AgentId>,
    ) -> Result<AgentStanding> {
        let Some(agent) = agent else { return Ok(AgentStanding::NotAsked) };
        let (known, link) = tokio::try_join!(
            self.get::<AgentItem>(Key::agent(organization, agent)),
            self.get::<AgentLinkItem>(Key::agent_link(organization, agent)),
        )?;
        match (known, link) {
            (None, _) => Ok(AgentStanding::Unknown),
            (Some(_), None) => Ok(AgentStanding::Free),
            (Some(_), Some(link)) => {
                let number = PhoneNumberId::parse(&link.number_id).map_err(corrupt("numberId"))?;
                Ok::<_, Error>(AgentStanding::Linked(number))
            }
        }
    }
}
