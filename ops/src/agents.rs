//! `ops agents`: the agents that numbers can be linked to.

use clap::Subcommand;
use domain::{AgentId, Error, OrganizationId};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a voice agent, so that a number can be routed to it
    Register {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[arg(value_parser = AgentId::parse)]
        agent: AgentId,
    },
    /// List an organization's agents, each with the number that is routed to it
    List {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
    },
    /// Remove an agent, and with it its name on the number that is routed to it
    Remove {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[arg(value_parser = AgentId::parse)]
        agent: AgentId,
    },
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Register { organization, agent } => register(session, &organization, &agent).await,
        Command::List { organization } => {
            session.organization(&organization).await?;
            let agents = session.table.agents(&organization).await?.into_iter();
            let row = |(agent, number): (AgentId, Option<domain::PhoneNumberId>)| json!({ "id": agent.as_str(), "phoneNumberId": number.as_ref().map(domain::PhoneNumberId::as_str) });
            Ok(Output::table(&["id", "phoneNumberId"], "No agents.", agents.map(row).collect()))
        }
        Command::Remove { organization, agent } => remove(session, &organization, &agent).await,
    }
}

async fn register(
    session: &mut Session<'_, '_>,
    organization: &OrganizationId,
    agent: &AgentId,
) -> Result<Output, Failure> {
    session.organization(organization).await?;
    if let Some(would) = session.before(&format!("register agent '{agent}' of '{organization}'"), Undo::Possible)? {
        return Ok(would);
    }
    session.table.register_agent(organization, agent).await?;
    let fields = json!({ "id": agent.as_str(), "organizationId": organization.as_str() });
    Ok(Output::changed(true, format!("Agent '{agent}' of '{organization}' is registered."), fields))
}

async fn remove(
    session: &mut Session<'_, '_>,
    organization: &OrganizationId,
    agent: &AgentId,
) -> Result<Output, Failure> {
    let unknown = || Failure::new(format!("Organization '{organization}' has no agent '{agent}'."));
    let agents = session.table.agents(organization).await?;
    let (_, linked) = agents.into_iter().find(|(known, _)| known == agent).ok_or_else(unknown)?;
    let unlinking = linked.map(|number| format!(" and unlink it from number {number}")).unwrap_or_default();
    let deed = format!("remove agent '{agent}' of '{organization}'{unlinking}");
    if let Some(would) = session.before(&deed, Undo::Impossible)? {
        return Ok(would);
    }
    let removed = session.table.remove_agent(organization, agent, &session.actor().await?, session.now()).await;
    let number = removed.map_err(|error| match error {
        Error::NotFound => unknown(),
        error => error.into(),
    })?;
    let fields = json!({
        "id": agent.as_str(),
        "organizationId": organization.as_str(),
        "unlinkedPhoneNumberId": number.as_ref().map(domain::PhoneNumberId::as_str),
    });
    Ok(Output::changed(true, format!("Agent '{agent}' of '{organization}' is removed."), fields))
}
