//! How many calls the carrier takes: so many in each window, which begins with the first call after the last one.

use std::time::Duration;

use domain::Timestamp;

/// A limit for all calls together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many calls are taken in one window.
    pub calls: u32,
    /// How long a window lasts, by the carrier's clock.
    pub window: Duration,
}

/// A window that is open or over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    ends: Timestamp,
    calls: u32,
}

/// Counts a call at `now`, in a new window when there is none or it is over.
///
/// # Errors
/// How long the window still lasts, when it is full.
pub(super) fn count(window: &mut Option<Window>, limit: RateLimit, now: Timestamp) -> Result<(), Duration> {
    let open = window.filter(|open| now < open.ends);
    let mut open = open.unwrap_or(Window { ends: now.plus(limit.window), calls: 0 });
    if open.calls >= limit.calls {
        return Err(open.ends.since(now));
    }
    open.calls += 1;
    *window = Some(open);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_takes_no_call_until_it_is_over() {
        let limit = RateLimit { calls: 2, window: Duration::from_secs(10) };
        let at = |seconds: i64| Timestamp::from_millis(1_784_000_000_000 + 1_000 * seconds);
        let mut window = None;
        for (second, counted) in [
            (0, Ok(())),
            (3, Ok(())),
            (4, Err(Duration::from_secs(6))),
            (9, Err(Duration::from_secs(1))),
            (10, Ok(())),
            (19, Ok(())),
            (19, Err(Duration::from_secs(1))),
            (60, Ok(())),
        ] {
            assert_eq!(count(&mut window, limit, at(second)), counted, "{second}");
        }
    }
}
