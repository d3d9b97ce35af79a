//! `ops numbers`: a number across organizations, and freeing its claim.

use clap::Subcommand;
use domain::number::{Order, PhoneNumber, Source, Trunk};
use domain::{E164, Error, OrganizationId, PhoneNumberId};
use serde_json::{Value, json};
use table::{Filter, Page};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find a number across organizations
    Find {
        /// Such as +14155550100
        #[arg(value_parser = E164::from_stored)]
        e164: E164,
    },
    /// List an organization's numbers, newest first
    List {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only those before this one: the last of the page before
        #[arg(long, value_name = "ID", value_parser = PhoneNumberId::parse)]
        after: Option<PhoneNumberId>,
    },
    /// Show a number
    Show {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[arg(value_name = "ID", value_parser = PhoneNumberId::parse)]
        id: PhoneNumberId,
    },
    /// Free an imported number for its real owner: its row, its claim and its agent's link go together
    Free {
        /// Such as +12125550142
        #[arg(value_parser = E164::from_stored)]
        e164: E164,
    },
    /// Remove a number that is being released when the carrier cannot confirm that it is gone
    Forget {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[arg(value_name = "ID", value_parser = PhoneNumberId::parse)]
        id: PhoneNumberId,
    },
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Find { e164 } => Ok(Output::thing(row(&holder(session, &e164).await?))),
        Command::List { organization, limit, after } => {
            session.organization(&organization).await?;
            let limit = usize::from(limit);
            let page = Page { after, limit: Some(limit), bytes: usize::MAX };
            let mut numbers = session.table.numbers(&organization, &Filter::default(), &page).await?.shown;
            numbers.truncate(limit);
            let columns = &["id", "e164", "source", "orderState", "direction", "agentId", "label"];
            Ok(Output::table(columns, "No numbers.", numbers.iter().map(row).collect()))
        }
        Command::Show { organization, id } => Ok(Output::thing(row(&number(session, &organization, &id).await?))),
        Command::Free { e164 } => free(session, &e164).await,
        Command::Forget { organization, id } => forget(session, &organization, &id).await,
    }
}

pub(crate) async fn number(
    session: &Session<'_, '_>,
    organization: &OrganizationId,
    id: &PhoneNumberId,
) -> Result<PhoneNumber, Failure> {
    let found = session.table.find_number(organization, id).await?;
    found.ok_or_else(|| Failure::new(format!("Organization '{organization}' has no number {id}.")))
}

async fn forget(
    session: &mut Session<'_, '_>,
    organization: &OrganizationId,
    id: &PhoneNumberId,
) -> Result<Output, Failure> {
    let number = number(session, organization, id).await?;
    if !matches!(number.source, Source::Managed(Order::Releasing { .. })) {
        return Err(Failure::new(format!("{id} is not being released, so there is nothing to forget.")));
    }
    let carrier_id = number.resource().map_or("", domain::carrier::CarrierNumberId::as_str);
    let deed = format!(
        "remove {} without the carrier's confirmation (if the carrier still has it, under the id {carrier_id}, it goes on \
         billing it)",
        number.e164.as_str()
    );
    if let Some(would) = session.before(&deed, Undo::Impossible)? {
        return Ok(would);
    }
    let shown = row(&number);
    match session.table.remove_number(number, None, &session.actor().await?, session.now()).await {
        // The release has ended meanwhile.
        Ok(()) | Err(Error::NotFound) => Ok(Output::changed(true, format!("Number {id} is removed."), shown)),
        Err(error) => Err(error.into()),
    }
}

async fn free(session: &mut Session<'_, '_>, e164: &E164) -> Result<Output, Failure> {
    let number = holder(session, e164).await?;
    if matches!(number.source, Source::Managed(_)) {
        return Err(Failure::new(format!(
            "{} was bought from the carrier by '{}', so there is no claim to free: its owner releases it.",
            e164.as_str(),
            number.organization
        )));
    }
    let deed = format!("take {} away from '{}'", e164.as_str(), number.organization);
    if let Some(would) = session.before(&deed, Undo::Impossible)? {
        return Ok(would);
    }
    let shown = row(&number);
    session.table.remove_number(number, None, &session.actor().await?, session.now()).await.map_err(
        |error| match error {
            Error::NotFound => unheld(e164),
            error => error.into(),
        },
    )?;
    Ok(Output::changed(true, format!("{} is free.", e164.as_str()), shown))
}

async fn holder(session: &Session<'_, '_>, e164: &E164) -> Result<PhoneNumber, Failure> {
    session.table.number_by_claim(e164).await?.ok_or_else(|| unheld(e164))
}

/// A number that was registered under older rules is found however it is spelled; one that nobody has may be misspelled.
fn unheld(e164: &E164) -> Failure {
    Failure::new(match E164::parse(e164.as_str()) {
        Ok(_) => format!("Nobody has registered {e164}."),
        Err(reason) => format!("Nobody has registered {e164}, which {reason}."),
    })
}

pub(crate) fn row(number: &PhoneNumber) -> Value {
    let (order_state, connection) = match &number.source {
        Source::Managed(Order::Ordering { .. }) => (Some("ordering"), None),
        Source::Managed(Order::Active { .. }) => (Some("active"), None),
        Source::Managed(Order::Releasing { .. }) => (Some("releasing"), None),
        Source::SipTrunk { trunk: Trunk::Connection(id), .. } => (None, Some(id.as_str())),
        Source::SipTrunk { trunk: Trunk::Legacy(id), .. } => (None, Some(id.as_str())),
    };
    json!({
        "organizationId": number.organization.as_str(),
        "id": number.id.as_str(),
        "e164": number.e164.as_str(),
        "source": number.source.as_str(),
        "orderState": order_state,
        "carrierId": number.resource().map(domain::carrier::CarrierNumberId::as_str),
        "sipConnectionId": connection,
        "direction": number.routing.direction.as_str(),
        "agentId": number.routing.agent.as_ref().map(domain::AgentId::as_str),
        "label": number.routing.label.as_ref().map(domain::Label::as_str),
        "monthlyUsd": number.billing.monthly.to_string(),
        "nextChargeAt": number.billing.next_month.map(|n| number.created_at.months_later(n).to_string()),
        "billingSuspendedAt": number.billing.arrears.map(|arrears| arrears.suspended_at.to_string()),
        "scheduledReleaseAt": number.billing.arrears.map(|arrears| arrears.release_at.to_string()),
        "createdAt": number.created_at.to_string(),
        "version": number.version,
    })
}
