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
        self.ahead.fetch_add(i64::try_from(by.as_millis()).expect("a sensible duration"), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().millis() + self.ahead.load(Ordering::SeqCst))
    }
}
