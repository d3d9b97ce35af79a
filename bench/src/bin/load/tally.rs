//! What was seen: how often each call was made, how long it took, and what went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::profile::Call;

/// How many errors are told in full.
const TOLD_ERRORS: usize = 10;

/// What became of one call.
#[derive(Debug)]
pub(crate) enum Outcome {
    Expected,
    /// 429: the service keeps its limits. That is no error.
    Limited,
    Unexpected(String),
}

/// What was seen of one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) took: Vec<Duration>,
    pub(crate) errors: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: BTreeMap<Call, Seen>,
    pub(crate) limited: usize,
    /// The first errors, in words.
    pub(crate) told: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, call: Call, took: Duration, outcome: Outcome) {
        let seen = self.calls.entry(call).or_default();
        seen.took.push(took);
        match outcome {
            Outcome::Expected => {}
            Outcome::Limited => self.limited += 1,
            Outcome::Unexpected(what) => {
                seen.errors += 1;
                if self.told.len() < TOLD_ERRORS {
                    self.told.push(format!("{}: {what}", call.name()));
                }
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.calls.values().map(|seen| seen.took.len()).sum()
    }

    /// Calls and errors.
    pub(crate) fn so_far(&self) -> (usize, usize) {
        (self.count(), self.errors())
    }

    pub(crate) fn errors(&self) -> usize {
        self.calls.values().map(|seen| seen.errors).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_the_limits_promise_is_counted_and_is_no_error() {
        let mut tally = Tally::default();
        tally.add(Call::Get, Duration::ZERO, Outcome::Expected);
        tally.add(Call::Patch, Duration::ZERO, Outcome::Limited);
        assert_eq!((tally.count(), tally.limited, tally.errors()), (2, 1, 0));
    }

    #[test]
    fn every_error_is_counted_and_the_first_ones_are_told() {
        let mut tally = Tally::default();
        for number in 0..TOLD_ERRORS + 5 {
            tally.add(Call::Get, Duration::ZERO, Outcome::Unexpected(format!("500 {number}")));
        }
        assert_eq!((tally.errors(), tally.told.len()), (TOLD_ERRORS + 5, TOLD_ERRORS));
        assert_eq!(tally.told[0], "GET a number: 500 0");
    }
}
