use std::any::Any;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Router, body::Body};
use domain::Error;
use lambda_http::request::RequestContext;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument, info_span};

use crate::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts around routes what every answer has: a request id, one log line, the error form for unknown paths, wrong
/// methods and panics.
pub fn serve(routes: Router) -> Router {
    routes
        .fallback(|| async { ApiError::from(Error::NotFound) })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(from_fn(identify))
}

/// Serves routes as a Lambda function.
///
/// # Errors
/// The Lambda runtime cannot be reached.
pub async fn run(routes: Router) -> Result<(), lambda_http::Error> {
    lambda_http::run(serve(routes)).await
}

async fn identify(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let span = info_span!(
        "request",
        http.request.id = %id,
        http.request.method = %request.method(),
        // The path as it came holds at most an id of ours or noise; the query may hold a phone number and stays out.
        url.path = %request.uri().path().chars().take(100).collect::<String>(),
    );
    let answer = async {
        let response = next.run(request).await;
        tracing::info!(http.response.status_code = response.status().as_u16(), "request answered");
        response
    };
    let mut response = answer.instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// API Gateway's own id, so that its logs and ours meet; one of our own elsewhere.
fn request_id(request: &Request) -> String {
    match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    }
    .unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn answer_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    ApiError::from(Error::internal(format!("panic: {message}"))).into_response()
}
