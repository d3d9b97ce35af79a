//! The failures that routes have in common, as the API's documentation describes them.

use utoipa::{IntoParams, IntoResponses};

use crate::ErrorBody;

/// What any route may answer.
#[derive(IntoResponses)]
pub enum Failures {
    /// Missing or invalid bearer token (`UNAUTHORIZED`).
    #[response(
        status = 401,
        headers(("WWW-Authenticate" = String, description = "Always `Bearer`")),
        example = json!({ "error": "Unauthorized", "code": "UNAUTHORIZED", "retryable": false })
    )]
    Unauthorized(ErrorBody),
    /// The key lacks the scope that this operation needs (`SCOPE_REQUIRED`).
    #[response(
        status = 403,
        example = json!({
            "error": "This API key lacks the scope 'read'",
            "code": "SCOPE_REQUIRED", "retryable": false,
        })
    )]
    Forbidden(ErrorBody),
    /// A fault of the service's (`INTERNAL_ERROR`).
    #[response(
        status = 500,
        example = json!({ "error": "Internal error", "code": "INTERNAL_ERROR", "retryable": true })
    )]
    Internal(ErrorBody),
    /// Not now; try again after `Retry-After` seconds (`BUSY`, or `CARRIER_UNAVAILABLE` where the carrier is asked).
    #[response(
        status = 503,
        headers(("Retry-After" = u32, description = "Seconds to wait")),
        example = json!({ "error": "The service is busy; try again", "code": "BUSY", "retryable": true })
    )]
    Unavailable(ErrorBody),
}

/// What any route may answer, since a query parameter that it does not know breaks a rule.
#[derive(IntoResponses)]
pub enum Invalid {
    /// The body, a query parameter or a header breaks a rule (`VALIDATION_ERROR`); `issues` names every one.
    #[response(
        status = 400,
        example = json!({
            "error": "Invalid request body",
            "code": "VALIDATION_ERROR", "retryable": false,
            "issues": [{ "path": "label", "message": "must be at most 120 characters" }],
        })
    )]
    Invalid(ErrorBody),
}

/// What a route answers to a body that it does not read.
#[derive(IntoResponses)]
pub enum Unread {
    /// The body is larger than 64 KiB (`PAYLOAD_TOO_LARGE`).
    #[response(
        status = 413,
        example = json!({
            "error": "The request body is larger than 64 KiB",
            "code": "PAYLOAD_TOO_LARGE", "retryable": false,
        })
    )]
    TooLarge(ErrorBody),
    /// The body is compressed (`UNSUPPORTED_MEDIA_TYPE`).
    #[response(
        status = 415,
        example = json!({
            "error": "The request body is compressed; send it as it is, without Content-Encoding",
            "code": "UNSUPPORTED_MEDIA_TYPE", "retryable": false,
        })
    )]
    Compressed(ErrorBody),
}

#[derive(IntoResponses)]
pub enum Missing {
    /// There is no such phone number in this organization (`NOT_FOUND`).
    #[response(status = 404, example = json!({ "error": "Not found", "code": "NOT_FOUND", "retryable": false }))]
    Missing(ErrorBody),
}

#[derive(IntoResponses)]
pub enum Payment {
    /// The prepaid credits do not cover it (`INSUFFICIENT_CREDITS`); see `requiredUsd` and `balanceUsd`.
    #[response(
        status = 402,
        example = json!({
            "error": "Not enough prepaid credits: 2.00 USD needed, 0.50 USD left",
            "code": "INSUFFICIENT_CREDITS", "retryable": false, "requiredUsd": 2.0, "balanceUsd": 0.5,
        })
    )]
    Payment(ErrorBody),
}

#[derive(IntoResponses)]
pub enum Precondition {
    /// The phone number has another version than `If-Match` names (`PRECONDITION_FAILED`).
    #[response(
        status = 412,
        example = json!({
            "error": "The phone number has changed since the version named in If-Match; read it again",
            "code": "PRECONDITION_FAILED", "retryable": false,
        })
    )]
    Changed(ErrorBody),
}

#[derive(IntoResponses)]
pub enum RateLimited {
    /// Too many requests of this kind within a minute; try again after `Retry-After` seconds (`RATE_LIMITED`).
    #[response(
        status = 429,
        headers(("Retry-After" = u32, description = "Seconds to wait")),
        example = json!({
            "error": "Too many requests of this kind within a minute; try again in a moment",
            "code": "RATE_LIMITED", "retryable": true,
        })
    )]
    RateLimited(ErrorBody),
}

/// What a POST route reads beside its body.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyHeader {
    /// 1 to 255 letters, digits or characters of `._:+/=-`, with or without double quotes around them. The first success
    /// under a key is answered again for 24 hours, with `Idempotency-Replayed: true`, instead of happening twice. While
    /// the first request is running, the same key gets 409 `IDEMPOTENCY_IN_PROGRESS`.
    #[param(
        rename = "Idempotency-Key",
        max_length = 257,
        pattern = r#"^("[A-Za-z0-9._:+/=-]{1,255}"|[A-Za-z0-9._:+/=-]{1,255})$"#
    )]
    pub idempotency_key: Option<String>,
}

/// What a POST route answers to a key that it knows otherwise.
#[derive(IntoResponses)]
pub enum KeyReused {
    /// The Idempotency-Key was used with another body, or the number that was made under it has been released since
    /// (`IDEMPOTENCY_KEY_REUSED`, with `phoneNumberId`).
    #[response(
        status = 422,
        example = json!({
            "error": "This Idempotency-Key was used with another body; use a new key for a new request",
            "code": "IDEMPOTENCY_KEY_REUSED", "retryable": false,
        })
    )]
    KeyReused(ErrorBody),
}
