//! What the measurements share: the local run as a process, quantiles, marked parts of a document, Lambda's prices.

use std::time::Duration;

pub mod document;
pub mod lambda_cost;
pub mod local_run;
pub mod process;

/// The duration below which `percent` (0 to 100) of the durations are; it sorts them. Zero where there are none.
pub fn quantile(durations: &mut [Duration], percent: usize) -> Duration {
    durations.sort_unstable();
    durations.get((durations.len() * percent / 100).min(durations.len().saturating_sub(1))).copied().unwrap_or_default()
}
