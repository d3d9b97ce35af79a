//! How often an organization has done within a minute what costs the operator something.

use std::time::Duration;

use domain::{Error, OrganizationId, Result, Timestamp};

use crate::Table;
use crate::keys::Key;
use crate::transaction::Condition;

const MINUTE: Duration = Duration::from_mins(1);

/// What is counted for each organization and minute of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Searches, and purchases, which search too: 60 a minute.
    Searches,
    /// Changes of numbers: 300 a minute.
    Changes,
}

impl Rate {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Searches => "SEARCHES",
            Self::Changes => "CHANGES",
        }
    }

    /// The most within one minute.
    #[must_use]
    pub const fn limit(self) -> u32 {
        match self {
            Self::Searches => 60,
            Self::Changes => 300,
        }
    }
}

impl Table {
    /// Counts one more, in one write.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where the minute's limit is reached: then nothing is counted.
    pub async fn count(&self, organization: &OrganizationId, rate: Rate, now: Timestamp) -> Result<()> {
        let length = i64::try_from(MINUTE.as_millis()).unwrap_or(i64::MAX);
        let minute = Timestamp::from_millis(now.millis() - now.millis().rem_euclid(length));
        let next = minute.plus(MINUTE);
        let within = Condition::new("attribute_not_exists(calls) OR calls < :most")
            .number(":most", rate.limit())
            .number(":one", 1)
            .number(":expiresAt", next.plus(MINUTE).seconds());
        let counting = "ADD calls :one SET expiresAt = :expiresAt";
        let full = || Error::RateLimited { retry_after: next.since(now) };
        self.update(Key::rate(organization, rate, minute), counting, within, full).await
    }
}
