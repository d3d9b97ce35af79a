//! The failures that routes have in common, as the API's documentation describes them.

use utoipa::IntoResponses;

use crate::ErrorBody;

/// What any route may answer.
#[derive(IntoResponses)]
pub enum Failures {
    /// Missing or invalid bearer token.
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The key lacks the scope, or the organization may not do this (see `code`).
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// A fault of the service's.
    #[response(status = 500)]
    Internal(ErrorBody),
    /// The service or the carrier cannot be reached for now; try again after `Retry-After` seconds.
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds to wait")))]
    Unavailable(ErrorBody),
}

/// What a route answers that reads a body or query parameters.
#[derive(IntoResponses)]
pub enum Invalid {
    /// Request body or query parameters failed validation; `issues` names every field.
    #[response(status = 400)]
    Invalid(ErrorBody),
}

#[derive(IntoResponses)]
pub enum TooLarge {
    /// The body is larger than 64 KiB.
    #[response(status = 413)]
    TooLarge(ErrorBody),
}

#[derive(IntoResponses)]
pub enum Missing {
    /// There is no such phone number in this organization.
    #[response(status = 404)]
    Missing(ErrorBody),
}

#[derive(IntoResponses)]
pub enum Conflict {
    /// Something else stands in the way (see `code`).
    #[response(status = 409)]
    Conflict(ErrorBody),
}

#[derive(IntoResponses)]
pub enum Payment {
    /// The prepaid credits do not cover it; see `requiredUsd` and `balanceUsd`.
    #[response(status = 402)]
    Payment(ErrorBody),
}

#[derive(IntoResponses)]
pub enum Precondition {
    /// The phone number has another version than `If-Match` names.
    #[response(status = 412)]
    Changed(ErrorBody),
}

#[derive(IntoResponses)]
pub enum RateLimited {
    /// Too many requests; try again after `Retry-After` seconds.
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds to wait")))]
    RateLimited(ErrorBody),
}
