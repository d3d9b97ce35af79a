//! The rules of the phone-number service, as types.
//!
//! Nothing here talks to AWS, HTTP or JSON, and nothing reads a clock or draws randomness: both arrive as
//! arguments. What has been through a `parse` is never checked again.

pub mod api_key;
mod area_code;
pub mod audit;
pub mod billing;
pub mod carrier;
pub mod credits;
mod e164;
mod error;
pub mod feed;
mod id;
pub mod idempotency;
pub mod kyb;
mod money;
pub mod number;
pub mod organization;
mod randomness;
mod recorded;
pub mod registration;
pub mod renewal;
pub mod settlement;
pub mod setup_status;
pub mod sip_connection;
mod text;
mod time;

pub use e164::E164;
pub use error::{Cause, Error, Issue, Issues, Result, chain};
pub use id::{AgentId, ApiKeyId, BookingReference, EventId, KybId, OrganizationId, PhoneNumberId, SipConnectionId};
pub use money::MicroUsd;
pub use randomness::{Randomness, SystemRandomness};
pub use recorded::Recorded;
pub use text::{Label, Name, Prose, is_blank};
pub use time::{Clock, SystemClock, Timestamp};
