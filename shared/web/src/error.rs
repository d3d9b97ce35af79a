use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Error, Issue, chain};
use serde::Serialize;
use utoipa::ToSchema;

pub type ApiResult<T> = Result<T, ApiError>;

/// Why a request gets no answer of its own: a rule of the domain, or of HTTP.
#[derive(Debug)]
pub enum ApiError {
    Domain(Error),
    MethodNotAllowed,
    PayloadTooLarge,
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
    ///   `AGENT_ALREADY_LINKED`, `KYB_UNDER_REVIEW`, `KYB_ALREADY_APPROVED`,
    ///   `IDEMPOTENCY_IN_PROGRESS`
    /// - 412 `PRECONDITION_FAILED`
    /// - 413 `PAYLOAD_TOO_LARGE`
    /// - 422 `IDEMPOTENCY_KEY_REUSED`
    /// - 429 `RATE_LIMITED`
    /// - 500 `INTERNAL_ERROR`
    /// - 503 `BUSY`, `CARRIER_UNAVAILABLE`
    code: &'static str,
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

/// What an error says about itself beside its sentence.
struct Verdict {
    status: StatusCode,
    code: &'static str,
    retry_after: Option<Duration>,
}

impl Verdict {
    const fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, retry_after: None }
    }

    const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl ApiError {
    /// Status and code of every error. There is no `_` arm, so that nobody forgets to choose.
    fn verdict(&self) -> Verdict {
        use StatusCode as S;
        let error = match self {
            Self::Domain(error) => error,
            Self::MethodNotAllowed => return Verdict::new(S::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            Self::PayloadTooLarge => return Verdict::new(S::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
        };
        match error {
            Error::InvalidBody(_) | Error::InvalidQuery(_) | Error::InvalidHeader(_) => {
                Verdict::new(S::BAD_REQUEST, "VALIDATION_ERROR")
            }
            Error::Unauthorized => Verdict::new(S::UNAUTHORIZED, "UNAUTHORIZED"),
            Error::ScopeRequired(_) => Verdict::new(S::FORBIDDEN, "SCOPE_REQUIRED"),
            Error::NotFound => Verdict::new(S::NOT_FOUND, "NOT_FOUND"),
            Error::PreconditionFailed => Verdict::new(S::PRECONDITION_FAILED, "PRECONDITION_FAILED"),
            Error::RateLimited { retry_after } => {
                Verdict::new(S::TOO_MANY_REQUESTS, "RATE_LIMITED").retry_after(*retry_after)
            }
            Error::ResultTooLarge => Verdict::new(S::BAD_REQUEST, "RESULT_TOO_LARGE"),
            Error::IdempotencyKeyReused | Error::IdempotencyKeySpent { .. } => {
                Verdict::new(S::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED")
            }
            Error::IdempotencyInProgress { retry_after } => {
                Verdict::new(S::CONFLICT, "IDEMPOTENCY_IN_PROGRESS").retry_after(*retry_after)
            }
            Error::BuyingDisabled => Verdict::new(S::FORBIDDEN, "PHONE_NUMBER_BUYING_DISABLED"),
            Error::KybSuspended => Verdict::new(S::FORBIDDEN, "PHONE_NUMBER_KYB_SUSPENDED"),
            Error::KybRequired => Verdict::new(S::FORBIDDEN, "PHONE_NUMBER_KYB_REQUIRED"),
            Error::AlreadyRegistered { .. } => Verdict::new(S::CONFLICT, "PHONE_NUMBER_ALREADY_REGISTERED"),
            Error::AgentAlreadyLinked => Verdict::new(S::CONFLICT, "AGENT_ALREADY_LINKED"),
            Error::InsufficientCredits { .. } => Verdict::new(S::PAYMENT_REQUIRED, "INSUFFICIENT_CREDITS"),
            Error::Unavailable => Verdict::new(S::CONFLICT, "PHONE_NUMBER_UNAVAILABLE"),
            Error::NumberBusy => Verdict::new(S::CONFLICT, "PHONE_NUMBER_BUSY"),
            Error::ImportLimitReached(_) => Verdict::new(S::FORBIDDEN, "IMPORT_LIMIT_REACHED"),
            Error::KybUnderReview => Verdict::new(S::CONFLICT, "KYB_UNDER_REVIEW"),
            Error::KybAlreadyApproved => Verdict::new(S::CONFLICT, "KYB_ALREADY_APPROVED"),
            Error::KybNotUnderReview(_) => Verdict::new(S::CONFLICT, "KYB_NOT_UNDER_REVIEW"),
            Error::KybNotApproved(_) => Verdict::new(S::CONFLICT, "KYB_NOT_APPROVED"),
            Error::CarrierUnavailable(_) => {
                Verdict::new(S::SERVICE_UNAVAILABLE, "CARRIER_UNAVAILABLE").retry_after(Duration::from_secs(5))
            }
            Error::CarrierThrottled { retry_after, .. } => {
                Verdict::new(S::SERVICE_UNAVAILABLE, "CARRIER_UNAVAILABLE").retry_after(*retry_after)
            }
            Error::Busy(_) => Verdict::new(S::SERVICE_UNAVAILABLE, "BUSY").retry_after(Duration::from_secs(1)),
            Error::Internal(_) => Verdict::new(S::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Domain(error) => error.to_string(),
            Self::MethodNotAllowed => "This path does not take that method; see the Allow header".to_owned(),
            Self::PayloadTooLarge => "The request body is larger than 64 KiB".to_owned(),
        }
    }

    fn body(self, verdict: &Verdict) -> ErrorBody {
        let transient = matches!(verdict.status.as_u16(), 429 | 503) || self.is_passing();
        let mut body = ErrorBody {
            error: self.sentence(),
            code: verdict.code,
            retryable: transient,
            issues: Vec::new(),
            phone_number_id: None,
            required_usd: None,
            balance_usd: None,
        };
        let Self::Domain(error) = self else { return body };
        match error {
            Error::InvalidBody(issues) | Error::InvalidQuery(issues) | Error::InvalidHeader(issues) => {
                let issue = |Issue { path, message }| IssueBody { path, message };
                body.issues = issues.into_iter().map(issue).collect();
            }
            Error::IdempotencyKeySpent { made } => body.phone_number_id = Some(made.to_string()),
            Error::AlreadyRegistered { own } => body.phone_number_id = own.map(|id| id.to_string()),
            Error::InsufficientCredits { required, balance } => {
                body.required_usd = Some(crate::phone_number_row::usd(required));
                body.balance_usd = Some(crate::phone_number_row::usd(balance));
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
    fn log(&self, code: &str) {
        match self {
            Self::Domain(Error::Internal(source)) => {
                tracing::error!(error.code = code, error.cause = %chain(source.as_ref()), "a request failed through a fault of ours");
            }
            Self::Domain(
                Error::Busy(source) | Error::CarrierUnavailable(source) | Error::CarrierThrottled { source, .. },
            ) => {
                tracing::warn!(error.code = code, error.cause = %chain(source.as_ref()), "a request failed for now");
            }
            Self::Domain(_) | Self::MethodNotAllowed | Self::PayloadTooLarge => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let verdict = self.verdict();
        self.log(verdict.code);
        let mut response = (verdict.status, Json(self.body(&verdict))).into_response();
        if let Some(wait) = verdict.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}
