//! Business verification (know your business): what a customer files, and how it is decided.

mod filing;
mod submission;

pub use filing::{Address, Brand, BusinessProfile, Country, Declaration, Email, Filing, Representative, Website};
pub use submission::{
    ATTESTATION_TEXT, ATTESTATION_VERSION, Attestation, Delivery, Filed, Notification, Review, State, Status,
    Submission, SubmittedBy,
};
