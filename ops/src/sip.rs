//! `ops sip`: SIP connections that numbers are imported through.

use clap::Subcommand;
use domain::sip_connection::SipConnection;
use domain::{Error, Name, OrganizationId, SipConnectionId};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Register a SIP connection, or change the registered one
    Register {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[arg(value_parser = SipConnectionId::parse)]
        connection: SipConnectionId,
        /// The provider's name, as customers read it
        #[arg(long, value_parser = Name::parse)]
        provider: Name,
        /// It is installed, but calls do not come through
        #[arg(long)]
        disconnected: bool,
    },
    /// List an organization's SIP connections
    List {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
    },
    /// Remove a SIP connection; numbers that were imported through it stay, and count as disconnected
    Remove {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[arg(value_parser = SipConnectionId::parse)]
        connection: SipConnectionId,
    },
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Register { organization, connection, provider, disconnected } => {
            let new = SipConnection { id: connection, provider_name: provider, connected: !disconnected };
            register(session, &organization, &new).await
        }
        Command::List { organization } => {
            session.organization(&organization).await?;
            let rows = session.table.sip_connections(&organization).await?.iter().map(row).collect();
            Ok(Output::table(&["id", "providerName", "connected"], "No SIP connections.", rows))
        }
        Command::Remove { organization, connection } => remove(session, &organization, &connection).await,
    }
}

async fn register(
    session: &mut Session<'_, '_>,
    organization: &OrganizationId,
    new: &SipConnection,
) -> Result<Output, Failure> {
    session.organization(organization).await?;
    let deed = format!("register SIP connection '{}' of '{organization}'", new.id);
    if let Some(would) = session.before(&deed, Undo::Possible)? {
        return Ok(would);
    }
    session.table.register_sip_connection(organization, new).await?;
    Ok(Output::changed(true, format!("SIP connection '{}' of '{organization}' is registered.", new.id), row(new)))
}

async fn remove(
    session: &mut Session<'_, '_>,
    organization: &OrganizationId,
    id: &SipConnectionId,
) -> Result<Output, Failure> {
    let unknown = || Failure::new(format!("Organization '{organization}' has no SIP connection '{id}'."));
    let connections = session.table.sip_connections(organization).await?;
    let connection = connections.iter().find(|connection| connection.id == *id).ok_or_else(unknown)?;
    let deed = format!("remove SIP connection '{id}' of '{organization}'");
    if let Some(would) = session.before(&deed, Undo::Impossible)? {
        return Ok(would);
    }
    session.table.remove_sip_connection(organization, id).await.map_err(|error| match error {
        Error::NotFound => unknown(),
        error => error.into(),
    })?;
    Ok(Output::changed(true, format!("SIP connection '{id}' of '{organization}' is removed."), row(connection)))
}

fn row(connection: &SipConnection) -> Value {
    json!({
        "id": connection.id.as_str(),
        "providerName": connection.provider_name.as_str(),
        "connected": connection.connected,
    })
}
