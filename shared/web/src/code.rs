//! Every error code with its status.

use std::fmt;

use axum::http::StatusCode;
use serde::{Serialize, Serializer};

/// One code for each thing that a caller does differently, with its status.
macro_rules! codes {
    ($($name:ident = $status:ident $text:literal,)*) => {
        /// What went wrong, as programs read it. Codes are never renamed; more may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($name,)*
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    ValidationError = BAD_REQUEST "VALIDATION_ERROR",
    ResultTooLarge = BAD_REQUEST "RESULT_TOO_LARGE",
    Unauthorized = UNAUTHORIZED "UNAUTHORIZED",
    InsufficientCredits = PAYMENT_REQUIRED "INSUFFICIENT_CREDITS",
    ScopeRequired = FORBIDDEN "SCOPE_REQUIRED",
    BuyingDisabled = FORBIDDEN "PHONE_NUMBER_BUYING_DISABLED",
    KybSuspended = FORBIDDEN "PHONE_NUMBER_KYB_SUSPENDED",
    KybRequired = FORBIDDEN "PHONE_NUMBER_KYB_REQUIRED",
    ImportLimitReached = FORBIDDEN "IMPORT_LIMIT_REACHED",
    NotFound = NOT_FOUND "NOT_FOUND",
    MethodNotAllowed = METHOD_NOT_ALLOWED "METHOD_NOT_ALLOWED",
    AlreadyRegistered = CONFLICT "PHONE_NUMBER_ALREADY_REGISTERED",
    NumberUnavailable = CONFLICT "PHONE_NUMBER_UNAVAILABLE",
    NumberBusy = CONFLICT "PHONE_NUMBER_BUSY",
    ReleaseRefused = CONFLICT "PHONE_NUMBER_RELEASE_REFUSED",
    AgentAlreadyLinked = CONFLICT "AGENT_ALREADY_LINKED",
    KybUnderReview = CONFLICT "KYB_UNDER_REVIEW",
    KybAlreadyApproved = CONFLICT "KYB_ALREADY_APPROVED",
    IdempotencyInProgress = CONFLICT "IDEMPOTENCY_IN_PROGRESS",
    PreconditionFailed = PRECONDITION_FAILED "PRECONDITION_FAILED",
    PayloadTooLarge = PAYLOAD_TOO_LARGE "PAYLOAD_TOO_LARGE",
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "UNSUPPORTED_MEDIA_TYPE",
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY "IDEMPOTENCY_KEY_REUSED",
    RateLimited = TOO_MANY_REQUESTS "RATE_LIMITED",
    InternalError = INTERNAL_SERVER_ERROR "INTERNAL_ERROR",
    Busy = SERVICE_UNAVAILABLE "BUSY",
    CarrierUnavailable = SERVICE_UNAVAILABLE "CARRIER_UNAVAILABLE",
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
