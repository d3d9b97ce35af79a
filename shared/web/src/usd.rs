//! Amounts of money, as callers see them.

use domain::MicroUsd;

/// An amount as a JSON number. The quotient is the nearest double, whose shortest spelling is the amount itself up to
/// nine billion dollars; nothing is ever calculated with it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "amounts stay below 2^53 micro-dollars")]
pub fn usd(amount: MicroUsd) -> f64 {
    amount.micros() as f64 / 1_000_000.0
}
