//! What every HTTP function shares: who calls, what they sent, how errors are answered.

pub mod answers;
mod caller;
mod code;
mod compact_json;
mod cors;
mod error;
mod fields;
mod http;
mod idempotency;
mod if_match;
mod json_body;
mod number;
mod params;
mod serve;
mod table_app;
mod usd;

pub use caller::{Caller, Compliance, Queried, Read, Reception, Scoped, Write};
pub use code::Code;
pub use error::{ApiError, ApiResult, ErrorBody, IssueBody};
pub use fields::Fields;
pub use http::Http;
pub use idempotency::{Attempt, Keyed};
pub use if_match::IfMatch;
pub use json_body::{JsonBody, whole_body};
pub use number::{
    Direction, E164, JsonObject, NumberPath, NumberSource, PhoneNumberRow, SetupState, SetupStatusRow, SuspensionReason,
};
pub use params::Params;
pub use serve::serve;
pub use table_app::TableApp;
pub use usd::usd;
