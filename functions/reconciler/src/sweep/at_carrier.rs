//! The carrier's side: numbers that it holds for us and that nobody here has.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::carrier::{CarrierNumberId, HeldNumber, Release};
use domain::number::{Order, Source};
use domain::{Clock, E164, Error, PhoneNumberId, Result, Timestamp, chain};
use table::Holder;

use super::report::{Finding, FoundAtCarrier};
use super::{From, NAMED_IN_REPORT, Stopped, Sweep, in_time, stops};
use crate::Reconciler;

/// Younger numbers are not orphans yet: their order may be in flight, or wait for the reconciler.
const YOUNG_UNTIL: Duration = Duration::from_hours(24);

/// A number that is to be released once the whole list has been read.
pub(super) struct Orphan {
    id: CarrierNumberId,
    /// Whether it stands in this run's report; otherwise an earlier part of the sweep has found it.
    reported: bool,
}

impl Orphan {
    pub(super) fn found_earlier(id: CarrierNumberId) -> Self {
        Self { id, reported: false }
    }
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
            Source::Managed(Order::Ordering { .. } | Order::Releasing { .. }) => Self::Settling,
            Source::Managed(Order::Active { .. }) | Source::SipTrunk { .. } => Self::Disputed,
        }
    }
}

/// What a second look at a number says.
enum SecondLook {
    /// The carrier does not hold it any more, or not for us.
    Gone,
    Matched,
    Settling,
    Wrong(FoundAtCarrier),
}

impl SecondLook {
    fn is_orphan(&self) -> bool {
        matches!(self, Self::Wrong(found) if found.finding == Finding::Orphan)
    }
}

impl Sweep<'_> {
    /// Reads the carrier's list from `first` on, and says what of it nobody here has.
    pub(super) async fn compare_carrier(&mut self, first: NonZeroU32) -> Result<(), Stopped> {
        let mut page = first;
        loop {
            match self.compare_page(page).await {
                Ok(true) => return Ok(()),
                Ok(false) => page = page.saturating_add(1),
                // What was found is carried on, and released by whoever reads the rest of the list.
                Err(cause) => {
                    return Err(Stopped { from: From::Carrier { page, orphans: self.orphans_from(0) }, cause });
                }
            }
        }
    }

    /// True for the last page.
    async fn compare_page(&mut self, page: NonZeroU32) -> Result<bool> {
        in_time(self.deadline)?;
        let mut held = self.ask(|| self.reconciler.carrier.held(page.get())).await?;
        // A number that has moved to this page meanwhile has been compared on an earlier one.
        held.ours.retain(|number| !self.listed.contains(number.id.as_str()));
        let numbers: BTreeSet<E164> = held.ours.iter().map(|number| number.e164.clone()).collect();
        let holders = self.reconciler.table.holders(&numbers).await?;
        self.listed.extend(held.ids.iter().map(|id| id.as_str().to_owned()));
        self.report.at_carrier.foreign += held.foreign;
        self.report.at_carrier.unreadable += held.unreadable;
        for number in held.ours {
            match Standing::of(&number, holders.get(&number.e164)) {
                Standing::Matched => self.report.at_carrier.matched += 1,
                Standing::Settling => self.report.at_carrier.settling += 1,
                Standing::Disputed => self.suspect(&number, false).await?,
                Standing::Unknown => self.suspect(&number, number.tagged_here).await?,
            }
        }
        Ok(held.last)
    }

    /// Looks again at a number that looks wrong, as long as there is a place for it in the report: orphans do not wait
    /// behind what is for a person.
    async fn suspect(&mut self, number: &HeldNumber, may_be_orphan: bool) -> Result<()> {
        in_time(self.deadline)?;
        if self.orphans.iter().any(|orphan| orphan.id == number.id) {
            return Ok(());
        }
        let has_place = if may_be_orphan {
            // Collecting one more than may be released is enough: above the limit nothing is released.
            self.orphans.len() < NAMED_IN_REPORT.max(self.most() + 1)
        } else {
            self.report.at_carrier.has_place()
        };
        if !has_place {
            self.report.at_carrier.more += 1;
            return Ok(());
        }
        let id = &number.id;
        match self.ask(|| self.judge(id)).await {
            Ok(verdict) => {
                if verdict.is_orphan() {
                    self.orphans.push(Orphan { id: id.clone(), reported: true });
                }
                self.count(verdict);
                Ok(())
            }
            Err(cause) if stops(&cause) => Err(cause),
            Err(cause) => {
                if may_be_orphan {
                    self.orphans.push(Orphan::found_earlier(id.clone()));
                }
                self.fail(id, &cause);
                Ok(())
            }
        }
    }

    /// Gives back the orphans of the whole list, if that was ordered and if there are not too many.
    pub(super) async fn release_orphans(&mut self) -> Result<(), Stopped> {
        if !self.order.apply {
            return Ok(());
        }
        if self.orphans.len() > self.most() {
            self.report.at_carrier.held_back = u32::try_from(self.orphans.len()).unwrap_or(u32::MAX);
            return Ok(());
        }
        for at in 0..self.orphans.len() {
            let Orphan { id, reported } = &self.orphans[at];
            let (id, reported) = (id.clone(), *reported);
            match self.release_orphan(&id, reported).await {
                Ok(()) => {}
                Err(cause) if stops(&cause) => {
                    return Err(Stopped { from: From::Orphans(self.orphans_from(at)), cause });
                }
                Err(cause) => self.fail(&id, &cause),
            }
        }
        Ok(())
    }

    /// Gives an orphan back to the carrier, unless it is none any more. It is looked at directly before each attempt,
    /// because minutes may lie between two of them.
    async fn release_orphan(&mut self, id: &CarrierNumberId, reported: bool) -> Result<()> {
        let attempt = || async {
            in_time(self.deadline)?;
            let verdict = self.judge(id).await?;
            if verdict.is_orphan() {
                // The account was listing it a moment ago, so what it does not know any more is gone.
                if let Release::Refused(cause) = self.reconciler.carrier.release(id).await? {
                    return Err(Error::ReleaseRefused(cause.into()));
                }
            }
            Ok(verdict)
        };
        let verdict = self.ask(attempt).await?;
        self.failed.remove(id.as_str());
        let released = verdict.is_orphan();
        if let SecondLook::Wrong(found) = &verdict
            && released
        {
            let number = &found.number_id;
            tracing::warn!(number.id = number, carrier.id = id.as_str(), "an orphan was released at the carrier");
        }
        // Gone by another sweep, or by an attempt whose answer was lost.
        let gone = released || matches!(verdict, SecondLook::Gone);
        if !reported {
            self.count(verdict);
        }
        if gone {
            self.report.at_carrier.release(id);
        }
        Ok(())
    }

    /// What is wrong with a number, after both sides were asked again, the table last.
    async fn judge(&self, id: &CarrierNumberId) -> Result<SecondLook> {
        let Reconciler { carrier, table, clock, .. } = self.reconciler;
        let Some(number) = carrier.held_number(id).await? else { return Ok(SecondLook::Gone) };
        let Some(reference) = number.reference.clone() else { return Ok(SecondLook::Gone) };
        let age = age(&number, &reference, clock.as_ref());
        let by_tags = self.by_tags(&number, &reference).await?;
        let holders = table.holders(&BTreeSet::from([number.e164.clone()])).await?;
        let finding = match Standing::of(&number, holders.get(&number.e164)) {
            Standing::Matched => return Ok(SecondLook::Matched),
            Standing::Settling => return Ok(SecondLook::Settling),
            Standing::Disputed => Finding::Disputed,
            Standing::Unknown => match age {
                None => Finding::Disputed,
                Some(age) if age < YOUNG_UNTIL => Finding::Young,
                Some(_) => by_tags,
            },
        };
        Ok(SecondLook::Wrong(FoundAtCarrier::new(finding, &number, &reference, age)))
    }

    /// What is wrong with a number whose phone number nobody here has, as far as its tags tell: every number that was set
    /// up is tagged with its organization and with its deployment. One without them may be anybody's.
    async fn by_tags(&self, number: &HeldNumber, reference: &PhoneNumberId) -> Result<Finding> {
        let table = &self.reconciler.table;
        let mut known = false;
        for owner in &number.owners {
            if table.find_number(owner, reference).await?.is_some() {
                // Its row has another phone number.
                return Ok(Finding::Disputed);
            }
            known |= table.has_organization(owner).await?;
        }
        Ok(if known && number.tagged_here { Finding::Orphan } else { Finding::Stranger })
    }

    fn count(&mut self, verdict: SecondLook) {
        let side = &mut self.report.at_carrier;
        match verdict {
            SecondLook::Gone => {}
            SecondLook::Matched => side.matched += 1,
            SecondLook::Settling => side.settling += 1,
            SecondLook::Wrong(found) => side.add(found),
        }
    }

    fn fail(&mut self, id: &CarrierNumberId, cause: &Error) {
        self.failed.insert(id.as_str().to_owned());
        tracing::warn!(carrier.id = id.as_str(), error.cause = %chain(cause), "a number at the carrier could not be compared");
    }

    /// What another run goes on with: one more than may be released is as good as all of them.
    fn orphans_from(&self, first: usize) -> Vec<CarrierNumberId> {
        self.orphans[first..].iter().map(|orphan| orphan.id.clone()).take(self.most() + 1).collect()
    }
}

/// How long the carrier has had a number: since the later one of purchase and creation, or since its order where the
/// carrier gives no time, or one that has not come yet. `None` when the order has not come yet either.
fn age(number: &HeldNumber, reference: &PhoneNumberId, clock: &dyn Clock) -> Option<Duration> {
    let now = clock.now();
    let past = |moment: &Timestamp| *moment <= now;
    let since = number.since.filter(past).or_else(|| Some(reference.made_at()).filter(past))?;
    Some(now.since(since))
}
