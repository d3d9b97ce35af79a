//! The services beside the table, and the settings that all functions are built from.

pub mod aws;
mod aws_http;
pub mod logs;
#[cfg(feature = "queue")]
pub mod queue;
#[cfg(feature = "secret")]
mod secret;
pub mod settings;
#[cfg(feature = "slack")]
pub mod slack;
#[cfg(feature = "telnyx")]
pub mod telnyx;

#[cfg(feature = "secret")]
pub use secret::Secret;
