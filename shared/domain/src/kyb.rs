//! Business verification (know your business): what a customer files, and how it is decided.

mod address;
mod country;
mod decision;
mod field;
mod filing;
mod registration_id;
mod slack_user_id;
mod submission;
mod website;

pub use address::{Address, parse_street};
pub use country::Country;
pub use decision::{Decision, RejectionIssue};
pub use field::Field;
pub use filing::{Brand, BusinessProfile, Declaration, Email, Filing, Partial, Representative};
pub use registration_id::RegistrationId;
pub use slack_user_id::SlackUserId;
pub use submission::{
    Attestation, Case, Delivery, Filed, Notification, Review, State, Status, Submission, SubmittedBy,
};
pub use website::Website;
