//! Why a command was not carried out.

use std::fmt;

use domain::Error;

/// Why a command was not carried out, in one sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Unlike a caller of the API, an operator is shown what caused a fault.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(issues) => {
                let issues = issues.iter().map(|issue| format!("{} {}", issue.path, issue.message));
                Self(issues.collect::<Vec<_>>().join("; "))
            }
            Error::Busy(cause) => Self(format!("The table does not answer, or is busy: {cause}")),
            Error::Internal(cause) => Self(format!("Something is wrong here: {cause}")),
            Error::CarrierUnavailable(cause) | Error::CarrierThrottled { source: cause, .. } => {
                Self(format!("The carrier gives no answer that can be used: {cause}"))
            }
            other => Self(format!("{other}.")),
        }
    }
}
