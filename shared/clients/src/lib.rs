//! The services beside the table, and the settings that all functions are built from.

pub mod aws;
#[cfg(feature = "queue")]
pub mod queue;
mod secret;
pub mod settings;
#[cfg(feature = "slack")]
pub mod slack;
#[cfg(feature = "telnyx")]
pub mod telnyx;

pub use secret::Secret;
