//! The product's life in simulation: months of purchases, renewals, suspensions and releases, with everything that can go
//! wrong on the way. One seed is one run, to the byte. What is simulated and what is audited: `docs/simulation.md`.
//!
//! `SIMULATION_SEED=7` runs one seed alone and tells its story; `SIMULATION_SEEDS=500` runs so many.

#![expect(clippy::print_stdout, reason = "it takes a minute, and says how far it is; a single seed tells its story")]

mod audit;
mod calendar;
mod life;
mod mistakes;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use audit::Seen;
use life::{Outcome, Size};

/// What every seed lives through.
const WHOLE: Size = Size { months: 14, numbers: 12, deaths: 0.01 };
/// Seeds that are run unless somebody asks for more, or for one.
const SEEDS: u64 = 25;

/// Seeds beyond these that have found something.
const KEPT: [u64; 1] = [71];

/// All seeds together.
#[derive(Default)]
struct Total {
    seen: Seen,
    deaths: usize,
    struck: usize,
    dead_letters: usize,
    runs: u64,
    /// The first seed that went wrong, with what was wrong.
    failed: Option<(u64, Vec<String>)>,
}

impl Total {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seen.add(&outcome.seen);
        self.deaths += outcome.deaths;
        self.struck += outcome.struck;
        self.dead_letters += outcome.dead_letters;
        self.runs += 1;
        if !outcome.wrong.is_empty() && self.failed.as_ref().is_none_or(|(first, _)| seed < *first) {
            self.failed = Some((seed, outcome.wrong));
        }
    }

    /// As `docs/simulation.md` shows it.
    fn table(&self) -> String {
        let Seen { commits, bought, imported, refunded, months, suspended, lifted, put_off, released_unpaid, released } =
            self.seen;
        let count = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
        let mut table = String::from("| what | how often |\n|---|---|\n");
        for (what, count) in [
            ("seeds", self.runs),
            ("commits audited", commits),
            ("numbers bought", bought),
            ("numbers imported", imported),
            ("purchases refunded", refunded),
            ("months paid", months),
            ("suspensions", suspended),
            ("suspensions lifted", lifted),
            ("releases put off", put_off),
            ("numbers released because nobody paid", released_unpaid),
            ("numbers that left, these included", released),
            ("calls struck", count(self.struck)),
            ("processes that died", count(self.deaths)),
            ("dead letters", count(self.dead_letters)),
        ] {
            writeln!(table, "| {what} | {count} |").expect("text");
        }
        table
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where the simulation's settings are read")]
fn setting(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn number(name: &str) -> Option<u64> {
    let text = setting(name)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number, and is {text:?}")))
}

/// Runs seeds on all processors, and stops soon after the first that goes wrong.
fn run_all(seeds: u64) -> Total {
    let kept = KEPT.into_iter().filter(|kept| *kept > seeds);
    let (left, total) = (Mutex::new((1..=seeds).chain(kept)), Mutex::new(Total::default()));
    let run = || {
        loop {
            let next = lock(&left).next().filter(|_| lock(&total).failed.is_none());
            let Some(seed) = next else { return };
            let outcome = life::run(seed, WHOLE, false);
            let mut total = lock(&total);
            total.add(seed, outcome);
            if total.runs.is_multiple_of(25) {
                println!("{} of {seeds} seeds", total.runs);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(run);
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_books_are_right_after_every_commit_of_fourteen_months_whatever_goes_wrong() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let Outcome { wrong, seen, .. } = life::run(seed, WHOLE, true);
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        println!("seed {seed}: {seen:?}");
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let total = run_all(seeds);
    if let Some((seed, wrong)) = total.failed {
        panic!("seed {seed} went wrong; SIMULATION_SEED={seed} tells its story: {wrong:#?}");
    }
    let table = total.table();
    println!("{table}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulation.md");
    std::fs::write(&file, &table).expect("the figures are written");
    // What never happens proves nothing.
    let Seen { months, suspended, lifted, put_off, released_unpaid, refunded, imported, .. } = total.seen;
    for (what, count, least) in [
        ("months", months, 40),
        ("suspended", suspended, 2),
        ("lifted", lifted, 1),
        ("put off", put_off, 1),
        ("released unpaid", released_unpaid, 1),
        ("refunded", refunded, 1),
        ("imported", imported, 3),
    ] {
        assert!(count >= least * seeds / 2, "{what}: {count} in {seeds} seeds");
    }
}

#[test]
fn a_message_that_failed_too_often_keeps_no_month_from_being_charged() {
    let size = Size { months: 5, deaths: 0.25, ..WHOLE };
    let mut dead_letters = 0;
    for seed in 1..=6 {
        let outcome = life::run(seed, size, false);
        assert!(outcome.wrong.is_empty(), "seed {seed}: {:#?}", outcome.wrong);
        dead_letters += outcome.dead_letters;
    }
    assert!(dead_letters > 0, "no message failed too often");
}

#[test]
fn a_seed_is_one_run_to_the_byte() {
    let size = Size { months: 4, ..WHOLE };
    let lived = |seed| thread::spawn(move || life::run(seed, size, false));
    let mut tables = BTreeSet::new();
    for seed in [3, 4, 5] {
        let [one, other] = [lived(seed), lived(seed)].map(|run| run.join().expect("a run"));
        assert_eq!((one.seen, one.struck, one.deaths), (other.seen, other.struck, other.deaths));
        let lines = one.table.lines().zip(other.table.lines()).filter(|(one, other)| one != other);
        let apart: Vec<_> = lines.map(|(one, _)| one.split(" {").next()).collect();
        assert!(apart.is_empty() && one.table.len() == other.table.len(), "{apart:#?}");
        tables.insert(one.table);
    }
    assert_eq!(tables.len(), 3, "another seed is another run");
}
