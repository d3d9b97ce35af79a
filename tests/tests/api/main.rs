//! The API, route by route: one file for each URL, and one for each promise that spans them.

mod available;
mod buy;
mod contention;
mod everywhere;
mod get;
mod import;
mod kyb;
mod list;
mod notifications;
mod openapi;
mod properties;
mod release;
mod round_trips;
mod update;
