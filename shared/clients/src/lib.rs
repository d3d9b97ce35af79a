//! Who speaks to somebody: the carrier, and the chat in which staff review.

#[cfg(feature = "slack")]
pub mod slack;
#[cfg(feature = "telnyx")]
pub mod telnyx;
