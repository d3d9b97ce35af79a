//! A queue on this machine that takes messages as SQS does and hands them to a worker as Lambda does.
//!
//! Source: Amazon SQS, AWS JSON protocol, `SendMessage`. Messages live in memory: what a crash loses here stands in
//! the table's work index.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use md5::{Digest, Md5};
use runtime::worker::{Worker, run_batch};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// How often a message is handed out before it is put aside, as in the template.
const MOST_RECEIVES: u32 = 8;

/// A queue, and the one who works on it. Clones are the same queue.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

type Working = Pin<Box<dyn Future<Output = SqsBatchResponse> + Send>>;

struct Inner {
    worker: Box<dyn Fn(SqsEvent) -> Working + Send + Sync>,
    /// How long a message that failed stays out of sight.
    visibility: Duration,
    down: std::sync::atomic::AtomicBool,
    unfinished: AtomicUsize,
    settled: Notify,
    dead: Mutex<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    #[serde(rename = "QueueUrl")]
    _queue_url: String,
    message_body: String,
}

impl Queue {
    #[must_use]
    pub fn new<W: Worker + Clone + Send + Sync + 'static>(worker: W, visibility: Duration) -> Self {
        let work = move |event: SqsEvent| -> Working {
            let worker = worker.clone();
            Box::pin(async move { run_batch(&event, &worker).await })
        };
        Self(Arc::new(Inner {
            worker: Box::new(work),
            visibility,
            down: false.into(),
            unfinished: AtomicUsize::new(0),
            settled: Notify::new(),
            dead: Mutex::default(),
        }))
    }

    /// The queue's interface, at `/`: the protocol names the operation in a header.
    pub fn router(&self) -> Router {
        Router::new().route("/", post(receive)).with_state(self.clone())
    }

    /// Makes every call fail from now on, or succeed again.
    pub fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// The bodies of messages that were handed out too often, oldest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<String> {
        self.0.dead.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many messages are still to be worked on.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.0.unfinished.load(Ordering::SeqCst)
    }

    /// Waits until every message has been delivered or put aside.
    pub async fn settled(&self) {
        loop {
            let settled = self.0.settled.notified();
            if self.unfinished() == 0 {
                return;
            }
            settled.await;
        }
    }

    /// Takes a message in, starts working on it, and returns its id.
    #[expect(clippy::must_use_candidate, reason = "most callers only want the work to start")]
    pub fn push(&self, body: String) -> String {
        let id = message_id();
        let mut message = SqsMessage::default();
        message.message_id = Some(id.clone());
        message.receipt_handle = Some(id.clone());
        message.body = Some(body);
        message.event_source = Some("aws:sqs".to_owned());
        self.0.unfinished.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(self.clone().work(message));
        id
    }

    async fn work(self, message: SqsMessage) {
        for receive in 1..=MOST_RECEIVES {
            let mut event = SqsEvent::default();
            event.records.push(message.clone());
            if (self.0.worker)(event).await.batch_item_failures.is_empty() {
                return self.finish();
            }
            if receive < MOST_RECEIVES {
                tokio::time::sleep(self.0.visibility).await;
            }
        }
        tracing::error!(messaging.message.id = message.message_id, "a message was put aside as a dead letter");
        let mut dead = self.0.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.push(message.body.unwrap_or_default());
        drop(dead);
        self.finish();
    }

    fn finish(&self) {
        self.0.unfinished.fetch_sub(1, Ordering::SeqCst);
        self.0.settled.notify_waiters();
    }
}

async fn receive(State(queue): State<Queue>, headers: HeaderMap, body: String) -> Response {
    if queue.0.down.load(Ordering::SeqCst) {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "com.amazonaws.sqs#ServiceUnavailable", "The queue is down.");
    }
    if headers.get("x-amz-target").is_none_or(|target| target != "AmazonSQS.SendMessage") {
        return refuse(
            StatusCode::BAD_REQUEST,
            "com.amazonaws.sqs#UnsupportedOperation",
            "This queue only takes SendMessage.",
        );
    }
    match serde_json::from_str::<SendMessage>(&body) {
        Err(_) => refuse(
            StatusCode::BAD_REQUEST,
            "com.amazon.coral.service#SerializationException",
            "SendMessage needs QueueUrl and MessageBody.",
        ),
        Ok(message) => {
            let digest = hex::encode(Md5::digest(message.message_body.as_bytes()));
            let id = queue.push(message.message_body);
            amz_json(StatusCode::OK, &json!({ "MessageId": id, "MD5OfMessageBody": digest }))
        }
    }
}

fn refuse(status: StatusCode, kind: &str, message: &str) -> Response {
    amz_json(status, &json!({ "__type": kind, "message": message }))
}

fn amz_json(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}

/// A random id in the form that SQS gives: a UUID.
fn message_id() -> String {
    let hex = hex::encode(rand::random::<[u8; 16]>());
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
