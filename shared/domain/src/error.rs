//! Why something is not done, and the text of an error with all its causes.

use std::time::Duration;

use crate::{MicroUsd, PhoneNumberId};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong under a fault. It is logged once, where the answer is made, and never sent.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error with everything that caused it, in one line: the outermost text alone often says only that it failed. This is
/// what logs say as `error.cause`.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where the field stands, with dots: `businessProfile.website`. Empty for the body as a whole.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// Every field of one request that breaks a rule.
pub type Issues = Vec<Issue>;

/// Why something is not done: one variant for each thing that a caller does differently. What only HTTP knows (keys, headers,
/// queries) is `web::ApiError`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Fields break rules")]
    Invalid(Issues),
    #[error("Not found")]
    NotFound,
    #[error("The phone number has changed since the version that was read")]
    Changed,
    #[error("Too many requests of this kind within a minute; try again in a moment")]
    RateLimited { retry_after: Duration },

    #[error("This Idempotency-Key was used with another body; use a new key for a new request")]
    IdempotencyKeyReused,
    #[error("This Idempotency-Key was used for {made}, which has been released since; use a new key for a new request")]
    IdempotencyKeySpent {
        /// What the key's request has made.
        made: PhoneNumberId,
    },
    #[error("A request with this Idempotency-Key is still running; send it again in a moment")]
    IdempotencyInProgress { retry_after: Duration },

    #[error("Buying phone numbers is switched off for this organization; ask the operator to enable it")]
    BuyingDisabled,
    #[error("Business verification was rejected or revoked; submit a new one and wait for its approval")]
    KybSuspended,
    #[error("Business verification was rejected or revoked; the new one is under review, so wait for its outcome")]
    KybSuspendedUnderReview,
    #[error("Business verification is required before buying phone numbers; submit it and wait for its approval")]
    KybRequired,
    #[error("This phone number is already registered")]
    AlreadyRegistered {
        /// The registration, when it is the caller's own.
        own: Option<PhoneNumberId>,
    },
    #[error("This agent is already linked to another phone number; unlink it there first")]
    AgentAlreadyLinked,
    #[error("Not enough prepaid credits: {required} USD needed, {balance} USD left")]
    InsufficientCredits { required: MicroUsd, balance: MicroUsd },
    #[error("The carrier no longer offers this phone number; search for another")]
    NumberUnavailable,
    #[error("This phone number's order or release is still being settled; try again in a few minutes")]
    NumberBusy,
    #[error("This organization has reached its limit of {0} imported phone numbers")]
    ImportLimitReached(u32),

    #[error("The business verification is under review; wait for its outcome")]
    KybUnderReview,
    #[error("The business verification is already approved")]
    KybAlreadyApproved,
    #[error("The business verification is not under review; it is {0}")]
    KybNotUnderReview(&'static str),
    #[error("Only an approved business verification can be revoked; it is {0}")]
    KybNotApproved(&'static str),

    /// A purchase came to nothing, for a reason that is not the caller's.
    #[error("The carrier cannot take orders right now; nothing was charged, try again")]
    NotOrdered {
        /// How long the carrier asks us to stay away, where it throttles.
        retry_after: Option<Duration>,
        #[source]
        source: Cause,
    },
    #[error("The carrier refuses to release this phone number; the operator has been told, and it stays out of use")]
    ReleaseRefused(#[source] Cause),
    #[error("The carrier cannot be reached right now; try again")]
    CarrierUnavailable(#[source] Cause),
    #[error("The carrier cannot be reached right now; try again")]
    CarrierThrottled {
        retry_after: Duration,
        #[source]
        source: Cause,
    },
    #[error("The service is busy; try again")]
    Busy(#[source] Cause),
    #[error("Internal error")]
    Internal(#[source] Cause),
}

impl Error {
    /// The error of a purchase that failed before it was charged: a carrier that gave no answer has taken no order.
    #[must_use]
    pub fn not_ordered(self) -> Self {
        match self {
            Self::CarrierUnavailable(source) => Self::NotOrdered { retry_after: None, source },
            Self::CarrierThrottled { retry_after, source } => {
                Self::NotOrdered { retry_after: Some(retry_after), source }
            }
            other => other,
        }
    }

    /// A fault of ours, with what caused it.
    pub fn internal(source: impl Into<Cause>) -> Self {
        Self::Internal(source.into())
    }

    /// One field that breaks a rule.
    pub fn field(path: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Issue { path: path.to_owned(), message: message.into() }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_with_what_caused_it() {
        let error = Error::internal(Error::Busy("the table is gone".into()));
        assert_eq!(chain(&error), "Internal error: The service is busy; try again: the table is gone");
    }
}
