//! Business verification (know your business): what a customer files, and how it is decided.

mod decision;
mod field;
mod filing;
mod registration_id;
mod slack_user_id;
mod submission;

pub use decision::{Decision, RejectionIssue};
pub use field::Field;
pub use filing::{
    Address, Brand, BusinessProfile, Country, Declaration, Email, Filing, Partial, Representative, Website,
    parse_street,
};
pub use registration_id::RegistrationId;
pub use slack_user_id::SlackUserId;
pub use submission::{
    Attestation, Case, Delivery, Filed, Notification, Review, State, Status, Submission, SubmittedBy,
};
