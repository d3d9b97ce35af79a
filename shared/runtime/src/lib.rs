//! How a function starts, and what each function speaks to AWS and to others with: settings, logs, HTTP, secrets, queues.

pub mod alarm;
pub mod aws;
mod aws_http;
pub mod function;
pub mod http;
pub mod logs;
pub mod message;
#[cfg(feature = "queue")]
pub mod queue;
#[cfg(feature = "schedule")]
pub mod schedule;
#[cfg(feature = "secret")]
mod secret;
pub mod settings;
#[cfg(feature = "worker")]
pub mod worker;

pub use function::{Error, Function, Start, run};
#[cfg(feature = "secret")]
pub use secret::Secret;
