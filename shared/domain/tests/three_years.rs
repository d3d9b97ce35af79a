//! Three years of many numbers by the rules alone: no table, no queue, no carrier. A model keeps the credits and the ledger;
//! what is charged, suspended, lifted and released follows from `domain`, and is checked by rules of the model's own.
//!
//! ```sh
//! SEED=7 cargo test -p domain --test three_years
//! ```

#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::collections::BTreeMap;
use std::time::Duration;

use domain::billing::{Renewed, Terms};
use domain::carrier::CarrierNumberId;
use domain::number::{Order, PhoneNumber, Prices, ReleaseReason, Routing, Source};
use domain::renewal::{Renewable, TRIED_AGAIN_AFTER, charged_until, decide};
use domain::{E164, MicroUsd, OrganizationId, PhoneNumberId, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Where the figures of all seeds stand.
const PAGE: &str = include_str!("../../../docs/renewals.md");
const SEEDS: u64 = 1_000;
const MONTHS: u32 = 36;
const NUMBERS: usize = 40;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_hours(30 * 24);

/// A number and its story.
struct Line {
    row: PhoneNumber,
    /// When it is looked at next, as the work index has it.
    next_try_at: Timestamp,
    /// When the first unpaid month begins, by the model's own calendar.
    next_due: Timestamp,
    /// Each month that was debited, with the time at which it was booked.
    paid: BTreeMap<u32, Timestamp>,
    suspended_at: Option<Timestamp>,
    /// The announced date of release, as far as it was announced by now.
    announced: Option<Timestamp>,
    /// When it was charged in vain, since its suspension.
    refusals: Vec<Timestamp>,
    left: bool,
}

/// What has happened in all worlds.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    months: usize,
    suspended: usize,
    lifted: usize,
    put_off: usize,
    released: usize,
}

impl Figures {
    /// As the page tells them.
    fn told(self) -> String {
        let Self { months, suspended, lifted, put_off, released } = self;
        let [months, suspended, lifted, put_off, released] =
            [months, suspended, lifted, put_off, released].map(in_thousands);
        format!(
            "{months} months, {suspended} suspensions, {lifted} lifted, {put_off} releases put off, {released} released"
        )
    }
}

/// A number with a comma before each group of three digits.
fn in_thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

impl std::ops::Add for Figures {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            months: self.months + other.months,
            suspended: self.suspended + other.suspended,
            lifted: self.lifted + other.lifted,
            put_off: self.put_off + other.put_off,
            released: self.released + other.released,
        }
    }
}

/// One organization, its credits and its numbers.
struct World {
    seed: u64,
    rng: StdRng,
    now: Timestamp,
    balance: i64,
    /// A grant is of so many dollars at the most; about fifteen pay for all numbers.
    generosity: i64,
    /// Everything that was ever booked.
    booked: i64,
    lines: Vec<Line>,
    /// The end of each outage of the schedule, the last one last.
    outages: Vec<(Timestamp, Timestamp)>,
    alive_since: Timestamp,
    figures: Figures,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let generosity = rng.random_range(2..20);
        let begin = Timestamp::parse("2023-01-01T00:00:00Z").unwrap();
        let lines = (0..NUMBERS).map(|place| Line::new(&mut rng, begin, place)).collect();
        Self {
            seed,
            rng,
            now: begin,
            balance: 0,
            generosity,
            booked: 0,
            lines,
            outages: Vec::new(),
            alive_since: begin,
            figures: Figures::default(),
        }
    }

    fn live(&mut self) {
        let end = self.now.months_later(MONTHS);
        let mut next_event = self.now;
        while self.now < end {
            let due = self.lines.iter().filter(|line| !line.left).map(|line| line.next_try_at).min();
            // The schedule runs every minute, and charges a quarter of an hour at a time.
            let due = due.map_or(end, |due| due.max(self.now).plus(15 * MINUTE));
            if next_event <= due {
                self.now = self.now.max(next_event);
                self.something_happens();
                next_event = self.now.plus(HOUR * self.rng.random_range(1..200));
                // A booking is looked at within a minute.
                self.now = self.now.plus(MINUTE);
            } else {
                self.now = due;
            }
            self.run();
            self.check();
        }
    }

    fn something_happens(&mut self) {
        match self.rng.random_range(0..100) {
            0..75 => {
                let dollars = self.rng.random_range(1..=self.generosity);
                self.book(dollars * 1_000_000);
            }
            75..78 => {
                let place = self.rng.random_range(0..NUMBERS);
                self.lines[place].leave(self.now);
            }
            78..88 => {
                // An outage: nothing runs for hours or days, once for months.
                let hours = if self.rng.random_bool(0.05) { 24 * 70 } else { self.rng.random_range(1..72) };
                let back = self.now.plus(HOUR * hours);
                self.outages.push((self.now, back));
                self.now = back;
                if hours > 1 {
                    self.alive_since = back;
                }
            }
            // The schedule comes twice, or late within its hour.
            _ => self.run(),
        }
    }

    fn book(&mut self, amount: i64) {
        self.balance += amount;
        self.booked += amount;
    }

    /// What a run of the schedule and its message do.
    fn run(&mut self) {
        let until = charged_until(self.now);
        let is_wanted = |line: &Line| {
            !line.left && (line.next_try_at <= until || (self.balance > 0 && line.suspended_at.is_some()))
        };
        let wanted: Vec<usize> = (0..self.lines.len()).filter(|place| is_wanted(&self.lines[*place])).collect();
        if wanted.is_empty() {
            return;
        }
        let renewables: Vec<Renewable> = wanted.iter().filter_map(|place| self.lines[*place].row.renewable()).collect();
        let places: BTreeMap<PhoneNumberId, usize> =
            wanted.iter().map(|place| (self.lines[*place].row.id.clone(), *place)).collect();
        let terms = Terms { grace: GRACE, alive_since: self.alive_since };
        for renewal in decide(&renewables, MicroUsd::from_micros(self.balance), self.now) {
            let place = places[&renewal.number.id];
            let in_vain = renewal.number.is_in_arrears && renewal.paid.is_empty();
            if in_vain && renewal.number.next_try_at > self.now {
                continue;
            }
            let before = self.balance;
            for month in renewal.paid.clone() {
                self.lines[place].pays(month, self.now, self.seed);
                self.book(-line_price());
                self.figures.months += 1;
            }
            let row = self.lines[place].row.clone();
            let renewed = row.renew(&renewal, terms, self.now).unwrap();
            self.becomes(place, renewed, before);
        }
    }

    fn becomes(&mut self, place: usize, renewed: Renewed, before: i64) {
        let (now, seed, figures) = (self.now, self.seed, &mut self.figures);
        let line = &mut self.lines[place];
        match renewed {
            Renewed::Forfeit(row) => {
                let (announced, refusals) = (line.announced.unwrap(), &line.refusals);
                assert!(announced <= now, "{seed}: it was announced for later");
                let earlier = refusals.iter().find(|at| {
                    now.since(**at) >= TRIED_AGAIN_AFTER
                        && !self.outages.iter().any(|(from, to)| to > at && now > *from && to.since(*from) > HOUR)
                });
                assert!(earlier.is_some(), "{seed}: no refusal a day ago, without an outage since: {refusals:?} {now}");
                assert!(before < line_price() * i64::from(line.owed(now)), "{seed}: it could have been paid");
                line.row = row;
                line.leave(now);
                figures.released += 1;
            }
            Renewed::Refused(row) | Renewed::Changed(row) => {
                match (line.suspended_at, row.billing.arrears) {
                    (None, Some(arrears)) => {
                        assert_eq!(arrears.release_at, now.plus(GRACE), "{seed}");
                        (line.suspended_at, line.announced) = (Some(now), Some(arrears.release_at));
                        line.refusals = vec![now];
                        figures.suspended += 1;
                    }
                    (Some(_), Some(arrears)) => {
                        let announced = line.announced.unwrap();
                        assert!(arrears.release_at >= announced, "{seed}: a date only moves later");
                        let moved = arrears.release_at > announced;
                        assert!(!moved || arrears.release_at == now.plus(DAY), "{seed}");
                        line.announced = Some(arrears.release_at);
                        figures.put_off += usize::from(moved);
                        line.refusals.push(now);
                    }
                    (Some(_), None) => {
                        (line.suspended_at, line.announced) = (None, None);
                        line.refusals.clear();
                        figures.lifted += 1;
                    }
                    (None, None) => {}
                }
                line.row = row;
                line.next_try_at = line.row.renewable().unwrap().next_try_at;
            }
        }
    }

    /// What holds after each run.
    fn check(&self) {
        let seed = self.seed;
        assert_eq!(self.balance, self.booked, "{seed}");
        assert!(self.balance >= 0, "{seed}: the balance is {}", self.balance);
        let until = charged_until(self.now);
        for line in self.lines.iter().filter(|line| !line.left) {
            if line.suspended_at.is_none() {
                assert!(line.next_due > until, "{seed}: a number owes a month and is in use");
            } else if self.balance >= line_price() {
                let owed = line_price() * i64::from(line.owed(self.now));
                assert!(self.balance < owed, "{seed}: it could be lifted");
            }
        }
    }
}

const fn line_price() -> i64 {
    1_000_000
}

impl Line {
    /// A number that was bought on a day of the first month, each one on another day.
    fn new(rng: &mut StdRng, begin: Timestamp, place: usize) -> Self {
        let second = Duration::from_secs(rng.random_range(0..86_400));
        let bought = begin.plus(DAY * u32::try_from(place % 31).unwrap() + second);
        let dollar = MicroUsd::from_micros(line_price());
        let id = PhoneNumberId::new(bought, rng.random());
        let organization = OrganizationId::parse("org_1").unwrap();
        let e164 = E164::parse("+12015551234").unwrap();
        let prices = Prices { upfront: dollar, monthly: dollar };
        let ordered = PhoneNumber::ordering(id, organization, e164, Routing::default(), prices, bought);
        let row = ordered.activate(CarrierNumberId::parse("1").unwrap(), bought).unwrap();
        let next_try_at = row.renewable().unwrap().next_try_at;
        let paid = BTreeMap::from([(0, bought)]);
        let next_due = due(bought, 1);
        Self {
            row,
            next_try_at,
            next_due,
            paid,
            suspended_at: None,
            announced: None,
            refusals: Vec::new(),
            left: false,
        }
    }

    /// A month is debited: the one after the last, not before it begins, once.
    fn pays(&mut self, month: u32, now: Timestamp, seed: u64) {
        assert!(!self.left, "{seed}: it has left");
        assert_eq!(self.paid.len(), month as usize, "{seed}: months are paid one after the other");
        assert!(self.next_due <= now, "{seed}: month {month} has not begun");
        assert_eq!(self.paid.insert(month, now), None, "{seed}: month {month} is paid twice");
        self.next_due = due(self.row.created_at, month + 1);
    }

    /// How many months have begun and are not paid, by the model's own calendar.
    fn owed(&self, now: Timestamp) -> u32 {
        if self.next_due > now {
            return 0;
        }
        let next = u32::try_from(self.paid.len()).unwrap();
        (next..next + MONTHS).take_while(|month| due(self.row.created_at, *month) <= now).count().try_into().unwrap()
    }

    fn leave(&mut self, now: Timestamp) {
        if self.left {
            return;
        }
        let leaving = self.row.clone().release(ReleaseReason::Requested, now).unwrap();
        assert!(matches!(leaving.source, Source::Managed(Order::Releasing { .. })) && leaving.renewable().is_none());
        (self.row, self.left) = (leaving, true);
    }
}

/// When month `n` begins, counted on the fingers: no calendar library.
fn due(anchor: Timestamp, n: u32) -> Timestamp {
    let text = anchor.to_string();
    let part = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap();
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let months = month - 1 + n;
    let (year, month) = (year + months / 12, months % 12);
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let february = if leap { 29 } else { 28 };
    let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize];
    Timestamp::parse(&format!("{year}-{:02}-{:02}{}", month + 1, day.min(days), &text[10..])).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the settings of a test")]
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..SEEDS,
    }
}

#[test]
fn three_years_of_forty_numbers_are_charged_by_the_rules() {
    let seeds = seeds();
    let worlds = seeds.end - seeds.start;
    let threads: Vec<_> = (0..2)
        .map(|half| {
            let seeds = seeds.clone();
            std::thread::spawn(move || {
                seeds.filter(|seed| seed % 2 == half).map(live).fold(Figures::default(), std::ops::Add::add)
            })
        })
        .collect();
    let figures = threads.into_iter().map(|thread| thread.join().expect("a seed passes"));
    let figures = figures.fold(Figures::default(), std::ops::Add::add);
    println!("{figures:?}");
    if worlds > 100 {
        let Figures { months, suspended, lifted, put_off, released } = figures;
        assert!([months, suspended, lifted, put_off, released].into_iter().all(|count| count > 100), "{figures:?}");
    }
    if worlds == SEEDS {
        let told = figures.told();
        let page = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&told), "the figures in docs/renewals.md are out of date; they are now: {told}");
    }
}

fn live(seed: u64) -> Figures {
    let mut world = World::new(seed);
    world.live();
    world.figures
}
