//! Lets chance decide what becomes of each call: the weather of a storm.
//!
//! What is drawn depends on the seed and on how many calls have passed before, each side counted apart. Which call comes
//! when is up to the threads, so a seed does not repeat a storm; it repeats its odds and the sequence of its strokes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::{Clock, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::faults::{Fault, Side, Step};

/// How often each side's calls are struck, as a share of one.
#[derive(Clone, Copy, Debug)]
pub struct Odds {
    pub table: f64,
    pub carrier: f64,
    /// How many calls of either side take their time.
    pub delayed: f64,
}

impl Default for Odds {
    /// One call in twelve to the table, one in four to the carrier.
    fn default() -> Self {
        Self { table: 1.0 / 12.0, carrier: 0.25, delayed: 0.1 }
    }
}

/// The longest that a delayed call takes: short of every caller's time-out.
const LONGEST_DELAY: Duration = Duration::from_millis(3_500);

/// How a process of the local run finds its table. In AWS the stack makes the table, so no storm strikes these calls.
const FINDS_TABLE: [&str; 5] =
    ["table ListTables", "table DescribeTable", "table CreateTable", "table UpdateTable", "table UpdateTimeToLive"];

/// What strikes, and how heavy it weighs against the others. Silence makes callers wait for seconds, so there is less of
/// it than of the rest. Deaths come from outside, at any moment, and an outage would need an end.
const STROKES: [(Fault, u32); 11] = [
    (Fault::SilentBefore, 2),
    (Fault::SilentAfter, 2),
    (Fault::ErrorBefore, 4),
    (Fault::ErrorAfter, 6),
    (Fault::Throttled, 3),
    (Fault::Conflict, 3),
    (Fault::BrokenOff, 6),
    (Fault::Garbled, 4),
    (Fault::Lies, 8),
    (Fault::Twice, 6),
    (Fault::Late, 5),
];

/// How the carrier lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lie {
    /// An object with nothing in it.
    #[default]
    Nothing,
    EmptyData,
    EmptyList,
    /// An order that it has done, and never heard of.
    Order,
    /// The number as it stands, as if it had been asked for that.
    AsItStands,
}

/// Marks an answer that is still to be fetched: the thing itself, without the deed.
#[derive(Clone)]
pub(crate) struct AsItStands;

impl Lie {
    pub(crate) fn answer(self) -> Response {
        let body = match self {
            Self::Nothing => json!({}),
            Self::EmptyData | Self::AsItStands => json!({ "data": {} }),
            Self::EmptyList => json!({ "data": [] }),
            Self::Order => {
                json!({ "data": { "id": "00000000-0001-4000-8000-00000000fa15", "status": "success" } })
            }
        };
        let mut answer = (StatusCode::OK, axum::Json(body)).into_response();
        if self == Self::AsItStands {
            answer.extensions_mut().insert(AsItStands);
        }
        answer
    }

    /// One that fits the call.
    fn draw(rng: &mut StdRng, step: &str) -> Self {
        let forms: &[Self] = match step {
            step if step.starts_with("carrier POST") => &[Self::Nothing, Self::EmptyData, Self::EmptyList, Self::Order],
            step if step.starts_with("carrier GET") => &[Self::Nothing, Self::EmptyData, Self::EmptyList],
            _ => &[Self::Nothing, Self::EmptyData, Self::AsItStands],
        };
        forms[rng.random_range(0..forms.len())]
    }
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lot {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
    pub(crate) lie: Lie,
}

/// A call that changes something at the carrier, as the product sent it.
#[derive(Clone, Debug)]
pub struct Change {
    pub at: Timestamp,
    pub step: String,
    /// An order's reference, or the carrier's id of the number.
    pub about: String,
    pub fault: Option<Fault>,
}

/// What chance has seen and done.
#[derive(Clone, Debug, Default)]
pub struct Struck {
    /// Calls that came by.
    pub passed: BTreeMap<Side, usize>,
    pub by_fault: BTreeMap<(Side, Fault), usize>,
    pub delayed: usize,
    pub changes: Vec<Change>,
}

/// The dice of both sides.
pub struct Chance {
    odds: Odds,
    table: StdRng,
    carrier: StdRng,
    clock: Arc<dyn Clock>,
    struck: Struck,
    over: bool,
}

impl Chance {
    #[must_use]
    pub fn new(seed: u64, odds: Odds, clock: Arc<dyn Clock>) -> Self {
        let mut seeds = StdRng::seed_from_u64(seed);
        let (table, carrier) = (StdRng::from_rng(&mut seeds), StdRng::from_rng(&mut seeds));
        Self { odds, table, carrier, clock, struck: Struck::default(), over: false }
    }

    /// Strikes no more, and goes on writing down what passes.
    pub(crate) const fn end(&mut self) {
        self.over = true;
    }

    pub(crate) fn struck(&self) -> Struck {
        self.struck.clone()
    }

    pub(crate) fn draw(&mut self, step: &Step) -> Lot {
        *self.struck.passed.entry(step.side).or_default() += 1;
        let finds_table = FINDS_TABLE.contains(&step.name.as_str());
        let lot = if self.over || finds_table { Lot::default() } else { self.throw(step) };
        self.struck.delayed += usize::from(!lot.delay.is_zero());
        if let Some(fault) = lot.fault {
            *self.struck.by_fault.entry((step.side, fault)).or_default() += 1;
        }
        if let Some(about) = step.about.clone() {
            let change = Change { at: self.clock.now(), step: step.name.clone(), about, fault: lot.fault };
            self.struck.changes.push(change);
        }
        lot
    }

    fn throw(&mut self, step: &Step) -> Lot {
        let (rng, share) = match step.side {
            Side::Table => (&mut self.table, self.odds.table),
            Side::Carrier => (&mut self.carrier, self.odds.carrier),
        };
        // Long ones are rare: three draws have to be large together.
        let part = rng.random::<f64>() * rng.random::<f64>() * rng.random::<f64>();
        let delay = if rng.random_bool(self.odds.delayed) { LONGEST_DELAY.mul_f64(part) } else { Duration::ZERO };
        let fault = rng.random_bool(share).then(|| pick(rng, &step.name));
        Lot { delay, fault, lie: Lie::draw(rng, &step.name) }
    }
}

fn pick(rng: &mut StdRng, step: &str) -> Fault {
    // An answer of the table's that is no JSON counts as our own mistake, which callers hear as a 500. Here each 500 is a
    // finding, so this one is left to the fault matrix.
    let ours = |fault: Fault| fault == Fault::Garbled && step.starts_with("table ");
    let fitting = || STROKES.iter().filter(|(fault, _)| fault.differs_for(step) && !ours(*fault));
    let mut left = rng.random_range(0..fitting().map(|(_, weight)| weight).sum());
    for (fault, weight) in fitting() {
        if left < *weight {
            return *fault;
        }
        left -= weight;
    }
    Fault::ErrorBefore
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestClock;

    fn lots(seed: u64, side: Side, name: &str) -> Vec<(Duration, Option<Fault>)> {
        let mut chance = Chance::new(seed, Odds::default(), Arc::new(TestClock::default()));
        let step = Step { side, name: name.to_owned(), about: None };
        let draw = |_| {
            let lot = chance.draw(&step);
            (lot.delay, lot.fault)
        };
        (0..10_000).map(draw).collect()
    }

    #[test]
    fn a_seed_fixes_what_strikes_and_the_odds_how_often() {
        for (side, name, share) in
            [(Side::Table, "table PutItem", 833), (Side::Carrier, "carrier POST /number_orders", 2_500)]
        {
            let drawn = lots(7, side, name);
            assert!(drawn == lots(7, side, name) && drawn != lots(8, side, name));
            let struck = drawn.iter().filter(|(_, fault)| fault.is_some()).count();
            assert!(struck.abs_diff(share) < share / 8, "{name}: {struck}");
        }
    }

    #[test]
    fn a_process_that_starts_always_finds_its_table() {
        for name in FINDS_TABLE {
            assert!(
                lots(7, Side::Table, name).iter().all(|(delay, fault)| delay.is_zero() && fault.is_none()),
                "{name}"
            );
        }
    }

    #[test]
    fn nothing_is_drawn_that_makes_no_difference_or_needs_an_end() {
        use Fault::{DiesAfter, DiesBefore, Garbled, Late, Later, Lies, Outage, SilentAfter, Twice};
        for (side, name, never) in [
            (Side::Table, "table GetItem", vec![Lies, Garbled, Twice, Late, SilentAfter]),
            (Side::Table, "table TransactWriteItems", vec![Lies, Garbled]),
            (Side::Carrier, "carrier GET /phone_numbers", vec![Twice, Late, SilentAfter]),
            (Side::Carrier, "carrier DELETE /phone_numbers/{id}", vec![DiesBefore, DiesAfter, Later, Outage]),
        ] {
            let drawn = lots(7, side, name);
            assert!(drawn.iter().all(|(_, fault)| fault.is_none_or(|fault| !never.contains(&fault))), "{name}");
        }
    }
}
