//! `ops organizations`: tenants and what they may do.

use clap::{Subcommand, ValueEnum};
use domain::kyb::Status;
use domain::organization::{Organization, PurchasePolicy};
use domain::{Name, OrganizationId};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};
use crate::verifications::{Edit, edit_message};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create an organization, which may buy numbers once its verification is approved
    Create {
        /// Your platform's id of it: letters, digits, '_', '-', '.', ':'
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// What staff call it
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// Create it with the buying of numbers switched off
        #[arg(long)]
        no_buying: bool,
    },
    /// Show an organization with its verification and balance
    Show {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
    },
    /// List organizations in the order of their ids
    List {
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only those after this one: the last of the page before
        #[arg(long, value_name = "ORGANIZATION", value_parser = OrganizationId::parse)]
        after: Option<OrganizationId>,
    },
    /// Say which verification is enough to buy
    Policy {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        policy: Policy,
    },
    /// Switch the buying of numbers on or off
    Buying {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        switch: Switch,
    },
    /// Erase what an organization has filed for its verifications, and its SMS brand
    ///
    /// That it filed, what was decided, when and by whom stays, and so do the ledger and the audit trail. Drafts are deleted. The
    /// messages in Slack are rewritten without the values. It can be run again when it was interrupted.
    Erase {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Policy {
    /// An approved one
    Approved,
    /// One that is under review, too
    Submitted,
    /// What the deployment says
    Default,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Create { organization, name, no_buying } => create(session, organization, &name, !no_buying).await,
        Command::Show { organization } => show(session, &organization).await,
        Command::List { limit, after } => {
            let found = session.table.organizations(after.as_ref(), usize::from(limit)).await?;
            let rows = found.iter().map(row).collect();
            Ok(Output::table(
                &["id", "name", "buyingEnabled", "purchasePolicy", "holdReason"],
                "No organizations.",
                rows,
            ))
        }
        Command::Policy { organization, policy } => set_policy(session, &organization, policy).await,
        Command::Erase { organization } => erase(session, &organization).await,
        Command::Buying { organization, switch } => set_buying(session, &organization, switch == Switch::On).await,
    }
}

async fn create(
    session: &mut Session<'_, '_>,
    id: OrganizationId,
    name: &Name,
    buying_enabled: bool,
) -> Result<Output, Failure> {
    if session.table.find_organization(&id).await?.is_some() {
        return Err(taken(&id));
    }
    if let Some(would) = session.before(&format!("create organization '{id}'"), Undo::Possible)? {
        return Ok(would);
    }
    let new = Organization {
        id,
        name: name.to_string(),
        buying_enabled,
        purchase_policy: None,
        hold: None,
        verification: None,
        created_at: session.now(),
        cursor_key: rand::random(),
    };
    if !session.table.create_organization(&new).await? {
        return Err(taken(&new.id));
    }
    Ok(Output::changed(true, format!("Created organization '{}'.", new.id), row(&new)))
}

fn taken(id: &OrganizationId) -> Failure {
    Failure::new(format!("There is an organization '{id}' already."))
}

async fn show(session: &mut Session<'_, '_>, id: &OrganizationId) -> Result<Output, Failure> {
    let organization = session.organization(id).await?;
    let verification = session.table.verification(id).await?.current;
    let balance = session.table.balance(id).await?;
    let mut shown = row(&organization);
    shown["verificationStatus"] = verification.as_ref().map(|current| current.status().as_str()).into();
    shown["verificationId"] = verification.as_ref().map(|current| current.id.as_str()).into();
    shown["balanceUsd"] = balance.to_string().into();
    Ok(Output::thing(shown))
}

async fn set_policy(session: &mut Session<'_, '_>, id: &OrganizationId, policy: Policy) -> Result<Output, Failure> {
    let policy = match policy {
        Policy::Approved => Some(PurchasePolicy::Approved),
        Policy::Submitted => Some(PurchasePolicy::Submitted),
        Policy::Default => None,
    };
    let word = policy.map_or("the deployment's", PurchasePolicy::as_str);
    let before = session.organization(id).await?;
    if before.purchase_policy == policy {
        return Ok(Output::changed(false, format!("The purchase policy of '{id}' is {word} already."), row(&before)));
    }
    if let Some(would) = session.before(&format!("make the purchase policy of '{id}' {word}"), Undo::Possible)? {
        return Ok(would);
    }
    session.table.set_purchase_policy(id, policy).await?;
    let after = Organization { purchase_policy: policy, ..before };
    Ok(Output::changed(true, format!("The purchase policy of '{id}' is {word} now."), row(&after)))
}

async fn set_buying(session: &mut Session<'_, '_>, id: &OrganizationId, enabled: bool) -> Result<Output, Failure> {
    let word = if enabled { "on" } else { "off" };
    let before = session.organization(id).await?;
    if before.buying_enabled == enabled {
        return Ok(Output::changed(false, format!("Buying is switched {word} for '{id}' already."), row(&before)));
    }
    if let Some(would) = session.before(&format!("switch buying {word} for '{id}'"), Undo::Possible)? {
        return Ok(would);
    }
    session.table.set_buying_enabled(id, enabled).await?;
    let after = Organization { buying_enabled: enabled, ..before };
    Ok(Output::changed(true, format!("Buying is switched {word} for '{id}' now."), row(&after)))
}

async fn erase(session: &mut Session<'_, '_>, id: &OrganizationId) -> Result<Output, Failure> {
    session.organization(id).await?;
    let filed = session.table.submissions(id).await?;
    if let Some(open) = filed.iter().find(|submission| submission.status() == Status::Submitted) {
        let why = format!("Verification {} of '{id}' is under review: approve or reject it first.", open.id);
        return Err(Failure::new(why));
    }
    let deed = format!("erase the values of {} verifications of '{id}' and its SMS brand", filed.len());
    if let Some(would) = session.before(&deed, Undo::Impossible)? {
        return Ok(would);
    }
    let (mut erased, mut not_rewritten) = (0, Vec::new());
    for submission in filed {
        let (submission_id, place) = (submission.id.clone(), submission.delivery.clone());
        let left = session.table.erase_submission(submission, &session.actor().await?, session.now()).await?;
        erased += 1;
        // Slack has a copy of what was filed.
        if let Some(left) = left
            && place.is_some()
            && edit_message(session, &left, Edit::Decided).await.is_err()
        {
            not_rewritten.push(submission_id.to_string());
        }
    }
    session.table.erase_copies(id).await?;
    let mut message = format!("The values of {erased} verifications of '{id}' are erased.");
    if !not_rewritten.is_empty() {
        message += " Slack did not take all changes: delete the messages there, or run this again.";
    }
    let fields = json!({ "organizationId": id.as_str(), "erased": erased, "notRewrittenInSlack": not_rewritten });
    Ok(Output::changed(true, message, fields))
}

fn row(organization: &Organization) -> Value {
    json!({
        "id": organization.id.as_str(),
        "name": organization.name,
        "buyingEnabled": organization.buying_enabled,
        "purchasePolicy": organization.purchase_policy.map(PurchasePolicy::as_str),
        "holdAt": organization.hold.as_ref().map(|hold| hold.at.to_string()),
        "holdReason": organization.hold.as_ref().map(|hold| hold.reason.as_str()),
    })
}
