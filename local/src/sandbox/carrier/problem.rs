//! Telnyx's error answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into() }
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "The bearer key is missing or is not the sandbox's.";
        Self::new(StatusCode::UNAUTHORIZED, "10009", "Authentication failed", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "10005", "Resource not found", "There is no such resource or address.")
    }

    pub(super) fn wrong_method() -> Self {
        let detail = "The address does not take this method.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "10015", "Bad Request", detail)
    }

    pub(super) fn bad_request(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "10015", "Bad Request", detail)
    }

    pub(super) fn invalid(detail: &'static str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "10004", "Invalid parameter", detail)
    }

    pub(super) fn no_coverage() -> Self {
        let detail = "No numbers were found for these filters.";
        Self::new(StatusCode::BAD_REQUEST, "10031", "No coverage", detail)
    }

    /// Taken, never searched for, or not a number: the carrier says the same of all.
    pub(super) fn unknown_number(number: &str) -> Self {
        let detail = format!("We don't recognize the number(s) {number}. Search for numbers before ordering them.");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "10027", "Unprocessable Entity", detail)
    }

    pub(super) fn already_ours() -> Self {
        let detail = "The account has this number already.";
        Self::new(StatusCode::CONFLICT, "10012", "Duplicate resource", detail)
    }

    pub(super) fn no_money() -> Self {
        let detail = "The account's balance does not cover the order.";
        Self::new(StatusCode::PAYMENT_REQUIRED, "20100", "Insufficient Funds", detail)
    }

    pub(super) fn throttled() -> Self {
        let detail = "There were too many requests.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "10011", "Too many requests", detail)
    }

    pub(super) fn unexpected() -> Self {
        let detail = "An unexpected error occurred.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "10007", "Unexpected error", detail)
    }

    pub(super) fn down() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "10036", "Service unavailable", "The carrier is down.")
    }

    pub(super) fn locked() -> Self {
        let detail = "The number has a deletion lock.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "10027", "Unprocessable Entity", detail)
    }

    pub(super) fn late() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "10008", "Request timeout", "The request took too long.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, title, detail } = self;
        let url = format!("https://developers.telnyx.com/docs/overview/errors/{code}");
        let error = json!({ "code": code, "title": title, "detail": detail, "meta": { "url": url } });
        let answer = (status, Json(json!({ "errors": [error] })));
        if status == StatusCode::TOO_MANY_REQUESTS {
            ([("x-ratelimit-reset", "1")], answer).into_response()
        } else {
            answer.into_response()
        }
    }
}
