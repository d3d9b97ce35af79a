//! Which call comes next, and how often an organization may do what is limited.

use std::time::{Duration, Instant};

/// A call of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Get,
    List,
    Patch,
    Search,
    Balance,
    Ledger,
    Forecast,
    Events,
    Verification,
    Buy,
    Import,
    Release,
}

/// How many of a hundred calls are which.
const PROFILE: [(Call, usize); 12] = [
    (Call::Get, 33),
    (Call::List, 15),
    (Call::Patch, 8),
    (Call::Search, 1),
    (Call::Balance, 12),
    (Call::Ledger, 8),
    (Call::Forecast, 4),
    (Call::Events, 10),
    (Call::Verification, 3),
    (Call::Buy, 1),
    (Call::Import, 2),
    (Call::Release, 3),
];

/// Shares no divisor with a hundred, so that a hundred steps meet every place of the profile once.
const STRIDE: usize = 37;

impl Call {
    /// The call of one turn: any hundred turns in a row hold the whole profile, mixed.
    pub(crate) fn of_turn(turn: usize) -> Self {
        let mut place = turn.wrapping_mul(STRIDE) % 100;
        for (call, share) in PROFILE {
            if place < share {
                return call;
            }
            place -= share;
        }
        Self::Get
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET a number",
            Self::List => "list 20 numbers",
            Self::Patch => "PATCH a number",
            Self::Search => "search available",
            Self::Balance => "GET the balance",
            Self::Ledger => "GET the ledger",
            Self::Forecast => "GET the forecast",
            Self::Events => "GET the events",
            Self::Verification => "GET the verification",
            Self::Buy => "buy a number",
            Self::Import => "import a number",
            Self::Release => "release a number",
        }
    }
}

/// Lets a limited call pass only so often that no minute of the clock has more than the service allows.
#[derive(Debug)]
pub(crate) struct Allowance {
    each: Duration,
    burst: u32,
    /// The time at which all that has passed so far would have passed evenly.
    next: Instant,
}

impl Allowance {
    /// 60 searches and purchases a minute are allowed; this lets at most 55 pass.
    pub(crate) fn of_searches(now: Instant) -> Self {
        Self { each: Duration::from_millis(1200), burst: 5, next: now }
    }

    /// 300 changes a minute are allowed; this lets at most 270 pass.
    pub(crate) fn of_changes(now: Instant) -> Self {
        Self { each: Duration::from_millis(240), burst: 20, next: now }
    }

    /// Whether one more may pass now; if so, it counts.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let next = self.next.max(now);
        let passes = next.duration_since(now) < self.each * self.burst;
        if passes {
            self.next = next + self.each;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_turns_hold_the_whole_profile() {
        for first in [0, 12, 1000] {
            for (call, share) in PROFILE {
                let met = (first..first + 100).filter(|turn| Call::of_turn(*turn) == call).count();
                assert_eq!(met, share, "{call:?}");
            }
        }
    }

    #[test]
    fn what_comes_is_released_as_often() {
        let share = |wanted| PROFILE.iter().find(|(call, _)| *call == wanted).unwrap().1;
        assert_eq!(share(Call::Buy) + share(Call::Import), share(Call::Release));
    }

    #[test]
    fn no_minute_has_more_than_the_service_allows() {
        let begun = Instant::now();
        for (mut allowance, limit) in [(Allowance::of_searches(begun), 60), (Allowance::of_changes(begun), 300)] {
            let passed: Vec<_> = (0..18_000)
                .map(|step| begun + Duration::from_millis(step * 10))
                .filter(|now| allowance.take(*now))
                .collect();
            for first in &passed {
                let within =
                    passed.iter().filter(|one| *one >= first && **one < *first + Duration::from_mins(1)).count();
                assert!(within < limit, "{within} in a minute");
            }
        }
    }
}
