//! The months after the first: when each begins, in which order they are paid, and which of them the credits cover.
//!
//! Month `n` of a number begins at its anchor plus `n` months and is paid in advance. Month 0 begins with the purchase and is
//! in its price. Of an organization's numbers, the one whose month began first is charged first, then the one with the lower
//! id. What a number owes follows from its anchor, its next month and the time, so it does not matter how often or how late a
//! run comes.
//!
//! A month that is not covered does not hold up a cheaper one that began later: otherwise a late run would suspend numbers
//! that a punctual one has charged.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use crate::{E164, MicroUsd, PhoneNumberId, Timestamp};

/// A suspended number is charged again after this, and it takes two refusals at least this far apart to release it: 24 hours.
pub const TRIED_AGAIN_AFTER: Duration = Duration::from_hours(24);

/// The schedule counts as alive as long as its runs are no further apart than this: an hour.
pub const ALIVE_WITHIN: Duration = Duration::from_hours(1);

/// Numbers are charged a quarter of an hour at a time, together with those that are due shortly before, because several
/// numbers of one organization take one write.
const CHARGED_EVERY: Duration = Duration::from_mins(15);

/// Numbers whose month began by then are charged now: the last full quarter of an hour.
#[must_use]
pub fn charged_until(now: Timestamp) -> Timestamp {
    let quarter = i64::try_from(CHARGED_EVERY.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().div_euclid(quarter) * quarter)
}

/// When a month that begins at `due` is charged: the end of its quarter of an hour.
#[must_use]
pub fn charged_from(due: Timestamp) -> Timestamp {
    let quarter = charged_until(due);
    if quarter == due { due } else { quarter.plus(CHARGED_EVERY) }
}

/// Months that one write pays for at the most, since a transaction holds 100 items. Only after more than seven years without a
/// run does a number owe more; then the next write goes on.
const MONTHS_AT_ONCE: u32 = 90;

/// A month of a number: from its start up to the start of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// What renewals need to know of a number that is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewable {
    pub id: PhoneNumberId,
    pub e164: E164,
    /// The moment of purchase. It never changes.
    pub anchor: Timestamp,
    /// The first month that is not paid.
    pub next_month: u32,
    pub monthly: MicroUsd,
    /// Suspended, because a month was not covered.
    pub is_in_arrears: bool,
    /// When it is charged next, or charged again.
    pub next_try_at: Timestamp,
}

impl Renewable {
    /// When month `n` begins: the anchor's day of the month and time of day, or the month's last day where it is shorter.
    #[must_use]
    pub fn due(&self, n: u32) -> Timestamp {
        self.anchor.months_later(n)
    }

    /// Months `n`, as one period.
    #[must_use]
    pub fn period(&self, months: &Range<u32>) -> Period {
        Period { start: self.due(months.start), end: self.due(months.end) }
    }

    /// The unpaid months that have begun, the first 90 of them.
    #[must_use]
    pub fn owed(&self, now: Timestamp) -> Range<u32> {
        let last = self.next_month.saturating_add(MONTHS_AT_ONCE);
        let end = (self.next_month..last).find(|n| self.due(*n) > now).unwrap_or(last);
        self.next_month..end
    }
}

/// A month that falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge<'a> {
    pub number: &'a Renewable,
    pub month: u32,
    pub due: Timestamp,
    /// Whether the credits pay for it, once all charges before it are paid that they cover.
    pub covered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Charged,
    InArrears,
    /// A month was not covered: neither are the later ones.
    Refused,
}

/// The months of an organization's numbers that fall due, in the order in which they are charged.
struct Charges<'a> {
    numbers: &'a [Renewable],
    balance: MicroUsd,
    now: Timestamp,
    until: Timestamp,
    /// The next month of each number, its standing, and the order in which they come.
    months: Vec<u32>,
    standings: Vec<Standing>,
    queue: BinaryHeap<Reverse<(Timestamp, &'a PhoneNumberId, usize)>>,
    ready: VecDeque<Charge<'a>>,
}

/// The months that have begun or begin until `until`, in the order in which they are charged. As far as they have begun, they
/// are charged as they would be `now`.
pub fn charges(
    numbers: &[Renewable],
    balance: MicroUsd,
    now: Timestamp,
    until: Timestamp,
) -> impl Iterator<Item = Charge<'_>> {
    let standing = |number: &Renewable| if number.is_in_arrears { Standing::InArrears } else { Standing::Charged };
    let mut charges = Charges {
        numbers,
        balance,
        now,
        until,
        months: numbers.iter().map(|number| number.next_month).collect(),
        standings: numbers.iter().map(standing).collect(),
        queue: BinaryHeap::new(),
        ready: VecDeque::new(),
    };
    for at in 0..numbers.len() {
        charges.enqueue(at);
    }
    charges
}

impl Charges<'_> {
    fn enqueue(&mut self, at: usize) {
        let number = &self.numbers[at];
        let due = number.due(self.months[at]);
        if due <= self.until {
            self.queue.push(Reverse((due, &number.id, at)));
        }
    }

    /// Charges the number's next month; of one in arrears all months that have begun, or none.
    fn charge(&mut self, at: usize) {
        let number = &self.numbers[at];
        let next = self.months[at];
        let begun = number.owed(self.now);
        let months = match self.standings[at] {
            Standing::InArrears if begun.start == next && !begun.is_empty() => begun,
            _ => next..next + 1,
        };
        let price = number.monthly.times(months.end - months.start);
        let covered = self.standings[at] != Standing::Refused && price <= self.balance;
        if covered {
            self.balance = self.balance + -price;
        }
        self.standings[at] = if covered { Standing::Charged } else { Standing::Refused };
        self.months[at] = months.end;
        self.ready.extend(months.map(|month| Charge { number, month, due: number.due(month), covered }));
        self.enqueue(at);
    }
}

impl<'a> Iterator for Charges<'a> {
    type Item = Charge<'a>;

    fn next(&mut self) -> Option<Charge<'a>> {
        if self.ready.is_empty() {
            let Reverse((_, _, at)) = self.queue.pop()?;
            self.charge(at);
        }
        self.ready.pop_front()
    }
}

/// What becomes of a number now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal<'a> {
    pub number: &'a Renewable,
    /// The months that are paid; empty when none is.
    pub paid: Range<u32>,
    /// Whether a month has begun that the credits do not cover.
    pub refused: bool,
}

/// Decides about all months that have begun. The number that is charged first comes first.
#[must_use]
pub fn decide(numbers: &[Renewable], balance: MicroUsd, now: Timestamp) -> Vec<Renewal<'_>> {
    let mut places: BTreeMap<&PhoneNumberId, usize> = BTreeMap::new();
    let mut renewals: Vec<Renewal<'_>> = Vec::new();
    for Charge { number, month, covered, due: _ } in charges(numbers, balance, now, now) {
        let place = *places.entry(&number.id).or_insert_with(|| {
            renewals.push(Renewal { number, paid: number.next_month..number.next_month, refused: false });
            renewals.len() - 1
        });
        let renewal = &mut renewals[place];
        if covered && month < number.next_month + MONTHS_AT_ONCE {
            renewal.paid.end = month + 1;
        }
        renewal.refused |= !covered;
    }
    renewals
}

/// What an organization will be charged, and how far its credits reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast<'a> {
    pub due: MicroUsd,
    /// When the first month begins that the credits do not cover.
    pub covered_until: Option<Timestamp>,
    pub charges: Vec<Charge<'a>>,
}

/// What is due until `until`, worked out by what charges. `None` when that is more than `most` charges.
#[must_use]
pub fn forecast(
    numbers: &[Renewable],
    balance: MicroUsd,
    now: Timestamp,
    until: Timestamp,
    most: usize,
) -> Option<Forecast<'_>> {
    let charges: Vec<Charge<'_>> = charges(numbers, balance, now, until).take(most.saturating_add(1)).collect();
    if charges.len() > most {
        return None;
    }
    let due = charges.iter().map(|charge| charge.number.monthly).fold(MicroUsd::ZERO, std::ops::Add::add);
    let covered_until = charges.iter().find(|charge| !charge.covered).map(|charge| charge.due);
    Some(Forecast { due, covered_until, charges })
}

/// What has to be added by when, so that the credits cover a number's next month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    pub amount: MicroUsd,
    pub by: Timestamp,
}

/// The numbers in use whose next month begins until `until` and is not covered.
#[must_use]
pub fn shortfalls(
    numbers: &[Renewable],
    balance: MicroUsd,
    now: Timestamp,
    until: Timestamp,
) -> BTreeMap<PhoneNumberId, Shortfall> {
    let (mut due, mut found) = (MicroUsd::ZERO, BTreeMap::new());
    for Charge { number, month, due: by, covered } in charges(numbers, balance, now, until) {
        due = due + number.monthly;
        if !covered && month == number.next_month && !number.is_in_arrears {
            found.insert(number.id.clone(), Shortfall { amount: due + -balance, by });
        }
    }
    found
}

#[cfg(test)]
#[path = "renewal_tests.rs"]
mod tests;
