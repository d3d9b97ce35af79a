//! Stands between a function and AWS, and notes what each call needs to be allowed to do.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tests::TestApp;
use tokio::net::TcpListener;

/// One action on one resource, as IAM names them; resources by their names in the template.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Permission {
    pub(crate) action: String,
    pub(crate) resource: String,
}

impl Permission {
    pub(crate) fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned() }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {}", self.action, self.resource)
    }
}

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
        "DynamoDB_20120810" => forward(&gate.http, &gate.engine_url, &headers, body).await,
        "AmazonSQS" => forward(&gate.http, &gate.queue_url, &headers, body).await,
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

async fn forward(http: &reqwest::Client, url: &str, headers: &HeaderMap, body: Bytes) -> Response {
    let own: [HeaderName; 2] = [axum::http::header::HOST, axum::http::header::CONTENT_LENGTH];
    let kept = headers.iter().filter(|(name, _)| !own.contains(name));
    let kept = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    let answer = http.post(url).headers(kept).body(body).send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().unwrap() = answer.headers().clone();
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

/// What a call has to be allowed to do. A transaction is allowed by the actions of its parts, and a query of an index by
/// the index.
fn needs(target: &str, call: &Value) -> Vec<Permission> {
    let (service, operation) = target.split_once('.').unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    // The table's name differs from test to test; there is one.
    let table = |action: &str, resource: &str| Permission::new(&format!("dynamodb:{action}"), resource);
    match (service, operation) {
        ("DynamoDB_20120810", "TransactWriteItems") => {
            let parts = call["TransactItems"].as_array().unwrap().iter();
            let kinds = parts.flat_map(|part| part.as_object().unwrap().keys());
            kinds.map(|kind| table(transacted(kind), "Table")).collect()
        }
        ("DynamoDB_20120810", _) => {
            let index = call["IndexName"].as_str().map_or(String::new(), |index| format!("/index/{index}"));
            vec![table(operation, &format!("Table{index}"))]
        }
        ("AmazonSQS", _) => vec![Permission::new(&format!("sqs:{operation}"), &text(&call["QueueUrl"]))],
        _ => vec![Permission::new(&format!("{service}:{operation}"), &text(&call["SecretId"]))],
    }
}

fn transacted(part: &str) -> &'static str {
    match part {
        "ConditionCheck" => "ConditionCheckItem",
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        unknown => panic!("{unknown} is no part of a transaction"),
    }
}
