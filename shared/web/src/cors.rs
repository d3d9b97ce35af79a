//! Cross-origin requests of browsers, where the operator allows some. API keys belong on servers, so by default there are none.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser remembers what a preflight request was answered. Chromium keeps none longer than two hours.
const REMEMBERED_FOR: Duration = Duration::from_hours(2);

/// What answers browsers of these origins, such as `https://console.example.com`; nothing where there are none.
pub(crate) fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<_> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let own = HeaderName::from_static;
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, own("idempotency-key")])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::RETRY_AFTER,
            own("x-next-cursor"),
            own("x-request-id"),
            own("idempotency-replayed"),
        ])
        .max_age(REMEMBERED_FOR);
    Some(layer)
}
