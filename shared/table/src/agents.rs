//! Agents, and the link of each to at most one number.

use std::collections::HashMap;

use domain::audit::{Action, Actor};
use domain::number::PhoneNumber;
use domain::registration::AgentStanding;
use domain::{AgentId, Error, OrganizationId, PhoneNumberId, Recorded, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::batches::Together;
use crate::item::{Item, corrupt, from_item, to_item};
use crate::keys::{AGENT_LINKS, AGENTS, Key, SK};
use crate::optimistic::Rounds;
use crate::transaction::{Condition, Outcome, Transaction};

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

impl TryFrom<AgentLinkItem> for PhoneNumberId {
    type Error = Error;

    fn try_from(link: AgentLinkItem) -> Result<Self> {
        Self::parse(&link.number_id).map_err(corrupt("numberId"))
    }
}

/// What has to be read to know how an agent stands.
pub(crate) fn standing_keys(organization: &OrganizationId, agent: Option<&AgentId>) -> Vec<Key> {
    agent.map_or_else(Vec::new, |agent| vec![Key::agent(organization, agent), Key::agent_link(organization, agent)])
}

/// How an agent stands, by the items under [`standing_keys`].
pub(crate) fn read_standing(
    found: &mut Together,
    organization: &OrganizationId,
    agent: Option<&AgentId>,
) -> Result<AgentStanding> {
    let Some(agent) = agent else { return Ok(AgentStanding::NotAsked) };
    let known = found.read::<AgentItem>(&Key::agent(organization, agent))?;
    let link = found.read::<AgentLinkItem>(&Key::agent_link(organization, agent))?;
    match (known, link) {
        (None, _) => Ok(AgentStanding::Unknown),
        (Some(_), None) => Ok(AgentStanding::Free),
        (Some(_), Some(link)) => link.try_into().map(AgentStanding::Linked),
    }
}

impl Table {
    /// Registers an agent; again for one that exists changes nothing.
    pub async fn register_agent(&self, organization: &OrganizationId, agent: &AgentId) -> Result<()> {
        let item = to_item(Key::agent(organization, agent), None, &AgentItem { id: agent.to_string() })?;
        self.put(item).await
    }

    /// An organization's agents in the order of their ids, each with the number that it is linked to.
    pub async fn agents(&self, organization: &OrganizationId) -> Result<Vec<(AgentId, Option<PhoneNumberId>)>> {
        let (agents, links) =
            tokio::try_join!(self.query_all(organization, AGENTS), self.query_all(organization, AGENT_LINKS))?;
        let mut linked = links.into_iter().map(read_link).collect::<Result<HashMap<_, _>>>()?;
        let agents =
            agents.into_iter().map(|item| AgentId::parse(&from_item::<AgentItem>(item)?.id).map_err(corrupt("id")));
        agents.map(|agent| agent.map(|agent| (agent.clone(), linked.remove(agent.as_str())))).collect()
    }

    /// Removes an agent and, in the same transaction, unlinks it from its number. Answers that number.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the organization has no such agent.
    pub async fn remove_agent(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Option<PhoneNumberId>> {
        let mut rounds = Rounds::of("an agent keeps being linked while it is removed");
        loop {
            let number = match self.agent_standing(organization, Some(agent)).await? {
                AgentStanding::NotAsked | AgentStanding::Unknown => return Err(Error::NotFound),
                AgentStanding::Free => None,
                AgentStanding::Linked(number) => Some(number),
            };
            let linked = match &number {
                None => None,
                Some(id) => match self.find_number(organization, id).await? {
                    // It was removed since the link was read.
                    None => {
                        rounds.raced().await?;
                        continue;
                    }
                    linked => linked,
                },
            };
            let removal = Transaction::on(self)
                .delete("agent", Key::agent(organization, agent), &Condition::present())?
                .unlink(organization, agent, linked.as_ref(), actor, now)?;
            // A lost answer is an error: what is left of an agent does not tell which number this removal has unlinked.
            if removal.commit().await? == Outcome::Committed {
                return Ok(number);
            }
            rounds.raced().await?;
        }
    }

    pub(crate) async fn agent_standing(
        &self,
        organization: &OrganizationId,
        agent: Option<&AgentId>,
    ) -> Result<AgentStanding> {
        if agent.is_none() {
            return Ok(AgentStanding::NotAsked);
        }
        let mut found = self.fetch_together(standing_keys(organization, agent)).await?;
        read_standing(&mut found, organization, agent)
    }

    /// The number that an agent is linked to.
    pub(crate) async fn linked_number(
        &self,
        organization: &OrganizationId,
        agent: &AgentId,
    ) -> Result<Option<PhoneNumberId>> {
        self.get::<AgentLinkItem>(Key::agent_link(organization, agent)).await?.map(TryInto::try_into).transpose()
    }
}

/// The agent that a link belongs to, and the number that it names.
fn read_link(item: Item) -> Result<(String, PhoneNumberId)> {
    let key = item.get(SK).and_then(|key| key.as_s().ok()).and_then(|key| key.strip_prefix(AGENT_LINKS));
    let agent = key.ok_or_else(|| Error::internal("a link stands under another key"))?.to_owned();
    let link: AgentLinkItem = from_item(item)?;
    Ok((agent, PhoneNumberId::parse(&link.number_id).map_err(corrupt("numberId"))?))
}

impl Transaction<'_> {
    /// Takes an agent's link away together with its name on the number's row, or makes sure that it has none.
    fn unlink(
        self,
        organization: &OrganizationId,
        agent: &AgentId,
        linked: Option<&PhoneNumber>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Self> {
        let link = Key::agent_link(organization, agent);
        let Some(number) = linked else { return self.check("link", link, &Condition::absent()) };
        let names = Condition::new("numberId = :number").text(":number", number.id.as_str());
        let change = Recorded::changed(number, number.clone().unlinked(now), Action::Updated, actor);
        self.change(number, &change)?.delete("link", link, &names)
    }
}
