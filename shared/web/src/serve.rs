//! What surrounds every route: request id, unknown paths and methods, panics, Lambda.

use std::any::Any;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Router, body::Body};
use domain::Error;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, LambdaEvent, lambda_runtime};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use crate::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest path that an answer repeats, in bytes.
const PATH_SHOWN_BYTES: usize = 200;

/// Puts around routes what every answer has: a request id, one log line, the error form for unknown paths.
pub fn serve(routes: Router) -> Router {
    routes.fallback(|uri: Uri| async move { unknown_path(uri.path()) }).layer(from_fn(identify))
}

/// The answer to a path that no route has. For a path that ends in a slash it names the path without it.
fn unknown_path(path: &str) -> ApiError {
    let bare = path.trim_end_matches('/');
    let is_shown = bare.len() < path.len()
        && (1..=PATH_SHOWN_BYTES).contains(&bare.len())
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if is_shown { ApiError::TrailingSlash(bare.to_owned()) } else { Error::NotFound.into() }
}

/// Serves routes under the Lambda runtime.
pub(crate) async fn run(routes: Router) -> Result<(), lambda_http::Error> {
    let service = Adapter::from(serve(routes)).map_request(|mut event: LambdaEvent<LambdaRequest>| {
        if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
            make_buildable(request);
        }
        event
    });
    lambda_runtime::run(service).await
}

/// Removes what no URI may hold, because `lambda_http` panics when it builds a request with it. No route reads the host or the
/// scheme.
fn make_buildable(request: &mut ApiGatewayV2httpRequest) {
    request.headers.remove(header::HOST);
    request.headers.remove("x-forwarded-proto");
    request.request_context.domain_name = None;
    request.raw_query_string = request.raw_query_string.take().map(|query| escape_query(&query));
    if !request.raw_path.as_deref().is_some_and(|path| path.starts_with('/')) {
        request.raw_path = Some(format!("/{}", request.raw_path.take().unwrap_or_default()));
    }
}

/// Escapes the characters that no query may hold (RFC 3986, 3.4), but that careless clients send.
fn escape_query(query: &str) -> String {
    const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
    utf8_percent_encode(query, NOT_IN_A_QUERY).to_string()
}

async fn identify(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let span = info_span!(
        "request",
        http.request.id = %id,
        http.request.method = known(request.method()),
        // The route, not the path: callers put phone numbers, and worse, where an id belongs.
        http.route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str),
        organization.id = Empty,
        api_key.id = Empty,
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

/// A method that HTTP has, or what OpenTelemetry calls all others: callers may put any word there, too.
fn known(method: &Method) -> &str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    if KNOWN.contains(method) { method.as_str() } else { "_OTHER" }
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
pub(crate) fn answer_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    ApiError::from(Error::internal(format!("panic: {message}"))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;
    use crate::Http;

    async fn panics() {
        panic!("a private reason");
    }

    async fn panics_later() {
        tokio::task::yield_now().await;
        panic!("{} private reasons", std::process::id());
    }

    async fn ask(method: &str, path: &str) -> (u16, HeaderMap, Value) {
        let routes = Http::new().at("/panics", get(panics)).at("/panics-later", get(panics_later)).into_router();
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let (parts, body) = serve(routes).oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_form_of_the_contract_and_keeps_its_reason_to_itself() {
        for path in ["/panics", "/panics-later"] {
            let (status, headers, body) = ask("GET", path).await;
            assert_eq!(status, 500);
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(headers[REQUEST_ID].len(), 32);
            assert_eq!((&body["code"], &body["retryable"]), (&json!("INTERNAL_ERROR"), &json!(true)));
            assert!(body["error"].is_string() && !body.to_string().contains("private"), "{body}");
        }
    }

    #[tokio::test]
    async fn unknown_paths_and_wrong_methods_are_answered_in_the_form_of_the_contract() {
        let (status, headers, body) = ask("GET", "/nothing").await;
        assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")));
        assert!(headers.contains_key(REQUEST_ID));
        for (path, named) in [
            ("/panics/", Some("/panics")),
            ("/v1/phone-numbers/kyb///", Some("/v1/phone-numbers/kyb")),
            ("/", None),
            ("//", None),
            ("/%3Cscript%3E/", None),
        ] {
            let (status, _, body) = ask("GET", path).await;
            assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")), "{path}");
            let sentence = body["error"].as_str().unwrap();
            assert_eq!(sentence.rsplit_once(' ').unwrap().1, named.unwrap_or("found"), "{path}");
        }
        let (_, _, long) = ask("GET", &format!("/{}/", "a".repeat(300))).await;
        assert_eq!(long["error"], "Not found", "no answer grows with what was asked");
        let (status, headers, body) = ask("DELETE", "/panics").await;
        assert_eq!((status, &body["code"]), (405, &json!("METHOD_NOT_ALLOWED")));
        assert_eq!(headers["allow"], "GET,HEAD");
        assert!(headers.contains_key(REQUEST_ID));
    }
}
