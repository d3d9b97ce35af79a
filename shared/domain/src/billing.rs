//! What a number costs, when, and what becomes of one that is not paid for.

use std::ops::Range;
use std::time::Duration;

use crate::number::{Order, PhoneNumber, ReleaseReason, Source};
use crate::renewal::{Period, Renewable, Renewal, TRIED_AGAIN_AFTER};
use crate::{Error, MicroUsd, Result, Timestamp};

/// A refusal proves that a number cannot be paid for as long as it is no older than this: an hour.
const REFUSAL_IS_NEW_FOR: Duration = Duration::from_hours(1);

/// What a number costs and when. Prices are those of the day it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billing {
    pub upfront: MicroUsd,
    pub monthly: MicroUsd,
    /// The first month that is not paid, counted from 0, the one that began with the registration; `None` for a free number.
    pub next_month: Option<u32>,
    pub last_charged_at: Option<Timestamp>,
    /// Set when credits did not cover a month, cleared by the payment that covers all that have begun.
    pub arrears: Option<Arrears>,
}

/// Since when a number is suspended for want of credits, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrears {
    pub suspended_at: Timestamp,
    /// When the number is released unless it is paid for. An announced date only moves later.
    pub release_at: Timestamp,
    /// The first of the refusals between which the schedule was alive all the time.
    pub refused_since: Timestamp,
    /// The last refusal.
    pub refused_at: Timestamp,
}

impl Arrears {
    fn begin(now: Timestamp, grace: Duration) -> Self {
        Self { suspended_at: now, release_at: now.plus(grace), refused_since: now, refused_at: now }
    }

    /// When the number is charged again: daily, and when it is to be released.
    #[must_use]
    pub fn next_try_at(&self) -> Timestamp {
        let daily = self.refused_at.plus(TRIED_AGAIN_AFTER);
        if self.release_at > self.refused_at { daily.min(self.release_at) } else { daily }
    }

    /// Two refusals a day or more apart, the later of them new, with the schedule alive in between.
    fn is_proven(&self, now: Timestamp) -> bool {
        self.refused_at.since(self.refused_since) >= TRIED_AGAIN_AFTER
            && now.since(self.refused_at) <= REFUSAL_IS_NEW_FOR
    }
}

/// Under which a number is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From the suspension of a number that is not paid for to its release.
    pub grace: Duration,
    /// Since when the schedule has run without a gap.
    pub alive_since: Timestamp,
}

/// What a renewal makes of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It was paid for, suspended or lifted, or its release was put off.
    Changed(PhoneNumber),
    /// It was charged in vain again, which nobody sees.
    Refused(PhoneNumber),
    /// Nobody pays for it, and it is to leave.
    Forfeit(PhoneNumber),
}

impl PhoneNumber {
    /// The number as what was decided about it leaves it.
    ///
    /// # Errors
    /// As [`charge`](Self::charge), [`suspend`](Self::suspend), [`lift`](Self::lift), [`refuse`](Self::refuse).
    pub fn renew(
        self,
        Renewal { number: _, paid, refused }: &Renewal<'_>,
        terms: Terms,
        now: Timestamp,
    ) -> Result<Renewed> {
        let Terms { grace, alive_since } = terms;
        let months = paid.end - paid.start;
        let changed = match (self.billing.arrears.is_some(), months) {
            (true, 0) => {
                let version = self.version;
                let refused = self.refuse(alive_since, now)?;
                return Ok(if refused.is_forfeit(now) {
                    Renewed::Forfeit(refused)
                } else if refused.version == version {
                    Renewed::Refused(refused)
                } else {
                    Renewed::Changed(refused)
                });
            }
            (true, _) => self.lift(now)?,
            (false, 0) => self.suspend(grace, now)?,
            (false, _) if *refused => self.charge(months, now)?.suspend(grace, now)?,
            (false, _) => self.charge(months, now)?,
        };
        Ok(Renewed::Changed(changed))
    }

    /// The number as renewals see it. `None` for one that is not charged: a free one, one whose order is in doubt, one that is
    /// being released.
    #[must_use]
    pub fn renewable(&self) -> Option<Renewable> {
        let next_month = self.billing.next_month.filter(|_| self.settled())?;
        let (anchor, arrears) = (self.created_at, self.billing.arrears.as_ref());
        Some(Renewable {
            id: self.id.clone(),
            e164: self.e164.clone(),
            anchor,
            next_month,
            monthly: self.billing.monthly,
            is_in_arrears: arrears.is_some(),
            next_try_at: arrears.map_or_else(|| anchor.months_later(next_month), Arrears::next_try_at),
        })
    }

    /// When the next month is due that is not paid; for a free number the next monthly anniversary.
    #[must_use]
    pub fn next_charge_at(&self, now: Timestamp) -> Timestamp {
        match self.billing.next_month {
            Some(n) => self.created_at.months_later(n),
            None => self.created_at.anniversary_after(now),
        }
    }

    /// What was debited when the number was bought.
    #[must_use]
    pub fn purchase_price(&self) -> MicroUsd {
        self.billing.upfront + self.billing.monthly
    }

    /// The month that is in the price of the purchase.
    #[must_use]
    pub fn first_month(&self) -> Period {
        Period { start: self.created_at, end: self.created_at.months_later(1) }
    }

    /// The paid months that begin at or after the moment at which another carrier took the number over: they are given back, the
    /// others are not. The first month is in the price of the purchase, and is never given back.
    #[must_use]
    pub fn paid_after(&self, ported_at: Timestamp) -> Range<u32> {
        let next = self.billing.next_month.unwrap_or(1).max(1);
        let first = (1..next).find(|n| self.created_at.months_later(*n) >= ported_at).unwrap_or(next);
        first..next
    }

    /// Months that have begun while an order was in doubt are not owed.
    pub(crate) fn skip_begun_months(&mut self, now: Timestamp) {
        while let Some(n) = self.billing.next_month
            && self.created_at.months_later(n) <= now
        {
            self.billing.next_month = Some(n + 1);
        }
    }

    /// Pays the next `months` months of a number that is in use.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] for a number that is not charged, or suspended; [`Error::Changed`] when not so many months have
    /// begun.
    pub fn charge(self, months: u32, now: Timestamp) -> Result<Self> {
        if self.billing.arrears.is_some() {
            return Err(Error::NumberBusy);
        }
        self.paid(months, now)
    }

    /// Pays all months of a suspended number that have begun, which ends its suspension.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] for a number that is not charged, or not suspended.
    pub fn lift(mut self, now: Timestamp) -> Result<Self> {
        let owed = self.renewable().ok_or(Error::NumberBusy)?.owed(now);
        self.billing.arrears.take().ok_or(Error::NumberBusy)?;
        self.paid(owed.end - owed.start, now)
    }

    fn paid(mut self, months: u32, now: Timestamp) -> Result<Self> {
        let owed = self.renewable().ok_or(Error::NumberBusy)?.owed(now);
        let next = owed.start.saturating_add(months);
        if months == 0 || next > owed.end {
            return Err(Error::Changed);
        }
        self.billing.next_month = Some(next);
        self.billing.last_charged_at = Some(now);
        Ok(self.touched(now))
    }

    /// Takes a number out of use whose month the credits do not cover. It is released after `grace` unless it is paid for.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] for a number that is not charged, or suspended already; [`Error::Changed`] when nothing is owed.
    pub fn suspend(mut self, grace: Duration, now: Timestamp) -> Result<Self> {
        let owed = self.renewable().ok_or(Error::NumberBusy)?.owed(now);
        if self.billing.arrears.is_some() {
            return Err(Error::NumberBusy);
        }
        if owed.is_empty() {
            return Err(Error::Changed);
        }
        self.billing.arrears = Some(Arrears::begin(now, grace));
        Ok(self.touched(now))
    }

    /// A suspended number is not covered when it is charged again. When it was to be released by now and that is not proven
    /// to be right, its release moves to a day from now. `alive_since` is since when the schedule has run without a gap:
    /// refusals of before count for nothing, because credits may have come and gone unseen.
    ///
    /// Only a new date of release is a change that anybody sees, so otherwise the version stays.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] for a number that is not charged, or not suspended.
    pub fn refuse(mut self, alive_since: Timestamp, now: Timestamp) -> Result<Self> {
        let charged = self.renewable().is_some();
        let arrears = self.billing.arrears.as_mut().filter(|_| charged).ok_or(Error::NumberBusy)?;
        if arrears.refused_since < alive_since {
            arrears.refused_since = now;
        }
        arrears.refused_at = now;
        if arrears.release_at <= now && !arrears.is_proven(now) {
            arrears.release_at = now.plus(TRIED_AGAIN_AFTER);
            return Ok(self.touched(now));
        }
        Ok(self)
    }

    /// Whether a number that is not paid for is to be released: its announced date has come, and it was refused twice.
    #[must_use]
    pub fn is_forfeit(&self, now: Timestamp) -> bool {
        let arrears = self.billing.arrears.filter(|_| self.renewable().is_some());
        arrears.is_some_and(|arrears| arrears.release_at <= now && arrears.is_proven(now))
    }

    /// Begins the release of a managed number that is not paid for.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] unless [`is_forfeit`](Self::is_forfeit), and for an imported number, which is removed in one step.
    pub fn forfeit(self, now: Timestamp) -> Result<Self> {
        match self.source {
            Source::Managed(Order::Active { .. }) if self.is_forfeit(now) => self.release(ReleaseReason::Unpaid, now),
            _ => Err(Error::NumberBusy),
        }
    }
}
