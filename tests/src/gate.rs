//! Stands between a function and AWS, and notes what each call needs to be allowed to do.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::dynamo::passed_on;
use crate::faults::forward;
use crate::permission::{Permission, needs};
use crate::{TestApp, plain_http};

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
            queue_url: format!("{}/", app.bundle.queues_url),
            http: plain_http(),
            needed: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(inner.clone());
        Self { url: serve(router).await, inner }
    }

    /// What the calls so far needed.
    pub(crate) fn needed(&self) -> BTreeSet<Permission> {
        self.inner.needed.lock().expect("no test has panicked").clone()
    }
}

/// Serves on a free port and returns the address.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn pass(State(gate): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().expect("a call as AWS takes it");
    let call: Value = serde_json::from_slice(&body).expect("a call as AWS takes it");
    gate.needed.lock().expect("no test has panicked").extend(needs(target, &call));
    match target.split_once('.').expect("a call as AWS takes it").0 {
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
