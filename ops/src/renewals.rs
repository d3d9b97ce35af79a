//! `ops renewals`: what is due, what is suspended, and charging it now.

use std::collections::BTreeMap;

use ::renewals::{Charger, NUMBERS_AT_ONCE, Report};
use clap::Subcommand;
use domain::credits::Credits;
use domain::renewal::{Renewable, Renewal, decide};
use domain::{MicroUsd, OrganizationId, Timestamp};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what is to be charged, or is charged again, with the sum for each organization
    Due {
        /// Only this organization, with each of its numbers
        #[arg(long, value_parser = OrganizationId::parse)]
        organization: Option<OrganizationId>,
        /// What is due until then, such as 2026-08-01T00:00:00Z, and not only until now
        #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
        until: Option<Timestamp>,
    },
    /// List what is suspended for want of credits, with the sum for each organization
    Suspended {
        /// Only this organization, with each of its numbers and when it is released
        #[arg(long, value_parser = OrganizationId::parse)]
        organization: Option<OrganizationId>,
    },
    /// Charge what is due now, without waiting for the schedule
    RunNow {
        /// Only this organization
        #[arg(long, value_parser = OrganizationId::parse)]
        organization: Option<OrganizationId>,
        /// Days from a suspension to the release; say what the deployment says
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=365))]
        grace_days: u16,
    },
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Due { organization: None, until } => due(session, until).await,
        Command::Due { organization: Some(organization), until } => due_of(session, &organization, until).await,
        Command::Suspended { organization: None } => suspended(session).await,
        Command::Suspended { organization: Some(organization) } => suspended_of(session, &organization).await,
        Command::RunNow { organization, grace_days } => run_now(session, organization, grace_days).await,
    }
}

/// What is due of an organization's numbers, and what the credits cover of it.
struct Due {
    credits: Credits,
    numbers: Vec<Renewable>,
}

impl Due {
    async fn read(session: &Session<'_, '_>, organization: &OrganizationId, until: Timestamp) -> Result<Self, Failure> {
        let (credits, numbers) =
            tokio::try_join!(session.table.credits(organization), session.table.renewables(organization, until))?;
        Ok(Self { credits, numbers })
    }

    fn sums(&self, organization: &OrganizationId, now: Timestamp) -> Sums {
        let mut sums = Sums { balance: self.credits.balance, ..Sums::of(organization) };
        for renewal in decide(&self.numbers, self.credits.balance, now) {
            let paid = renewal.paid.end - renewal.paid.start;
            sums.numbers += 1;
            sums.due = sums.due + owed(renewal.number, now).1;
            sums.charged = sums.charged + renewal.number.monthly.times(paid);
            sums.suspended += usize::from(renewal.refused && !renewal.number.is_in_arrears);
        }
        sums
    }
}

/// One organization's sums.
struct Sums {
    organization: String,
    numbers: usize,
    due: MicroUsd,
    balance: MicroUsd,
    charged: MicroUsd,
    suspended: usize,
}

impl Sums {
    fn of(organization: &OrganizationId) -> Self {
        let (due, balance, charged) = (MicroUsd::ZERO, MicroUsd::ZERO, MicroUsd::ZERO);
        Self { organization: organization.to_string(), numbers: 0, due, balance, charged, suspended: 0 }
    }

    fn row(&self) -> Value {
        json!({
            "organizationId": self.organization,
            "numbers": self.numbers,
            "dueUsd": self.due.to_string(),
            "balanceUsd": self.balance.to_string(),
            "wouldChargeUsd": self.charged.to_string(),
            "wouldSuspend": self.suspended,
        })
    }
}

/// The sums of each organization that has something due, and of all of them.
async fn sums(session: &Session<'_, '_>, until: Timestamp) -> Result<Vec<Sums>, Failure> {
    let mut all = Vec::new();
    for organization in session.table.due_organizations(until, until).await?.into_keys() {
        all.push(Due::read(session, &organization, until).await?.sums(&organization, until));
    }
    // The others only have new credits.
    all.retain(|sums| sums.numbers > 0);
    Ok(all)
}

fn total(all: &[Sums]) -> Sums {
    let mut total = Sums {
        organization: "all".to_owned(),
        numbers: 0,
        due: MicroUsd::ZERO,
        balance: MicroUsd::ZERO,
        charged: MicroUsd::ZERO,
        suspended: 0,
    };
    for sums in all {
        total.numbers += sums.numbers;
        total.due = total.due + sums.due;
        total.balance = total.balance + sums.balance;
        total.charged = total.charged + sums.charged;
        total.suspended += sums.suspended;
    }
    total
}

async fn due(session: &Session<'_, '_>, until: Option<Timestamp>) -> Result<Output, Failure> {
    let all = sums(session, until.unwrap_or_else(|| session.now())).await?;
    let mut rows: Vec<Value> = all.iter().map(Sums::row).collect();
    if !rows.is_empty() {
        rows.push(total(&all).row());
    }
    let columns = &["organizationId", "numbers", "dueUsd", "balanceUsd", "wouldChargeUsd", "wouldSuspend"];
    Ok(Output::table(columns, "Nothing is due.", rows))
}

async fn due_of(
    session: &Session<'_, '_>,
    organization: &OrganizationId,
    until: Option<Timestamp>,
) -> Result<Output, Failure> {
    session.organization(organization).await?;
    let now = until.unwrap_or_else(|| session.now());
    let due = Due::read(session, organization, now).await?;
    let sums = due.sums(organization, now);
    let row = |renewal: &Renewal<'_>| {
        let number = renewal.number;
        let (months, price) = owed(number, now);
        json!({
            "id": number.id.as_str(),
            "e164": number.e164.as_str(),
            "dueAt": number.due(number.next_month).to_string(),
            "months": months,
            "dueUsd": price.to_string(),
            "wouldPayMonths": renewal.paid.end - renewal.paid.start,
            "suspended": number.is_in_arrears,
            "nextTryAt": number.next_try_at.to_string(),
        })
    };
    let mut rows: Vec<Value> = decide(&due.numbers, due.credits.balance, now).iter().map(row).collect();
    if !rows.is_empty() {
        let (due, balance) = (sums.due.to_string(), sums.balance.to_string());
        rows.push(
            json!({ "id": "all", "dueUsd": due, "balanceUsd": balance, "wouldChargeUsd": sums.charged.to_string() }),
        );
    }
    let columns =
        &["id", "e164", "dueAt", "months", "dueUsd", "balanceUsd", "wouldPayMonths", "suspended", "nextTryAt"];
    Ok(Output::table(columns, "Nothing is due.", rows))
}

/// How many organizations are read at once.
const PAGE: usize = 100;

async fn suspended(session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    let (now, mut all, mut read, mut after) = (session.now(), Vec::new(), 0, None);
    loop {
        let page = session.table.organizations(after.as_ref(), PAGE).await?;
        for organization in &page {
            let due = Due::read(session, &organization.id, now).await?;
            let mut sums = Sums { balance: due.credits.balance, ..Sums::of(&organization.id) };
            for number in due.numbers.iter().filter(|number| number.is_in_arrears) {
                sums.numbers += 1;
                sums.due = sums.due + owed(number, now).1;
            }
            all.extend(Some(sums).filter(|sums| sums.numbers > 0));
        }
        read += page.len();
        after = page.last().map(|organization| organization.id.clone());
        if page.len() < PAGE {
            break;
        }
        session.progress(&format!("{read} organizations are read"));
    }
    let mut rows: Vec<Value> = all.iter().map(Sums::row).collect();
    if !rows.is_empty() {
        rows.push(total(&all).row());
    }
    Ok(Output::table(&["organizationId", "numbers", "dueUsd", "balanceUsd"], NOT_SUSPENDED, rows))
}

async fn suspended_of(session: &Session<'_, '_>, organization: &OrganizationId) -> Result<Output, Failure> {
    session.organization(organization).await?;
    let now = session.now();
    let due = Due::read(session, organization, now).await?;
    let in_arrears = due.numbers.iter().filter(|number| number.is_in_arrears).map(|number| &number.id);
    let rows = session.table.numbers_of(organization, in_arrears).await?;
    let (mut by_date, mut sum) = (BTreeMap::new(), MicroUsd::ZERO);
    for number in rows.found {
        let (Some(arrears), Some(renewable)) = (number.billing.arrears, number.renewable()) else { continue };
        let (months, price) = owed(&renewable, now);
        sum = sum + price;
        let row = json!({
            "id": number.id.as_str(),
            "e164": number.e164.as_str(),
            "suspendedAt": arrears.suspended_at.to_string(),
            "scheduledReleaseAt": arrears.release_at.to_string(),
            "nextTryAt": arrears.next_try_at().to_string(),
            "months": months,
            "dueUsd": price.to_string(),
        });
        by_date.insert((arrears.release_at, number.id.clone()), row);
    }
    let mut rows: Vec<Value> = by_date.into_values().collect();
    if !rows.is_empty() {
        rows.push(json!({ "id": "all", "dueUsd": sum.to_string(), "balanceUsd": due.credits.balance.to_string() }));
    }
    let columns = &["id", "e164", "suspendedAt", "scheduledReleaseAt", "nextTryAt", "months", "dueUsd", "balanceUsd"];
    Ok(Output::table(columns, NOT_SUSPENDED, rows))
}

const NOT_SUSPENDED: &str = "No number is suspended for want of credits.";

/// How many months of a number have begun and are not paid, and what they cost.
fn owed(number: &Renewable, now: Timestamp) -> (u32, MicroUsd) {
    let owed = number.owed(now);
    let months = owed.end - owed.start;
    (months, number.monthly.times(months))
}

async fn run_now(
    session: &mut Session<'_, '_>,
    only: Option<OrganizationId>,
    grace_days: u16,
) -> Result<Output, Failure> {
    let now = session.now();
    let organizations: Vec<OrganizationId> = match only {
        Some(organization) => {
            session.organization(&organization).await?;
            vec![organization]
        }
        None => session.table.due_organizations(now, now).await?.into_keys().collect(),
    };
    if organizations.is_empty() {
        return Ok(Output::changed(false, "Nothing is due.", json!({})));
    }
    let mut all = Vec::new();
    for organization in &organizations {
        all.push(Due::read(session, organization, now).await?.sums(organization, now));
    }
    let Sums { numbers, due, charged, suspended, .. } = total(&all);
    let deed = format!(
        "charge {charged} USD of the {due} USD that are due for {} of {}, and suspend {}",
        counted(numbers, "number"),
        counted(organizations.len(), "organization"),
        counted(suspended, "number")
    );
    if let Some(would) = session.before(&deed, Undo::Impossible)? {
        return Ok(would);
    }
    let charger = Charger {
        table: session.table.clone(),
        clock: session.io.clock.clone(),
        grace: std::time::Duration::from_hours(24 * u64::from(grace_days)),
    };
    let mut done = Report::default();
    for organization in &organizations {
        loop {
            let report = charger.renew(organization).await?;
            add(&mut done, &report);
            if !report.more {
                break;
            }
            session.progress(&format!("{organization}: {NUMBERS_AT_ONCE} more numbers are charged"));
        }
    }
    let months = counted(usize::try_from(done.charged).unwrap_or(usize::MAX), "month");
    let message = format!("Charged {months} for {}.", counted(organizations.len(), "organization"));
    let fields = serde_json::to_value(done).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Output::changed(done != Report::default(), message, fields))
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn add(sum: &mut Report, report: &Report) {
    let Report { charged, refused, suspended, lifted, released, failed, raced, more: _ } = *report;
    sum.charged += charged;
    sum.refused += refused;
    sum.suspended += suspended;
    sum.lifted += lifted;
    sum.released += released;
    sum.failed += failed;
    sum.raced += raced;
}
