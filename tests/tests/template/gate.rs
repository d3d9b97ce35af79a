//! Stands between a function and AWS, and notes what each call needs to be allowed to do.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tests::TestApp;
use tests::dynamo::passed_on;
use tests::faults::forward;
use tests::permission::{Permission, needs};
use tokio::net::TcpListener;

#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    engine_url: String,
    queue_url: String,
    http: reqwest::Client,
    needed: Mutex<BTreeSet<Permission>>,
}

impl Gate {
    pub(crate) async fn start(app: &TestApp) -> Self {
        let inner = Arc::new(Inner {
            engine_url: app.dynamo.url().to_owned(),
            queue_url: format!("{}/sandbox/queue/", app.bundle.base_url),
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            needed: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(inner.clone());
        Self { url: serve(router).await, inner }
    }

    /// What the calls so far needed.
    pub(crate) fn needed(&self) -> BTreeSet<Permission> {
        self.inner.needed.lock().unwrap().clone()
    }
}

/// Serves on a free port and returns the address.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn pass(State(gate): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let call: Value = serde_json::from_slice(&body).unwrap();
    gate.needed.lock().unwrap().extend(needs(target, &call));
    match target.split_once('.').unwrap().0 {
        "DynamoDB_20120810" => forward(passed_on(&gate.http, &gate.engine_url, &headers, body)).await,
        "AmazonSQS" => forward(passed_on(&gate.http, &gate.queue_url, &headers, body)).await,
        "secretsmanager" => {
            // Whatever the sandboxes ask for, in one.
            let secret = json!({
                "apiKey": "sandbox", "botToken": "xoxb-sandbox", "channel": "C0SANDBOX", "signingSecret": "sandbox",
            });
            let answer = json!({ "Name": call["SecretId"], "SecretString": secret.to_string() });
            ([("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response()
        }
        service => panic!("{service} is new: say what its calls need"),
    }
}
