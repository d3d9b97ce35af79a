//! The way from the product to the sandbox carrier.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::chance::AsItStands;
use crate::faults::{Faults, Side, Step};
use crate::plain_http;

/// Stands between the product and the sandbox carrier.
#[derive(Clone)]
pub(crate) struct CarrierWire {
    faults: Faults,
    http: reqwest::Client,
    /// The sandbox's address, known once it runs.
    target: Arc<OnceLock<String>>,
}

impl CarrierWire {
    /// Starts listening; returns itself and the address to give to the product.
    ///
    /// # Panics
    /// No port is free.
    pub(crate) async fn start(faults: Faults) -> (Self, String) {
        let http = plain_http();
        let wire = Self { faults, http, target: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(pass_to_carrier).with_state(wire.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (wire, url)
    }

    /// Says where the carrier is, with its `/v2`.
    pub(crate) fn point_at(&self, url: String) {
        self.target.set(url).expect("it is said once");
    }
}

async fn pass_to_carrier(State(wire): State<CarrierWire>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let target = wire.target.get().expect("the carrier's address");
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let name = format!("carrier {} {}", head.method, template(head.uri.path()));
    let about = subject(&head.method, head.uri.path(), &body);
    let call = |method: Method| {
        let mut call = wire.http.request(method, format!("{target}{path}"));
        for name in ["authorization", "content-type"] {
            if let Some(value) = head.headers.get(name) {
                call = call.header(name, value);
            }
        }
        call
    };
    let deliver = || {
        let call = call(head.method.clone()).body(body.clone());
        async move { forward(call).await }
    };
    let answer = wire.faults.pass(Step { side: Side::Carrier, name, about }, deliver).await;
    if answer.extensions().get::<AsItStands>().is_some() {
        return forward(call(Method::GET)).await;
    }
    answer
}

/// Which number a call changes: the reference of an order, the carrier's id of anything else.
pub(crate) fn subject(method: &Method, path: &str, body: &Bytes) -> Option<String> {
    match *method {
        Method::GET => None,
        Method::POST => {
            let order: Value = serde_json::from_slice(body).ok()?;
            order["customer_reference"].as_str().map(str::to_owned)
        }
        _ => path.rsplit('/').next().map(str::to_owned),
    }
}

/// A path with its id left out, so that the same step has the same name each time.
pub(crate) fn template(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.bytes().any(|byte| byte.is_ascii_digit()) { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Sends a call on and brings the answer back.
///
/// # Panics
/// Nobody answers.
pub async fn forward(call: reqwest::RequestBuilder) -> Response {
    let answer = call.send().await.expect("the other side answers");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body: Bytes = answer.bytes().await.expect("the other side's answer");
    let mut response = (status, Body::from(body)).into_response();
    for name in ["content-type", "x-amz-crc32", "x-amzn-requestid", "x-ratelimit-reset"] {
        if let Some(value) = headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
