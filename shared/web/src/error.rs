//! Every error as an answer: status, code, sentence and log line.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Error, Issue, Issues, chain};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Code;

/// The field whose issue is repeated in the sentence.
const ATTESTATION_VERSION: &str = "attestationVersion";

pub type ApiResult<T> = Result<T, ApiError>;

/// Why a request gets no answer of its own: a rule of the domain, or of HTTP.
#[derive(Debug)]
pub enum ApiError {
    Domain(Error),
    InvalidQuery(Issues),
    InvalidHeader(Issues),
    Unauthorized,
    /// The key lacks this scope.
    ScopeRequired(&'static str),
    /// The answer would be too large; the sentence says what to ask for instead.
    ResultTooLarge(String),
    MethodNotAllowed,
    /// The body has more bytes than this.
    PayloadTooLarge(usize),
    /// The body is compressed.
    CompressedBody,
    /// No route has a path that ends in a slash; this is the path without it.
    TrailingSlash(String),
}

impl<E: Into<Error>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::Domain(error.into())
    }
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub struct ErrorBody {
    /// A sentence for people.
    error: String,
    /// A word for programs; more may be added. One of
    ///
    /// - 400 `VALIDATION_ERROR`, `RESULT_TOO_LARGE`
    /// - 401 `UNAUTHORIZED`
    /// - 402 `INSUFFICIENT_CREDITS`
    /// - 403 `SCOPE_REQUIRED`, `PHONE_NUMBER_BUYING_DISABLED`, `PHONE_NUMBER_KYB_SUSPENDED`,
    ///   `PHONE_NUMBER_KYB_REQUIRED`, `IMPORT_LIMIT_REACHED`
    /// - 404 `NOT_FOUND`
    /// - 405 `METHOD_NOT_ALLOWED`
    /// - 409 `PHONE_NUMBER_ALREADY_REGISTERED`, `PHONE_NUMBER_UNAVAILABLE`, `PHONE_NUMBER_BUSY`,
    ///   `PHONE_NUMBER_RELEASE_REFUSED`, `AGENT_ALREADY_LINKED`, `KYB_UNDER_REVIEW`, `KYB_ALREADY_APPROVED`,
    ///   `IDEMPOTENCY_IN_PROGRESS`
    /// - 412 `PRECONDITION_FAILED`
    /// - 413 `PAYLOAD_TOO_LARGE`
    /// - 415 `UNSUPPORTED_MEDIA_TYPE`
    /// - 422 `IDEMPOTENCY_KEY_REUSED`
    /// - 429 `RATE_LIMITED`
    /// - 500 `INTERNAL_ERROR`
    /// - 503 `BUSY`, `CARRIER_UNAVAILABLE`
    #[schema(value_type = String)]
    code: Code,
    /// Whether the same request may succeed later without a change.
    retryable: bool,
    /// Every field that breaks a rule, for `VALIDATION_ERROR`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    issues: Vec<IssueBody>,
    /// The caller's own registration, for `PHONE_NUMBER_ALREADY_REGISTERED`; the number that was made under the key and
    /// has been released since, for `IDEMPOTENCY_KEY_REUSED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_number_id: Option<String>,
    /// What the purchase costs, for `INSUFFICIENT_CREDITS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    required_usd: Option<f64>,
    /// What is left, for `INSUFFICIENT_CREDITS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    balance_usd: Option<f64>,
}

/// One field that breaks a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Issue)]
pub struct IssueBody {
    /// Where the field stands, such as `businessProfile.website`; empty for the body as a whole.
    path: String,
    /// What is wrong and how to mend it.
    message: String,
}

impl ApiError {
    /// The code of every error. There is no `_` arm, so that nobody forgets to choose.
    const fn code(&self) -> Code {
        let error = match self {
            Self::Domain(error) => error,
            Self::InvalidQuery(_) | Self::InvalidHeader(_) => return Code::ValidationError,
            Self::Unauthorized => return Code::Unauthorized,
            Self::ScopeRequired(_) => return Code::ScopeRequired,
            Self::ResultTooLarge(_) => return Code::ResultTooLarge,
            Self::MethodNotAllowed => return Code::MethodNotAllowed,
            Self::PayloadTooLarge(_) => return Code::PayloadTooLarge,
            Self::CompressedBody => return Code::UnsupportedMediaType,
            Self::TrailingSlash(_) => return Code::NotFound,
        };
        match error {
            Error::Invalid(_) => Code::ValidationError,
            Error::NotFound => Code::NotFound,
            Error::Changed => Code::PreconditionFailed,
            Error::RateLimited { .. } => Code::RateLimited,
            Error::IdempotencyKeyReused | Error::IdempotencyKeySpent { .. } => Code::IdempotencyKeyReused,
            Error::IdempotencyInProgress { .. } => Code::IdempotencyInProgress,
            Error::BuyingDisabled => Code::BuyingDisabled,
            Error::KybSuspended | Error::KybSuspendedUnderReview => Code::KybSuspended,
            Error::KybRequired => Code::KybRequired,
            Error::AlreadyRegistered { .. } => Code::AlreadyRegistered,
            Error::AgentAlreadyLinked => Code::AgentAlreadyLinked,
            Error::InsufficientCredits { .. } => Code::InsufficientCredits,
            Error::NumberUnavailable => Code::NumberUnavailable,
            Error::NumberBusy => Code::NumberBusy,
            Error::ImportLimitReached(_) => Code::ImportLimitReached,
            Error::KybUnderReview => Code::KybUnderReview,
            Error::KybAlreadyApproved => Code::KybAlreadyApproved,
            Error::ReleaseRefused(_) => Code::ReleaseRefused,
            Error::NotOrdered { .. } | Error::CarrierUnavailable(_) | Error::CarrierThrottled { .. } => {
                Code::CarrierUnavailable
            }
            Error::Busy(_) => Code::Busy,
            // Only staff decide, and they do not come through this API.
            Error::KybNotUnderReview(_) | Error::KybNotApproved(_) | Error::Internal(_) => Code::InternalError,
        }
    }

    /// When the same request may be sent again, where that is known.
    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Domain(
                Error::RateLimited { retry_after }
                | Error::IdempotencyInProgress { retry_after }
                | Error::NotOrdered { retry_after: Some(retry_after), .. }
                | Error::CarrierThrottled { retry_after, .. },
            ) => Some(*retry_after),
            Self::Domain(Error::NotOrdered { retry_after: None, .. } | Error::CarrierUnavailable(_)) => {
                Some(Duration::from_secs(5))
            }
            Self::Domain(Error::Busy(_)) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Domain(Error::Invalid(issues)) => {
                // Clients that show only this sentence have to learn which wording is agreed to now.
                let outdated = issues.iter().find(|issue| issue.path == ATTESTATION_VERSION);
                let sentence = "Invalid request body".to_owned();
                outdated.map_or(sentence.clone(), |Issue { path, message }| format!("{sentence}: {path} {message}"))
            }
            Self::Domain(Error::Changed) => {
                "The phone number has changed since the version named in If-Match; read it again".to_owned()
            }
            Self::Domain(error) => error.to_string(),
            Self::InvalidQuery(_) => "Invalid query parameters".to_owned(),
            Self::InvalidHeader(_) => "Invalid request header".to_owned(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::ScopeRequired(scope) => format!("This API key lacks the scope '{scope}'"),
            Self::ResultTooLarge(sentence) => sentence.clone(),
            Self::MethodNotAllowed => "This path does not take that method; see the Allow header".to_owned(),
            Self::PayloadTooLarge(limit) => format!("The request body is larger than {} KiB", limit / 1024),
            Self::CompressedBody => {
                "The request body is compressed; send it as it is, without Content-Encoding".to_owned()
            }
            Self::TrailingSlash(bare) => format!("Not found; leave out the slash at the end: {bare}"),
        }
    }

    fn body(self) -> ErrorBody {
        let code = self.code();
        let mut body = ErrorBody {
            error: self.sentence(),
            code,
            retryable: matches!(code.status().as_u16(), 429 | 503) || self.is_passing(),
            issues: Vec::new(),
            phone_number_id: None,
            required_usd: None,
            balance_usd: None,
        };
        match self {
            Self::Domain(Error::Invalid(issues)) | Self::InvalidQuery(issues) | Self::InvalidHeader(issues) => {
                let issue = |Issue { path, message }| IssueBody { path, message };
                body.issues = issues.into_iter().map(issue).collect();
            }
            Self::Domain(Error::IdempotencyKeySpent { made }) => body.phone_number_id = Some(made.to_string()),
            Self::Domain(Error::AlreadyRegistered { own }) => body.phone_number_id = own.map(|id| id.to_string()),
            Self::Domain(Error::InsufficientCredits { required, balance }) => {
                body.required_usd = Some(crate::usd(required));
                body.balance_usd = Some(crate::usd(balance));
            }
            _ => {}
        }
        body
    }

    /// True for a state that passes by itself, and for a fault of ours.
    const fn is_passing(&self) -> bool {
        matches!(self, Self::Domain(Error::NumberBusy | Error::IdempotencyInProgress { .. } | Error::Internal(_)))
    }

    /// The cause of a fault is logged here and nowhere else, and never sent.
    fn log(&self, code: Code) {
        match self {
            Self::Domain(Error::Internal(source)) => {
                tracing::error!(error.code = code.as_str(), error.cause = %chain(source.as_ref()), "request failed: internal error");
            }
            Self::Domain(
                Error::Busy(source)
                | Error::NotOrdered { source, .. }
                | Error::CarrierUnavailable(source)
                | Error::CarrierThrottled { source, .. },
            ) => {
                tracing::warn!(error.code = code.as_str(), error.cause = %chain(source.as_ref()), "request failed: temporary");
            }
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (code, retry_after) = (self.code(), self.retry_after());
        self.log(code);
        let mut response = (code.status(), Json(self.body())).into_response();
        if code.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 15.5.2: a 401 names the scheme that is asked for.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}
