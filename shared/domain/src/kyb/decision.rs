//! What staff decide about a verification.

use super::Field;
use crate::Prose;

/// What staff decide about a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Of a submission under review. It lifts the organization's hold.
    Approve,
    /// Of a submission under review. It sets a hold.
    Reject {
        reason: Prose,
        /// What is wrong with single fields; may be empty.
        issues: Vec<RejectionIssue>,
    },
    /// Takes an approval back. It sets a hold.
    Revoke { reason: Prose },
}

/// What staff say about one field of a submission that they reject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectionIssue {
    /// Where the field stands, with dots: `businessProfile.website`.
    pub path: String,
    pub message: Prose,
}

impl RejectionIssue {
    /// # Errors
    /// A sentence for whoever decides: no form has such a field, or the message is blank or too long.
    pub fn parse(path: &str, message: &str) -> Result<Self, &'static str> {
        if Field::parse(path).is_none() {
            return Err("must name a field of the form, such as businessProfile.website");
        }
        Ok(Self { path: path.to_owned(), message: Prose::parse(message)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_names_a_field_that_a_form_has_and_says_something() {
        assert!(RejectionIssue::parse("businessProfile.address.city", "No such city").is_ok());
        for (path, message) in [("website", "x"), ("businessProfile.website", " ")] {
            assert!(RejectionIssue::parse(path, message).is_err(), "{path:?} {message:?}");
        }
        assert!(RejectionIssue::parse("businessProfile.website", &"x".repeat(2_001)).is_err());
    }
}
