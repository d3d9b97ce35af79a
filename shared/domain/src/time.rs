//! Moments in UTC to the millisecond, months by the calendar, and the clock as an argument.

use std::fmt;
use std::time::Duration;

use jiff::{ToSpan, civil::DateTime, tz::TimeZone};

/// A moment in UTC, in whole milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Reads what [`fmt::Display`] writes, and any other RFC 3339 moment.
    ///
    /// # Errors
    /// A sentence that names the accepted form.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| "must be a time such as 2026-07-01T00:00:00.000Z")?;
        Ok(Self(moment.as_millisecond()))
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same day of the month and time of day, `months` later, or the month's last day where it is shorter:
    /// counted from 31 January that is 28 February, then 31 March.
    #[must_use]
    pub fn months_later(self, months: u32) -> Self {
        self.civil().checked_add(i64::from(months).months()).map_or(self, Self::from_civil)
    }

    /// The first monthly anniversary of this moment that lies after `now`.
    #[must_use]
    pub fn anniversary_after(self, now: Self) -> Self {
        let (from, to) = (self.civil(), now.civil());
        let apart = (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month() - from.month());
        let months = u32::try_from(apart).unwrap_or(0).max(1);
        let candidate = self.months_later(months);
        if candidate > now { candidate } else { self.months_later(months + 1) }
    }

    fn civil(self) -> DateTime {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        TimeZone::UTC.to_datetime(moment)
    }

    fn from_civil(civil: DateTime) -> Self {
        Self(TimeZone::UTC.to_timestamp(civil).unwrap_or_default().as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    /// `2026-07-01T00:00:00.000Z`: always UTC, always milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", jiff::Timestamp::from_millisecond(self.0).unwrap_or_default())
    }
}

/// Where the time comes from. Tests bring their own; everything else uses [`SystemClock`].
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is given")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(at("2026-07-01T00:00:00Z").to_string(), "2026-07-01T00:00:00.000Z");
        assert_eq!(at("2026-07-01T02:00:00.5+02:00").to_string(), "2026-07-01T00:00:00.500Z");
        assert!(Timestamp::parse("yesterday").is_err());
    }

    #[test]
    fn a_month_later_keeps_the_day_where_the_month_has_it() {
        let january = at("2026-01-31T10:00:00Z");
        for (months, expected) in [(1, "2026-02-28"), (2, "2026-03-31"), (3, "2026-04-30"), (25, "2028-02-29")] {
            assert_eq!(january.months_later(months).to_string(), format!("{expected}T10:00:00.000Z"));
        }
    }

    #[test]
    fn the_next_anniversary_lies_after_now() {
        let start = at("2026-01-31T10:00:00Z");
        for (now, expected) in [
            ("2026-01-31T10:00:00Z", "2026-02-28T10:00:00.000Z"),
            ("2026-02-28T09:59:59Z", "2026-02-28T10:00:00.000Z"),
            ("2026-02-28T10:00:00Z", "2026-03-31T10:00:00.000Z"),
            ("2027-01-31T10:00:00Z", "2027-02-28T10:00:00.000Z"),
            ("2025-06-01T00:00:00Z", "2026-02-28T10:00:00.000Z"),
        ] {
            assert_eq!(start.anniversary_after(at(now)).to_string(), expected, "{now}");
        }
    }
}
