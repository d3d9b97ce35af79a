//! The sweep: compares the numbers that the carrier holds with the table, and names the orphans of both sides; then
//! compares the books of each organization with each other.
//!
//! It is dry unless told otherwise. Told so, it releases numbers at the carrier that this deployment has bought and
//! nobody here has; about rows whose number the carrier has lost it does nothing, because a customer has paid for them: a
//! person decides.
//!
//! From the carrier's side it reads the whole list, 250 numbers a page. The owners of a page are read in two rounds of
//! batches (claims, then rows), not one by one. From the table's side it walks the index of months to be paid, which
//! every active number is in, 100 rows a batch, and asks the carrier only about those that the list lacked. So 10,000
//! numbers cost 40 calls to the carrier and some 450 to the table. The books of an organization cost three calls, and more
//! where it has more than 250 entries or events.
//!
//! The carrier's list and our index are eventually consistent, so every suspect is read again before it is reported: at
//! the carrier by its id, and here strongly. Nothing is released until the whole list is read, in one run or in several
//! that pass on what they found: too many orphans mean a wrong table, not orphans. Each is read once more directly before
//! it is released. Releasing a number twice is harmless, and so are two sweeps at once.

mod at_carrier;
mod ids;
mod in_books;
mod in_table;
mod report;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::carrier::CarrierNumberId;
use domain::{Error, OrganizationId, Result, chain};
use serde::{Deserialize, Serialize};
use table::Place;
use tokio::time::{Instant, sleep};

pub use self::report::{
    BooksSide, CarrierSide, Finding, FoundAtCarrier, FoundInBooks, FoundInTable, SweepReport, TableSide,
};

use self::at_carrier::Orphan;
use crate::{Reconciler, Task};

/// No step of a sweep is begun after this; the function's time-out is five minutes.
pub const SWEEP_TIME: Duration = Duration::from_mins(4);
/// How many orphans of each side a report names at least, and how many others of the carrier's side.
const NAMED_IN_REPORT: usize = 100;
/// How many numbers one sweep releases, unless told otherwise.
const RELEASES_BY_DEFAULT: u32 = 10;
/// More than this cannot be allowed: an answer and a log entry name each of them.
const RELEASES_LIMIT: u32 = 500;
/// How often a question is asked again that the carrier has not answered.
const RETRIES: u32 = 2;

/// How a sweep is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SweepOrder {
    /// Whether orphans at the carrier are released; otherwise nothing is changed anywhere.
    pub apply: bool,
    /// Give back nothing at all when there are more orphans than this, at most 500: so many are rather a wrong table.
    #[serde(deserialize_with = "read_most")]
    pub most: u32,
    /// Where to begin.
    pub from: From,
}

impl Default for SweepOrder {
    /// Dry, and from the beginning.
    fn default() -> Self {
        Self { apply: false, most: RELEASES_BY_DEFAULT, from: From::beginning() }
    }
}

fn read_most<'de, D: serde::Deserializer<'de>>(text: D) -> Result<u32, D::Error> {
    let most = u32::deserialize(text)?;
    if most > RELEASES_LIMIT {
        return Err(serde::de::Error::custom(format!("most may be {RELEASES_LIMIT} at the most")));
    }
    Ok(most)
}

/// Where a sweep begins, or goes on: first the carrier's list, then what is to be released, then the table, then the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum From {
    /// A page of the carrier's list, with the orphans of the pages before it, up to one more than may be
    /// released.
    Carrier {
        page: NonZeroU32,
        #[serde(with = "ids::carrier")]
        orphans: Vec<CarrierNumberId>,
    },
    /// The orphans that are still to be released of a list that was read to its end.
    Orphans(#[serde(with = "ids::carrier")] Vec<CarrierNumberId>),
    /// A place in the table's index.
    Table(Place),
    /// The last organization whose books were compared; `None` for all of them.
    #[serde(with = "ids::organization")]
    Books(Option<OrganizationId>),
}

impl From {
    fn beginning() -> Self {
        Self::Carrier { page: NonZeroU32::MIN, orphans: Vec::new() }
    }
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
            orphans: Vec::new(),
            failed: HashSet::new(),
        };
        // Boxed, because the SDK's futures within are large.
        let stopped = Box::pin(sweep.run()).await.err();
        let mut report = sweep.report;
        report.at_carrier.failed = u32::try_from(sweep.failed.len()).unwrap_or(u32::MAX);
        report.complete = stopped.is_none();
        if let Some(Stopped { from, cause }) = stopped {
            tracing::warn!(error.cause = %chain(&cause), "a sweep stopped before its end");
            report.next = Some(Task::Sweep(SweepOrder { from, ..order.clone() }));
        }
        report.log();
        report
    }
}

/// Why a sweep ended early, and where to go on.
struct Stopped {
    from: From,
    cause: Error,
}

/// A sweep under way.
struct Sweep<'a> {
    reconciler: &'a Reconciler,
    order: &'a SweepOrder,
    deadline: Instant,
    report: SweepReport,
    /// The carrier's ids of the numbers that it has listed in this run.
    listed: HashSet<String>,
    /// What is to be released, as far as is known; what could not be looked at may belong to it.
    orphans: Vec<Orphan>,
    /// The carrier's ids of the numbers that could not be looked at, or not be released.
    failed: HashSet<String>,
}

impl Sweep<'_> {
    async fn run(&mut self) -> Result<(), Stopped> {
        let (place, unlisted) = match &self.order.from {
            From::Carrier { page, orphans } => {
                self.go_on_with(orphans);
                self.compare_carrier(*page).await?;
                self.release_orphans().await?;
                (Place::start(), 1..page.get())
            }
            From::Orphans(orphans) => {
                self.go_on_with(orphans);
                self.release_orphans().await?;
                (Place::start(), 1..u32::MAX)
            }
            From::Table(place) => (place.clone(), 1..u32::MAX),
            From::Books(last) => return self.compare_books(last.clone()).await,
        };
        let stopped = |cause| Stopped { from: From::Table(place.clone()), cause };
        self.list(unlisted).await.map_err(stopped)?;
        self.compare_table(place).await?;
        self.compare_books(None).await
    }

    fn go_on_with(&mut self, orphans: &[CarrierNumberId]) {
        self.orphans.extend(orphans.iter().cloned().map(Orphan::found_earlier));
    }

    fn most(&self) -> usize {
        usize::try_from(self.order.most.min(RELEASES_LIMIT)).unwrap_or(usize::MAX)
    }

    /// Asks the carrier something: again when it did not answer, and after a while when it throttles and that while
    /// ends in time.
    async fn ask<T, F: Future<Output = Result<T>>>(&self, question: impl Fn() -> F) -> Result<T> {
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

/// # Errors
/// It is too late to begin another step.
fn in_time(until: Instant) -> Result<()> {
    if Instant::now() < until { Ok(()) } else { Err(Error::Busy("the time of this run is up".into())) }
}

/// Whether a sweep ends with this error. What only concerns one number is counted, and the sweep goes on.
fn stops(cause: &Error) -> bool {
    !matches!(cause, Error::CarrierUnavailable(_) | Error::ReleaseRefused(_))
}
