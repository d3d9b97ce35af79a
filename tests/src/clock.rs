use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{Clock, SystemClock, Timestamp};

/// The machine's clock, moved ahead by as much as a test likes.
#[derive(Default)]
pub struct TestClock {
    ahead: AtomicI64,
}

impl TestClock {
    /// # Panics
    /// The duration is longer than 292 million years.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// What happens from now on happens earlier, for processes that have the machine's own clock.
    ///
    /// # Panics
    /// The duration is longer than 292 million years.
    pub fn set_back(&self, by: Duration) {
        self.ahead.fetch_sub(millis(by), Ordering::SeqCst);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("a sensible duration")
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().millis() + self.ahead.load(Ordering::SeqCst))
    }
}
