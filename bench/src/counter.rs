//! A proxy before the table: counts requests, and asks for the capacity that each one takes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::Value;
use tokio::net::TcpListener;

struct Shared {
    engine: String,
    http: Client,
    seen: Mutex<(f64, f64)>,
}

pub(crate) struct Counter {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Counter {
    pub(crate) async fn start(engine: String) -> io::Result<Self> {
        let http = Client::builder().no_proxy().tls_certs_only([]).build().map_err(io::Error::other)?;
        let shared = Arc::new(Shared { engine, http, seen: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, shared })
    }

    /// Requests and capacity units since the last time.
    pub(crate) fn take(&self) -> (f64, f64) {
        std::mem::take(&mut *self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn pass(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    match forward(&shared, &headers, &body).await {
        Ok((status, answer)) => {
            let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = (seen.0 + 1.0, seen.1 + units(&answer));
            (status, [("content-type", "application/x-amz-json-1.0")], answer.to_string()).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn forward(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> io::Result<(StatusCode, Value)> {
    let mut body: Value = serde_json::from_slice(body)?;
    body["ReturnConsumedCapacity"] = "TOTAL".into();
    let kept = ["content-type", "x-amz-target", "x-amz-date", "authorization"];
    let mut call = shared.http.post(&shared.engine).body(body.to_string());
    for name in kept {
        if let Some(value) = headers.get(name) {
            call = call.header(name, value);
        }
    }
    let answer = call.send().await.map_err(io::Error::other)?;
    let status = answer.status();
    Ok((status, serde_json::from_slice(&answer.bytes().await.map_err(io::Error::other)?)?))
}

/// One table's units stand as an object, several tables' as a list.
fn units(answer: &Value) -> f64 {
    let of = |one: &Value| one["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(of).sum(),
        one => of(one),
    }
}
