//! The sweep: compares the numbers that the carrier holds with the table, and names the orphans of both sides.
//!
//! It is dry unless told otherwise. Told so, it gives numbers back to the carrier that nobody here has; about rows whose
//! number the carrier has lost it does nothing, because a customer has paid for them: a person decides.
//!
//! From the carrier's side it reads the whole list, 250 numbers a page. The owners of a page are read in two rounds of
//! batches (claims, then rows), not one by one. From the table's side it walks the index of months to be paid, which
//! every active number is in, 100 rows a batch, and asks the carrier only about those that the list lacked. So 10,000
//! numbers cost 40 calls to the carrier and some 450 to the table.
//!
//! Nothing is believed at first sight, because lists are behind: whatever looks like an orphan is read again, at the
//! carrier by its id and here strongly, before it is reported, and here once more before it is given back. Giving a
//! number back twice is harmless, and so are two sweeps at once.

use std::collections::{BTreeSet, HashSet};
use std::num::NonZeroU32;
use std::time::Duration;

use clients::telnyx::HeldNumber;
use domain::number::{Order, PhoneNumber, Source};
use domain::{E164, Error, PhoneNumberId, Result};
use serde::{Deserialize, Serialize};
use table::{Holder, Place};
use tokio::time::{Instant, sleep};

use crate::{Reconciler, Task};

/// No step of a sweep is begun after this; the function's time-out is five minutes.
pub const SWEEP: Duration = Duration::from_mins(4);
/// Younger numbers are not orphans yet: their order may be in flight, or wait for the reconciler.
const YOUNG: Duration = Duration::from_hours(24);
/// How many of each side a report names, and how many are looked at a second time.
const NAMED: usize = 100;
/// How many numbers one sweep gives back, unless told otherwise.
const MOST: u32 = 10;
/// How often a question is asked again that the carrier has not answered.
const RETRIES: u32 = 2;

/// How a sweep is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SweepOrder {
    /// Whether orphans at the carrier are given back; otherwise nothing is changed anywhere.
    pub apply: bool,
    /// Give back nothing at all when there are more orphans than this, at most 100: so many are rather a wrong table, or
    /// a second deployment on this account of the carrier's.
    pub most: u32,
    /// Where to begin.
    pub from: From,
}

impl Default for SweepOrder {
    /// Dry, and from the beginning.
    fn default() -> Self {
        Self { apply: false, most: MOST, from: From::CarrierPage(NonZeroU32::MIN) }
    }
}

/// Where a sweep begins, or goes on: first the carrier's side, then the table's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// A page of the carrier's list.
    CarrierPage(NonZeroU32),
    /// A place in the table's index.
    Table(Place),
}

/// What a sweep has found, as it is answered and logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// False when it was stopped before the end, by time, throttling or a fault.
    pub complete: bool,
    /// The event that goes on where this sweep was stopped.
    pub next: Option<Task>,
    pub at_carrier: CarrierSide,
    pub in_table: TableSide,
}

/// Numbers that the carrier holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarrierSide {
    /// Numbers without a reference of ours; nothing is ever done about them.
    pub foreign: u32,
    /// Numbers under a reference of ours whose entry cannot be understood otherwise.
    pub unreadable: u32,
    /// Numbers that an active row names.
    pub matched: u32,
    /// Numbers whose order or release is under way here.
    pub settling: u32,
    pub orphans: u32,
    pub young: u32,
    pub disputed: u32,
    pub strangers: u32,
    /// Orphans that were given back.
    pub released: u32,
    /// Orphans that were to be given back and were not, because there are more than was allowed.
    pub held_back: u32,
    /// Numbers that could not be looked at a second time, or not be given back.
    pub failed: u32,
    /// The first hundred that are not as they should be.
    pub found: Vec<FoundAtCarrier>,
    /// How many more looked wrong at first sight.
    pub more: u32,
}

/// Why a number at the carrier is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Finding {
    /// Nobody here has it, and it is old enough to be given back.
    Orphan,
    /// Nobody here has it yet: it is younger than a day, or the carrier does not say how old it is.
    Young,
    /// A row here has the phone number, but under another id of the carrier's, or imported; or the row has another phone
    /// number: a person decides.
    Disputed,
    /// Nobody here has it, and it is tagged with an organization that is not in this table: another deployment's?
    Stranger,
}

/// A number at the carrier that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundAtCarrier {
    pub finding: Finding,
    /// The row that it was ordered for.
    pub number_id: String,
    pub carrier_id: String,
    /// What it is tagged with; `None` for one that was never set up.
    pub organization_id: Option<String>,
    pub last4: String,
    /// Whole hours; `None` when the carrier does not say.
    pub age_hours: Option<u64>,
    pub released: bool,
}

/// Rows of numbers that the carrier has given us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSide {
    /// Active rows whose number the carrier holds.
    pub matched: u32,
    /// Rows whose release began meanwhile.
    pub settling: u32,
    pub orphans: u32,
    /// Rows that the carrier could not be asked about.
    pub failed: u32,
    /// The first hundred active rows whose number the carrier does not hold.
    pub found: Vec<FoundInTable>,
    /// How many more there are.
    pub more: u32,
}

/// An active row whose number the carrier does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundInTable {
    pub number_id: String,
    pub organization_id: String,
    pub carrier_id: String,
    pub last4: String,
}

impl Reconciler {
    /// Sweeps as ordered, beginning no step after `deadline`. Whatever stops it, the report says how to go on.
    pub async fn sweep(&self, order: &SweepOrder, deadline: Instant) -> SweepReport {
        let mut sweep = Sweep {
            reconciler: self,
            order,
            deadline,
            report: SweepReport::default(),
            listed: HashSet::new(),
            suspects: Vec::new(),
        };
        // Boxed, because the SDK's futures within are large.
        let stopped = Box::pin(sweep.run()).await.err();
        let mut report = sweep.report;
        report.complete = stopped.is_none();
        if let Some(Stopped { from, cause }) = stopped {
            tracing::warn!(error.cause = ?cause, "a sweep was stopped before its end");
            report.next = Some(Task::Sweep(SweepOrder { from, ..order.clone() }));
        }
        report.log();
        report
    }
}

impl SweepReport {
    fn log(&self) {
        let (carrier, table) = (&self.at_carrier, &self.in_table);
        let wrong = carrier.orphans + carrier.disputed + carrier.strangers + carrier.more + table.orphans;
        let unknown = carrier.unreadable + carrier.failed + table.failed;
        // As one field, because whoever reads of an orphan needs to know which; of phone numbers it holds the last four digits.
        let report = serde_json::to_string(self).unwrap_or_default();
        if wrong > carrier.released || unknown > 0 {
            tracing::error!(sweep.report = report, "the carrier's numbers and the table differ");
        } else if self.complete {
            tracing::info!(sweep.report = report, "the carrier's numbers and the table have been compared");
        } else {
            tracing::error!(sweep.report = report, "a sweep is not complete; send the event that its report names");
        }
    }
}

/// Why a sweep ended early, and where to go on.
struct Stopped {
    from: From,
    cause: Error,
}

impl Stopped {
    fn at_page(page: NonZeroU32, cause: Error) -> Self {
        Self { from: From::CarrierPage(page), cause }
    }
}

/// A number that looks wrong at first sight.
struct Suspect {
    page: NonZeroU32,
    number: HeldNumber,
}

/// How a number at the carrier stands here.
enum Standing {
    Matched,
    Settling,
    Disputed,
    Unknown,
}

impl Standing {
    fn of(number: &HeldNumber, holder: Option<&Holder>) -> Self {
        let row = match holder {
            None => return Self::Unknown,
            Some(Holder::Unreadable) => return Self::Disputed,
            Some(Holder::Row(row)) => row,
        };
        match &row.source {
            Source::Managed(Order::Active { resource }) if *resource == number.id => Self::Matched,
            // An order in doubt may be for this very number, whatever its reference says.
            Source::Managed(Order::Ordering | Order::Releasing { .. }) => Self::Settling,
            Source::Managed(Order::Active { .. }) | Source::SipTrunk { .. } => Self::Disputed,
        }
    }
}

/// A sweep under way.
struct Sweep<'a> {
    reconciler: &'a Reconciler,
    order: &'a SweepOrder,
    deadline: Instant,
    report: SweepReport,
    /// The carrier's ids of the numbers that it has listed in this run.
    listed: HashSet<String>,
    suspects: Vec<Suspect>,
}

impl Sweep<'_> {
    async fn run(&mut self) -> Result<(), Stopped> {
        let (place, unlisted) = match &self.order.from {
            From::CarrierPage(page) => {
                self.compare_carrier(*page).await?;
                (Place::start(), 1..page.get())
            }
            From::Table(place) => (place.clone(), 1..u32::MAX),
        };
        let stopped = |cause| Stopped { from: From::Table(place.clone()), cause };
        self.list(unlisted).await.map_err(stopped)?;
        self.compare_table(place).await
    }

    /// Reads the carrier's list from `first` on, and says what of it nobody here has.
    async fn compare_carrier(&mut self, first: NonZeroU32) -> Result<(), Stopped> {
        // The rest is for looking again.
        let until = self.deadline - self.left() / 4;
        let mut page = first;
        let stopped = loop {
            match self.compare_page(page, until).await {
                Ok(true) => break None,
                Ok(false) => page = page.saturating_add(1),
                Err(cause) => break Some(Stopped::at_page(page, cause)),
            }
        };
        // Earlier than where the list was left, so that no suspect is lost.
        self.judge_suspects().await?;
        stopped.map_or(Ok(()), Err)
    }

    /// True for the last page.
    async fn compare_page(&mut self, page: NonZeroU32, until: Instant) -> Result<bool> {
        in_time(until)?;
        let held = self.ask(async || self.reconciler.carrier.held(page.get()).await).await?;
        let numbers: BTreeSet<E164> = held.ours.iter().map(|number| number.e164.clone()).collect();
        let holders = self.reconciler.table.holders(&numbers).await?;
        self.listed.extend(held.ids.iter().map(|id| id.as_str().to_owned()));
        let side = &mut self.report.at_carrier;
        side.foreign += held.foreign;
        side.unreadable += held.unreadable;
        for number in held.ours {
            match Standing::of(&number, holders.get(&number.e164)) {
                Standing::Matched => side.matched += 1,
                Standing::Settling => side.settling += 1,
                Standing::Disputed | Standing::Unknown if self.suspects.len() < NAMED => {
                    self.suspects.push(Suspect { page, number });
                }
                Standing::Disputed | Standing::Unknown => side.more += 1,
            }
        }
        Ok(held.last)
    }

    /// Looks at each suspect again, and gives the orphans back when that was ordered.
    async fn judge_suspects(&mut self) -> Result<(), Stopped> {
        let mut orphans = Vec::new();
        for Suspect { page, number } in std::mem::take(&mut self.suspects) {
            match self.look_again(&number).await {
                Ok(Some(found)) => {
                    if found.finding == Finding::Orphan {
                        orphans.push((self.report.at_carrier.found.len(), page, number));
                    }
                    self.report.at_carrier.add(found);
                }
                Ok(None) => {}
                Err(cause) if stops(&cause) => {
                    // Orphans that were to be given back are looked for again.
                    let first = orphans.first().filter(|_| self.order.apply).map_or(page, |(_, first, _)| *first);
                    return Err(Stopped::at_page(first, cause));
                }
                Err(cause) => self.report.at_carrier.fail(&number, &cause),
            }
        }
        if !self.order.apply {
            return Ok(());
        }
        let most = self.order.most.min(u32::try_from(NAMED).unwrap_or(u32::MAX));
        let side = &mut self.report.at_carrier;
        if side.orphans > most || side.more > 0 {
            side.held_back = side.orphans;
            return Ok(());
        }
        for (at, page, number) in orphans {
            match self.give_back(&number).await {
                Ok(released) => {
                    self.report.at_carrier.found[at].released = released;
                    self.report.at_carrier.released += u32::from(released);
                }
                Err(cause) if stops(&cause) => return Err(Stopped::at_page(page, cause)),
                Err(cause) => self.report.at_carrier.fail(&number, &cause),
            }
        }
        Ok(())
    }

    /// What is wrong with a number, after both sides were asked again; `None` when it has come into order.
    async fn look_again(&mut self, suspect: &HeldNumber) -> Result<Option<FoundAtCarrier>> {
        in_time(self.deadline)?;
        let Reconciler { carrier, clock, .. } = self.reconciler;
        let held = self.ask(async || carrier.held_number(&suspect.id).await).await?;
        let Some((number, reference)) = held.and_then(|held| held.reference.clone().map(|reference| (held, reference)))
        else {
            return Ok(None);
        };
        let standing = self.standing(&number).await?;
        let age = number.since.map(|since| clock.now().since(since));
        let finding = match standing {
            Standing::Matched => {
                self.report.at_carrier.matched += 1;
                return Ok(None);
            }
            Standing::Settling => {
                self.report.at_carrier.settling += 1;
                return Ok(None);
            }
            Standing::Disputed => Finding::Disputed,
            Standing::Unknown if age.is_none_or(|age| age < YOUNG) => Finding::Young,
            Standing::Unknown => self.by_tags(&number, &reference).await?,
        };
        Ok(Some(FoundAtCarrier {
            finding,
            number_id: reference.to_string(),
            carrier_id: number.id.as_str().to_owned(),
            organization_id: number.owners.first().map(ToString::to_string),
            last4: last4(&number.e164),
            age_hours: age.map(|age| age.as_secs() / 3600),
            released: false,
        }))
    }

    async fn standing(&self, number: &HeldNumber) -> Result<Standing> {
        let holders = self.reconciler.table.holders(&BTreeSet::from([number.e164.clone()])).await?;
        Ok(Standing::of(number, holders.get(&number.e164)))
    }

    /// What is wrong with a number whose phone number nobody here has, as far as its tags tell: every number that was set
    /// up is tagged with its organization.
    async fn by_tags(&self, number: &HeldNumber, reference: &PhoneNumberId) -> Result<Finding> {
        let table = &self.reconciler.table;
        let mut known = number.owners.is_empty();
        for owner in &number.owners {
            if table.find_number(owner, reference).await?.is_some() {
                // Its row has another phone number.
                return Ok(Finding::Disputed);
            }
            known |= table.knows(owner).await?;
        }
        Ok(if known { Finding::Orphan } else { Finding::Stranger })
    }

    /// Gives an orphan back to the carrier, unless somebody here has it after all.
    ///
    /// Nobody can buy it between the last look and the release: the carrier sells only what is not ours.
    async fn give_back(&mut self, number: &HeldNumber) -> Result<bool> {
        in_time(self.deadline)?;
        if !matches!(self.standing(number).await?, Standing::Unknown) {
            return Ok(false);
        }
        self.ask(async || self.reconciler.carrier.release(&number.id).await).await?;
        let reference = number.reference.as_ref().map(PhoneNumberId::as_str);
        tracing::warn!(
            number.id = reference,
            carrier.id = number.id.as_str(),
            "a number at the carrier that nobody here has was given back"
        );
        Ok(true)
    }

    /// Learns the ids on pages that this run has not compared. It takes at most half of the time that is left: what it
    /// does not reach is asked about one by one.
    async fn list(&mut self, pages: std::ops::Range<u32>) -> Result<()> {
        let until = self.deadline - self.left() / 2;
        for page in pages {
            if Instant::now() >= until {
                break;
            }
            let held = self.ask(async || self.reconciler.carrier.held(page).await).await?;
            self.listed.extend(held.ids.iter().map(|id| id.as_str().to_owned()));
            if held.last {
                break;
            }
        }
        Ok(())
    }

    /// Walks the rows from `place` on, and says which active ones the carrier has nothing for.
    async fn compare_table(&mut self, place: Place) -> Result<(), Stopped> {
        let mut next = Some(place);
        while let Some(place) = next {
            next = match self.compare_rows(&place).await {
                Ok(next) => next,
                Err(cause) => return Err(Stopped { from: From::Table(place), cause }),
            };
        }
        Ok(())
    }

    async fn compare_rows(&mut self, place: &Place) -> Result<Option<Place>> {
        in_time(self.deadline)?;
        let (rows, next) = self.reconciler.table.charged_numbers(place).await?;
        for row in rows {
            let Source::Managed(Order::Active { resource }) = &row.source else { continue };
            if self.listed.contains(resource.as_str()) {
                self.report.in_table.matched += 1;
                continue;
            }
            match self.look_up(&row).await {
                Err(cause) if stops(&cause) => return Err(cause),
                Err(cause) => {
                    self.report.in_table.failed += 1;
                    tracing::warn!(number.id = %row.id, error.cause = ?cause, "a row could not be compared");
                }
                Ok(()) => {}
            }
        }
        Ok(next)
    }

    /// Asks the carrier about a row whose number it has not listed, and then reads the row again.
    async fn look_up(&mut self, row: &PhoneNumber) -> Result<()> {
        in_time(self.deadline)?;
        let Some(resource) = row.resource() else { return Ok(()) };
        let held = self.ask(async || self.reconciler.carrier.held_number(resource).await).await?;
        let side = &mut self.report.in_table;
        if held.is_some_and(|held| held.e164 == row.e164) {
            side.matched += 1;
            return Ok(());
        }
        let current = self.reconciler.table.find_number(&row.organization, &row.id).await?;
        if current.is_none_or(|current| current.source != row.source) {
            side.settling += 1;
            return Ok(());
        }
        side.orphans += 1;
        if side.found.len() == NAMED {
            side.more += 1;
        } else {
            side.found.push(FoundInTable {
                number_id: row.id.to_string(),
                organization_id: row.organization.to_string(),
                carrier_id: resource.as_str().to_owned(),
                last4: last4(&row.e164),
            });
        }
        Ok(())
    }

    /// Asks the carrier something: again when it did not answer, and after a while when it throttles and that while
    /// ends in time.
    async fn ask<T>(&self, question: impl AsyncFn() -> Result<T>) -> Result<T> {
        let mut tries = 0;
        loop {
            match question().await {
                Err(Error::CarrierThrottled { retry_after, .. }) if retry_after < self.left() => {
                    sleep(retry_after).await;
                }
                Err(Error::CarrierUnavailable(_)) if tries < RETRIES && !self.left().is_zero() => tries += 1,
                answer => return answer,
            }
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl CarrierSide {
    fn add(&mut self, found: FoundAtCarrier) {
        match found.finding {
            Finding::Orphan => self.orphans += 1,
            Finding::Young => self.young += 1,
            Finding::Disputed => self.disputed += 1,
            Finding::Stranger => self.strangers += 1,
        }
        self.found.push(found);
    }

    fn fail(&mut self, number: &HeldNumber, cause: &Error) {
        self.failed += 1;
        let id = number.id.as_str();
        tracing::warn!(carrier.id = id, error.cause = ?cause, "a number at the carrier could not be judged");
    }
}

/// # Errors
/// It is too late to begin another step.
fn in_time(until: Instant) -> Result<()> {
    if Instant::now() < until { Ok(()) } else { Err(Error::Busy("the time of this run is up".into())) }
}

/// Whether a sweep ends with this error. What only concerns one number is counted, and the sweep goes on.
fn stops(cause: &Error) -> bool {
    !matches!(cause, Error::CarrierUnavailable(_))
}

fn last4(number: &E164) -> String {
    let digits = number.digits();
    digits[digits.len().saturating_sub(4)..].to_owned()
}
