//! Optimistic writes: read, decide, write under the condition that nothing has changed, and all of it again when
//! somebody else was faster.
//!
//! This is one level above [`crate::trouble`]. There, one call is sent again just as it is, because DynamoDB did not
//! carry it out (a throttle, a conflict) or did not answer. Here, the call was answered: its condition does not hold, and
//! sending it again would not help. What it writes is decided anew from what the table holds now.

use std::time::Duration;

use domain::{Error, Result};
use tokio::time::Instant;

use crate::transaction::Outcome;
use crate::trouble::back_off;

/// How many rounds an optimistic write has.
///
/// Of those who write one row at the same time, one wins each round, so eight at once all succeed. More are a flood, and
/// its callers are better told to come again. [`back_off`] waits between two rounds, at most 2.4 s in all.
///
const ROUNDS_LIMIT: u32 = 8;

/// No round begins as late as this, however many are left, because a call that is answered at its third try takes up to 6 s,
/// and a round has two. So a write ends some 18 s after it began, within the 29 s after which a Lambda is stopped.
const LAST_ROUND_BEGINS_WITHIN: Duration = Duration::from_secs(6);

/// The rounds of one optimistic write. The caller loops: it reads, asks [`Rounds::landed`] about the round before,
/// decides, and ends the round with [`Rounds::wrote`] or [`Rounds::raced`].
#[derive(Debug)]
pub(crate) struct Rounds {
    contended: &'static str,
    began: Instant,
    ended: u32,
    /// Why the last write had no answer. It may have happened.
    lost: Option<Error>,
}

impl Rounds {
    /// `contended` names what keeps changing when no round succeeds, for the log.
    pub(crate) fn of(contended: &'static str) -> Self {
        Self { contended, began: Instant::now(), ended: 0, lost: None }
    }

    /// Ends a round with how its transaction ended. True when it is written; otherwise waits, and the next round may
    /// begin. That round has to ask [`Rounds::landed`], because a transaction without an answer may have happened.
    ///
    /// # Errors
    /// As [`Rounds::raced`], except when the answer was lost: such a write is looked for even after the last round.
    pub(crate) async fn wrote(&mut self, outcome: Result<Outcome>) -> Result<bool> {
        self.replaced(outcome.map(|outcome| outcome == Outcome::Committed)).await
    }

    /// The same for a write that says by itself whether it happened.
    ///
    /// # Errors
    /// As [`Rounds::wrote`].
    pub(crate) async fn replaced(&mut self, written: Result<bool>) -> Result<bool> {
        match written {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => self.lost = Some(error),
        }
        self.raced().await?;
        Ok(false)
    }

    /// Ends a round that has written nothing, because what it had read has changed. Waits before the next one.
    ///
    /// # Errors
    /// [`Error::Busy`] when this was the last round, or the next one would begin too late.
    pub(crate) async fn raced(&mut self) -> Result<()> {
        self.ended += 1;
        let over = self.ended >= ROUNDS_LIMIT || self.began.elapsed() >= LAST_ROUND_BEGINS_WITHIN;
        if over && !self.is_lost() {
            return Err(Error::Busy(self.contended.into()));
        }
        back_off(self.ended - 1).await;
        Ok(())
    }

    /// Whether the write of the round before had no answer.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Whether the write of the round before has happened after all: `is_own` says that this round has read just what
    /// that one wrote. False in the first round, and when the write was refused.
    ///
    /// # Errors
    /// The error in which the write's answer was lost, when the write is not there. It is not made again: the table has
    /// just left a call and its repetitions unanswered.
    pub(crate) fn landed(&mut self, is_own: bool) -> Result<bool> {
        match self.lost.take() {
            Some(error) if !is_own => Err(error),
            _ => Ok(is_own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENDED: &str = "a row keeps changing under a test";

    fn refused() -> Outcome {
        Outcome::Refused(vec!["number"])
    }

    fn lost() -> Result<Outcome> {
        Err(Error::Busy("no answer".into()))
    }

    /// A write whose rounds end as `outcome` says, and whose row is there from the second round on if `there`. Returns
    /// the result and the number of writes.
    async fn write(there: bool, outcome: impl Fn(u32) -> Result<Outcome>) -> (Result<()>, u32) {
        let (mut rounds, mut writes) = (Rounds::of(CONTENDED), 0);
        loop {
            match rounds.landed(there && writes > 0) {
                Ok(false) => {}
                landed => return (landed.map(drop), writes),
            }
            writes += 1;
            match rounds.wrote(outcome(writes)).await {
                Ok(false) => {}
                written => return (written.map(drop), writes),
            }
        }
    }

    fn cause(written: Result<()>) -> String {
        match written {
            Err(Error::Busy(cause)) => cause.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_races_takes_one_round_and_no_time() {
        let begun = Instant::now();
        let (written, writes) = write(false, |_| Ok(Outcome::Committed)).await;
        written.unwrap();
        assert_eq!((writes, begun.elapsed()), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_lost_a_race_is_made_again() {
        let (written, writes) =
            write(false, |writes| Ok(if writes < 3 { refused() } else { Outcome::Committed })).await;
        written.unwrap();
        assert_eq!(writes, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn our_own_write_whose_answer_was_lost_is_found() {
        let (written, writes) = write(true, |_| lost()).await;
        written.unwrap();
        assert_eq!(writes, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_write_that_is_there_all_the_same_is_our_own() {
        let (written, writes) = write(true, |_| Ok(refused())).await;
        written.unwrap();
        assert_eq!(writes, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_write_that_is_not_there_is_not_made_again() {
        let (written, writes) = write(false, |_| lost()).await;
        assert_eq!((cause(written).as_str(), writes), ("no answer", 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_race_that_never_ends_is_busy_after_the_last_round() {
        let begun = Instant::now();
        let (written, writes) = write(false, |_| Ok(refused())).await;
        assert_eq!((cause(written).as_str(), writes), (CONTENDED, ROUNDS_LIMIT));
        assert!(begun.elapsed() < Duration::from_millis(2400), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_lost_in_the_last_round_is_still_looked_for() {
        for there in [true, false] {
            let mut rounds = Rounds::of(CONTENDED);
            for _ in 1..ROUNDS_LIMIT {
                assert!(!rounds.wrote(Ok(refused())).await.unwrap());
                assert!(!rounds.landed(false).unwrap());
            }
            assert!(!rounds.wrote(lost()).await.unwrap());
            assert_eq!(rounds.landed(there).ok(), there.then_some(true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_round_begins_when_the_others_have_taken_long() {
        let mut rounds = Rounds::of(CONTENDED);
        assert!(!rounds.wrote(Ok(refused())).await.unwrap());
        tokio::time::sleep(LAST_ROUND_BEGINS_WITHIN).await;
        assert_eq!(cause(rounds.wrote(Ok(refused())).await.map(drop)), CONTENDED);
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_that_find_nothing_to_write_count_as_lost_races() {
        let mut rounds = Rounds::of(CONTENDED);
        for _ in 1..ROUNDS_LIMIT {
            rounds.raced().await.unwrap();
        }
        assert_eq!(cause(rounds.raced().await), CONTENDED);
    }
}
