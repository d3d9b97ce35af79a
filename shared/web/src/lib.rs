//! What every HTTP function shares: who calls, what they sent, how errors are answered.

pub mod answers;
mod caller;
mod code;
mod compact_json;
mod error;
mod fields;
mod http;
mod idempotency;
mod if_match;
mod json_body;
mod number_path;
mod params;
mod phone_number_row;
mod serve;

pub use caller::{Caller, Compliance, Read, Reception, Write};
pub use code::Code;
pub use error::{ApiError, ApiResult, ErrorBody, IssueBody};
pub use fields::Fields;
pub use http::Http;
pub use idempotency::{Attempt, Keyed};
pub use if_match::IfMatch;
pub use json_body::JsonBody;
pub use number_path::NumberPath;
pub use params::Params;
pub use phone_number_row::{
    Direction, E164, JsonObject, NumberSource, PhoneNumberRow, SetupState, SetupStatusRow, SuspensionReason, usd,
};
pub use serve::serve;
