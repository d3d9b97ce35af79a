//! The template against the code: what it deploys, allows, routes and sets is what the functions are, call, answer and
//! read. A function that is added to `functions/` and not to these tests fails them by name.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

mod alarms;
mod events;
mod permissions;
mod routes;
mod settings;
mod shape;

use tests::stack;
