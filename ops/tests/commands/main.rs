//! The operator's commands, run in this process against the whole bundle: one file for each noun, and what holds for all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod audit;
mod clock;
mod customers;
mod desk;
mod everywhere;
mod numbers;
mod races;
mod renewals;
mod verifications;
