//! Charges the numbers of one organization.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::audit::Action;
use domain::billing::{self, Terms};
use domain::credits::{Credits, LOW_WITHIN, LedgerEntry};
use domain::feed::Shortage;
use domain::number::{PhoneNumber, Source};
use domain::renewal::{Renewable, Renewal, decide, forecast};
use domain::{Clock, Error, MicroUsd, OrganizationId, PhoneNumberId, Recorded, Result, Timestamp, chain};
use runtime::Start;
use runtime::alarm::Alarm;
use runtime::message::RenewalsHandle;
use runtime::queue::Queue;
use runtime::settings::SettingsError;
use runtime::worker::{Again, Limits, Worker};
use serde::Serialize;
use table::{RenewalOutcome, Renewed, RowChange, Table};

use crate::ACTOR;

/// Numbers that one message charges at the most. Where more are due, another message goes on.
pub const NUMBERS_AT_ONCE: usize = 500;

/// How often it is decided anew when something was booked, or a row has changed, between reading and writing.
const ROUNDS: u32 = 8;

/// What it takes to charge numbers.
#[derive(Clone)]
pub struct Charger {
    pub table: Table,
    pub clock: Arc<dyn Clock>,
    /// From the suspension of a number that is not paid for to its release.
    pub grace: Duration,
}

/// What was done for one organization, as it is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Months that were paid.
    pub charged: u32,
    /// Suspended numbers that were charged in vain again.
    pub refused: u32,
    /// Numbers that were suspended.
    pub suspended: u32,
    /// Suspensions that ended.
    pub lifted: u32,
    /// Numbers that nobody paid for: removed, or their release begun.
    pub released: u32,
    /// Numbers that could not be charged for another reason than the credits.
    pub failed: u32,
    /// How often something else was written at the same time.
    pub raced: u32,
    /// Whether more numbers are due than one message charges.
    pub more: bool,
}

/// What is written for a number.
enum Deed {
    Renew(Box<Renewed>),
    /// It is to leave: as it was read, and as the last refusal has left it.
    Forfeit(Box<PhoneNumber>, Box<PhoneNumber>),
}

/// One round: what was read, and what has become of it.
struct Round<'a> {
    organization: &'a OrganizationId,
    now: Timestamp,
    credits: Credits,
    /// All numbers of the organization that are charged soon.
    numbers: BTreeMap<PhoneNumberId, Renewable>,
}

impl Round<'_> {
    fn wrote(&mut self, credits: Credits, row: &PhoneNumber) {
        self.credits = credits;
        match row.renewable() {
            Some(renewable) => self.numbers.insert(row.id.clone(), renewable),
            None => self.numbers.remove(&row.id),
        };
    }

    fn renewables(&self) -> Vec<Renewable> {
        self.numbers.values().cloned().collect()
    }
}

/// Something was written at the same time: everything is decided anew.
struct Raced;

/// How a round ended that nobody raced.
struct Progress {
    /// Whether something was written.
    wrote: bool,
    /// Whether more numbers are due than one message charges.
    more: bool,
}

impl Charger {
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> Result<Self, SettingsError> {
        let grace = start.settings.grace_period()?;
        Ok(Self { table: Table::from_start(start)?, clock: start.clock.clone(), grace })
    }

    /// Charges what is due of an organization's numbers, the oldest month first, and writes an event when its credits become low.
    /// At most [`NUMBERS_AT_ONCE`] numbers are charged.
    ///
    /// # Errors
    /// [`Error::Busy`] when the table cannot be reached, or something keeps being written at the same time; what was charged
    /// until then is charged. Trouble with single numbers is counted and logged instead.
    pub async fn renew(&self, organization: &OrganizationId) -> Result<Report> {
        let (mut report, mut failed) = (Report::default(), BTreeSet::new());
        for _ in 0..ROUNDS {
            match self.round(organization, &mut report, &mut failed).await? {
                Err(Raced) => report.raced += 1,
                // So many numbers cannot be charged that the others were not looked at.
                Ok(Progress { wrote: false, more: true }) => {}
                Ok(Progress { more, .. }) => return Ok(Report { more, ..report }),
            }
        }
        Err(Error::Busy("an organization's credits and numbers keep changing while they are charged".into()))
    }

    async fn round(
        &self,
        organization: &OrganizationId,
        report: &mut Report,
        failed: &mut BTreeSet<PhoneNumberId>,
    ) -> Result<Result<Progress, Raced>> {
        let now = self.clock.now();
        let (credits, numbers) = tokio::try_join!(
            self.table.credits(organization),
            self.table.renewables(organization, now.plus(LOW_WITHIN))
        )?;
        let mut wanted = to_be_charged(&numbers, &credits, now);
        wanted.retain(|id| !failed.contains(id));
        let more = wanted.len() > NUMBERS_AT_ONCE;
        wanted.truncate(NUMBERS_AT_ONCE);
        let rows = self.table.numbers_of(organization, wanted.iter()).await?;
        report.failed += u32::try_from(rows.unreadable).unwrap_or(u32::MAX);
        failed.extend(missing(&wanted, &rows.found));
        let numbers = numbers.into_iter().map(|number| (number.id.clone(), number)).collect();
        let mut round = Round { organization, now, credits, numbers };
        for id in &wanted {
            round.numbers.remove(id);
        }
        for row in &rows.found {
            round.wrote(credits, row);
        }
        let deeds = self.deeds(&round, rows.found, report, failed).await?;
        let wrote = !deeds.is_empty();
        if let Err(raced) = self.write(&mut round, deeds, report, failed).await? {
            return Ok(Err(raced));
        }
        if !more {
            self.look_ahead(&round).await?;
        }
        Ok(Ok(Progress { wrote, more }))
    }

    /// What is to be written for these numbers.
    async fn deeds(
        &self,
        round: &Round<'_>,
        rows: Vec<PhoneNumber>,
        report: &mut Report,
        failed: &mut BTreeSet<PhoneNumberId>,
    ) -> Result<Vec<Deed>> {
        let renewables: Vec<Renewable> = rows.iter().filter_map(PhoneNumber::renewable).collect();
        let renewals = decide(&renewables, round.credits.balance, round.now);
        let in_vain = |renewal: &Renewal<'_>| renewal.number.is_in_arrears && renewal.paid.is_empty();
        // Whether the schedule was alive is only asked where a number may have to leave.
        let alive_since = if renewals.iter().any(in_vain) {
            self.table.heartbeat().await?.map_or(round.now, |heartbeat| heartbeat.alive_since_at(round.now))
        } else {
            round.now
        };
        let mut rows: BTreeMap<PhoneNumberId, PhoneNumber> =
            rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut deeds = Vec::new();
        for renewal in renewals {
            let Some(row) = rows.remove(&renewal.number.id) else { continue };
            if in_vain(&renewal) && renewal.number.next_try_at > round.now {
                continue;
            }
            let id = row.id.clone();
            match self.deed(row, &renewal, alive_since, round.now) {
                Ok(deed) => deeds.push(deed),
                Err(error) => fail(round.organization, id, &error, report, failed),
            }
        }
        Ok(deeds)
    }

    fn deed(&self, row: PhoneNumber, renewal: &Renewal<'_>, alive_since: Timestamp, now: Timestamp) -> Result<Deed> {
        let terms = Terms { grace: self.grace, alive_since };
        let change = match row.clone().renew(renewal, terms, now)? {
            billing::Renewed::Forfeit(new) => return Ok(Deed::Forfeit(Box::new(row), Box::new(new))),
            billing::Renewed::Refused(new) => RowChange::Unseen(Box::new(new)),
            billing::Renewed::Changed(new) => RowChange::Recorded(Box::new(Recorded::renewed(&row, new, &ACTOR))),
        };
        let Renewal { number, paid, refused: _ } = renewal;
        let entry = |n| LedgerEntry::renewal(&number.id, n, number.monthly, number.period(&(n..n + 1)));
        let priced = number.monthly > MicroUsd::ZERO;
        let entries = paid.clone().filter(|_| priced).map(entry).collect();
        Ok(Deed::Renew(Box::new(Renewed { old: row, change, entries })))
    }

    async fn write(
        &self,
        round: &mut Round<'_>,
        deeds: Vec<Deed>,
        report: &mut Report,
        failed: &mut BTreeSet<PhoneNumberId>,
    ) -> Result<Result<(), Raced>> {
        let (mut renewed, mut forfeits) = (Vec::new(), Vec::new());
        for deed in deeds {
            match deed {
                Deed::Renew(one) => renewed.push(*one),
                Deed::Forfeit(old, new) => forfeits.push((old, new)),
            }
        }
        let mut left = renewed.as_slice();
        while !left.is_empty() {
            let (batch, after) = left.split_at(Renewed::batch(left));
            if let Err(raced) = self.write_batch(round, batch, report, failed).await? {
                return Ok(Err(raced));
            }
            left = after;
        }
        for (old, new) in forfeits {
            let id = old.id.clone();
            match self.forfeit(round, *old, *new).await {
                Ok(Ok(())) => report.released += 1,
                Ok(Err(raced)) => return Ok(Err(raced)),
                Err(error @ Error::Busy(_)) => return Err(error),
                Err(error) => fail(round.organization, id, &error, report, failed),
            }
        }
        Ok(Ok(()))
    }

    /// Writes several numbers at once, and one by one when that is refused for the sake of one of them.
    async fn write_batch(
        &self,
        round: &mut Round<'_>,
        batch: &[Renewed],
        report: &mut Report,
        failed: &mut BTreeSet<PhoneNumberId>,
    ) -> Result<Result<(), Raced>> {
        match self.table.renew(round.organization, &round.credits, batch).await {
            Ok(RenewalOutcome::Raced) => return Ok(Err(Raced)),
            Ok(RenewalOutcome::Written(credits)) => {
                for one in batch {
                    round.wrote(credits, one.row());
                    count(one, report);
                }
            }
            Err(error @ Error::Busy(_)) => return Err(error),
            Err(error) => match batch {
                [one] => fail(round.organization, one.old.id.clone(), &error, report, failed),
                several => {
                    for one in several {
                        let alone = Box::pin(self.write_batch(round, std::slice::from_ref(one), report, failed));
                        if let Err(raced) = alone.await? {
                            return Ok(Err(raced));
                        }
                    }
                }
            },
        }
        Ok(Ok(()))
    }

    async fn forfeit(&self, round: &mut Round<'_>, old: PhoneNumber, new: PhoneNumber) -> Result<Result<(), Raced>> {
        let id = old.id.clone();
        let outcome = match old.source {
            Source::SipTrunk { .. } => self.table.remove_unpaid(&old, &round.credits, &ACTOR, round.now).await?,
            Source::Managed(_) => {
                let new = new.forfeit(round.now)?;
                let change = Recorded::changed(&old, new, Action::ReleaseBegun, &ACTOR);
                let change = RowChange::Recorded(Box::new(change));
                let leaving = Renewed { old, change, entries: Vec::new() };
                self.table.renew(round.organization, &round.credits, std::slice::from_ref(&leaving)).await?
            }
        };
        if outcome == RenewalOutcome::Raced {
            return Ok(Err(Raced));
        }
        round.numbers.remove(&id);
        tracing::warn!(
            organization.id = %round.organization, number.id = %id,
            "a number that nobody paid for is released"
        );
        Ok(Ok(()))
    }

    /// Writes an event when the credits no longer cover the months that begin within a week.
    async fn look_ahead(&self, round: &Round<'_>) -> Result<()> {
        let (renewables, balance) = (round.renewables(), round.credits.balance);
        let until = round.now.plus(LOW_WITHIN);
        let forecast = forecast(&renewables, balance, round.now, until, usize::MAX - 1);
        let shortage = forecast.and_then(|forecast| {
            let covered_until = forecast.covered_until?;
            Some(Shortage { balance, due: forecast.due, covered_until })
        });
        // When something was booked meanwhile, that is looked at in a minute.
        self.table.credits_looked_at(round.organization, &round.credits, shortage.as_ref(), round.now).await.map(drop)
    }
}

/// The numbers that something is written for, in the order in which they are charged.
fn to_be_charged(numbers: &[Renewable], credits: &Credits, now: Timestamp) -> Vec<PhoneNumberId> {
    let is_wanted = |renewal: &Renewal<'_>| {
        !renewal.paid.is_empty() || !renewal.number.is_in_arrears || renewal.number.next_try_at <= now
    };
    decide(numbers, credits.balance, now)
        .into_iter()
        .filter(is_wanted)
        .map(|renewal| renewal.number.id.clone())
        .collect()
}

/// The numbers that were not found, or cannot be understood.
fn missing(wanted: &[PhoneNumberId], found: &[PhoneNumber]) -> Vec<PhoneNumberId> {
    let found: BTreeSet<&PhoneNumberId> = found.iter().map(|row| &row.id).collect();
    wanted.iter().filter(|id| !found.contains(id)).cloned().collect()
}

fn count(Renewed { old, change, entries: _ }: &Renewed, report: &mut Report) {
    let RowChange::Recorded(change) = change else {
        report.refused += 1;
        return;
    };
    let (before, after) = (&old.billing, &change.row.billing);
    report.charged += after.next_month.unwrap_or_default() - before.next_month.unwrap_or_default();
    match (before.arrears, after.arrears) {
        (None, Some(_)) => report.suspended += 1,
        (Some(_), None) => report.lifted += 1,
        (Some(_), Some(_)) => report.refused += 1,
        (None, None) => {}
    }
}

fn fail(
    organization: &OrganizationId,
    id: PhoneNumberId,
    error: &Error,
    report: &mut Report,
    failed: &mut BTreeSet<PhoneNumberId>,
) {
    report.failed += 1;
    tracing::error!(
        alarm = Alarm::RenewalsFail.as_str(), organization.id = %organization, number.id = %id,
        error.cause = %chain(error), "a number cannot be charged"
    );
    failed.insert(id);
}

/// The queue's worker.
pub(crate) struct Messages {
    pub(crate) charger: Charger,
    pub(crate) queue: Queue<RenewalsHandle>,
}

impl Worker for Messages {
    type Message = RenewalsHandle;

    /// The function is stopped after 60 s. A message charges 500 numbers, which takes some seconds, or some 30 when the table is
    /// slow. One that is given up has charged a part; the rest stays due.
    const LIMITS: Limits =
        Limits { last_start: Duration::from_secs(25), end: Duration::from_secs(55), longest_wait: Duration::ZERO };

    /// A message that fails is not repeated: what is due stays in the index, and the schedule queues another one within a minute.
    async fn work(&self, message: RenewalsHandle) -> Result<(), Again> {
        let organization = &message.organization;
        match self.charger.renew(organization).await {
            Ok(report) => {
                tell(organization, &report);
                if report.more
                    && let Err(cause) = self.queue.send(&message).await
                {
                    tracing::warn!(organization.id = %organization, error.cause = %chain(&*cause), "what is left waits for the next run");
                }
            }
            Err(error @ Error::Busy(_)) => {
                tracing::warn!(
                    organization.id = %organization, error.cause = %chain(&error),
                    "an organization could not be charged now; the next run goes on"
                );
            }
            Err(error) => tracing::error!(
                alarm = Alarm::RenewalsFail.as_str(), organization.id = %organization, error.cause = %chain(&error),
                "an organization cannot be charged"
            ),
        }
        Ok(())
    }
}

fn tell(organization: &OrganizationId, report: &Report) {
    let Report { charged, refused, suspended, lifted, released, failed, raced, more } = *report;
    if *report == Report::default() {
        tracing::debug!(organization.id = %organization, "nothing was to be charged");
    } else {
        tracing::info!(
            organization.id = %organization,
            charged, refused, suspended, lifted, released, renewals.failed = failed, renewals.raced = raced,
            renewals.more = more, "charged an organization"
        );
    }
}
