//! The API, route by route: one file for each URL, and one for each promise that spans them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod audit;
mod available;
mod buy;
mod contention;
mod costs;
mod events;
mod everywhere;
mod fences;
mod get;
mod growth;
mod idempotency;
mod import;
mod kyb;
mod list;
mod notifications;
mod openapi;
mod ordered_once;
mod properties;
mod published_clients;
mod reconciler;
mod release;
mod renewal_races;
mod renewals;
mod renewals_crowd;
mod review;
mod round_trips;
mod security;
mod security_slack;
mod spelling;
mod sweep;
mod update;
