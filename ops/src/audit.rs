//! `ops audit`: compares the books of organizations with each other.

use clap::Args;
use domain::{Error, OrganizationId};
use serde_json::{Value, json};
use table::Books;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// How many organizations are looked at before a line says how far it is.
const BEFORE_A_LINE: usize = 100;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only this organization [default: all of them]
    #[arg(value_parser = OrganizationId::parse)]
    organization: Option<OrganizationId>,
}

pub(crate) async fn run(arguments: Arguments, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    let mut found = Vec::new();
    if let Some(id) = arguments.organization {
        session.organization(&id).await?;
        found.push(audit(session, &id).await?);
    } else {
        let mut last = None;
        loop {
            let page = session.table.organization_ids(last.as_ref(), BEFORE_A_LINE).await?;
            let Some(end) = page.last().cloned() else { break };
            for id in &page {
                found.push(audit(session, id).await?);
            }
            if page.len() == BEFORE_A_LINE {
                session.progress(&format!("{} organizations looked at, the last one {end}", found.len()));
            }
            last = Some(end);
        }
    }
    let wrong = found.iter().filter(|row| row["agrees"] != true).count();
    let columns = &["organizationId", "agrees", "balanceUsd", "ledgerUsd", "entries", "events", "problems"];
    let output = Output::table(columns, "No organizations.", found);
    Ok(match wrong {
        0 => output,
        1 => output.but("The books of one organization do not agree."),
        _ => output.but(format!("The books of {wrong} organizations do not agree.")),
    })
}

/// One organization's row. An item that cannot be understood is what an audit looks for, so it ends nothing.
async fn audit(session: &Session<'_, '_>, organization: &OrganizationId) -> Result<Value, Failure> {
    match session.table.audit_books(organization, session.now()).await {
        Ok(books) => Ok(row(organization, &books)),
        Err(Error::Internal(cause)) => Ok(json!({
            "organizationId": organization.as_str(),
            "agrees": false,
            "problems": [format!("they cannot be read: {cause}")],
        })),
        Err(error) => Err(error.into()),
    }
}

fn row(organization: &OrganizationId, books: &Books) -> Value {
    let mut problems = Vec::new();
    if books.ledger != books.balance {
        problems.push("the ledger does not add up to the balance".to_owned());
    }
    problems.extend(books.gaps.iter().map(|gap| match (&gap.subject, gap.after, gap.next) {
        (subject, after, next) if after == next => format!("two events {after} of {subject}"),
        (subject, after, next) => format!("no event of {subject} between {after} and {next}"),
    }));
    json!({
        "organizationId": organization.as_str(),
        "agrees": books.agree(),
        "balanceUsd": books.balance.to_string(),
        "ledgerUsd": books.ledger.to_string(),
        "entries": books.entries,
        "events": books.events,
        "problems": problems,
    })
}
