//! Queues on this machine that take messages as SQS does and hand them to their workers as Lambda does: in batches, several
//! at once, again after a while when they failed, and aside when they failed too often.
//!
//! Source: Amazon SQS, AWS JSON protocol, `SendMessage` and `SendMessageBatch`; AWS Lambda, "Using Lambda with Amazon SQS". Messages live in
//! memory: what a crash loses here stands in the table's work index.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use md5::{Digest, Md5};
use runtime::worker::QueueWorker;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::template::Delivery;

/// The longest that a sender may have a message wait.
const DELAY_LIMIT_S: u64 = 900;
/// The most messages of one call.
const BATCH_LIMIT: usize = 10;
/// The most characters of a message's group.
const GROUP_LIMIT_CHARS: usize = 128;

/// All queues of a run, by name. Clones are the same queues.
#[derive(Clone, Default)]
pub struct Queues(Arc<BTreeMap<String, Queue>>);

impl Queues {
    #[must_use]
    pub fn new(workers: BTreeMap<String, (QueueWorker, Delivery)>) -> Self {
        let queue = |(name, (worker, delivery))| (String::clone(&name), Queue::new(name, worker, delivery));
        Self(Arc::new(workers.into_iter().map(queue).collect()))
    }

    /// The queue of this name.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn of(&self, name: &str) -> &Queue {
        self.0.get(name).unwrap_or_else(|| panic!("no function of the template works on a queue {name}"))
    }

    /// Waits until every message of every queue has been delivered or put aside.
    pub async fn settled(&self) {
        for queue in self.0.values() {
            queue.settled().await;
        }
    }

    /// The queues' interface. The protocol names the operation in a header and the queue in the body.
    pub fn router(&self) -> Router {
        Router::new().route("/", post(receive)).route("/{*path}", post(receive)).with_state(self.clone())
    }
}

/// A queue, and the one who works on it. Clones are the same queue.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    name: String,
    worker: QueueWorker,
    delivery: Delivery,
    down: AtomicBool,
    state: Mutex<Messages>,
    /// Something has come, has gone, or is visible again.
    changed: Notify,
}

#[derive(Default)]
struct Messages {
    /// Those that are not done with, in the order in which they came.
    kept: Vec<Kept>,
    /// How many batches are worked on.
    batches: usize,
    dead: Vec<String>,
}

struct Kept {
    message: SqsMessage,
    group: Option<String>,
    receives: u32,
    visible_at: Instant,
    /// Somebody is working on it.
    out: bool,
}

impl Messages {
    /// Takes out what may be handed over now, at most `most` messages: those first whose group has the fewest under way,
    /// so that no sender keeps the others waiting.
    fn take(&mut self, most: usize, now: Instant) -> Vec<SqsMessage> {
        let mut under_way: HashMap<Option<String>, usize> = HashMap::new();
        for kept in self.kept.iter().filter(|kept| kept.out) {
            *under_way.entry(kept.group.clone()).or_default() += 1;
        }
        let mut taken = Vec::new();
        while taken.len() < most {
            let visible = self.kept.iter_mut().filter(|kept| !kept.out && kept.visible_at <= now);
            let load = |kept: &&mut Kept| under_way.get(&kept.group).copied().unwrap_or_default();
            let Some(next) = visible.min_by_key(load) else { break };
            *under_way.entry(next.group.clone()).or_default() += 1;
            (next.out, next.receives) = (true, next.receives + 1);
            next.message.attributes.insert("ApproximateReceiveCount".to_owned(), next.receives.to_string());
            taken.push(next.message.clone());
        }
        taken
    }

    /// When the next message can be handed over that cannot be yet.
    fn next_visible(&self) -> Option<Instant> {
        self.kept.iter().filter(|kept| !kept.out).map(|kept| kept.visible_at).min()
    }
}

impl Queue {
    fn new(name: String, worker: QueueWorker, delivery: Delivery) -> Self {
        let (state, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { name, worker, delivery, down: AtomicBool::new(false), state, changed }))
    }

    /// Makes every call fail from now on, or succeed again.
    pub fn set_down(&self, down: bool) {
        self.0.down.store(down, Ordering::SeqCst);
    }

    /// The bodies of messages that were handed over too often, in the order in which they were put aside.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<String> {
        self.state().dead.clone()
    }

    /// How many messages are still to be worked on.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.state().kept.len()
    }

    /// Waits until every message has been delivered or put aside.
    pub async fn settled(&self) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.unfinished() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Takes a message in, starts working on it, and returns its id.
    #[expect(clippy::must_use_candidate, reason = "most callers only want the work to start")]
    pub fn push(&self, body: String) -> String {
        self.accept(body, None, self.0.delivery.delay)
    }

    fn accept(&self, body: String, group: Option<String>, delay: Duration) -> String {
        let (id, mut message) = (message_id(), SqsMessage::default());
        message.message_id = Some(id.clone());
        message.receipt_handle = Some(id.clone());
        message.md5_of_body = Some(digest(&body));
        message.body = Some(body);
        message.event_source = Some("aws:sqs".to_owned());
        message.event_source_arn = Some(format!("arn:aws:sqs:us-east-1:000000000000:{}", self.0.name));
        message.aws_region = Some("us-east-1".to_owned());
        message.attributes.extend(group.clone().map(|group| ("MessageGroupId".to_owned(), group)));
        let kept = Kept { message, group, receives: 0, visible_at: Instant::now() + delay, out: false };
        self.state().kept.push(kept);
        self.0.changed.notify_waiters();
        self.deliver();
        id
    }

    /// Hands over what can be handed over, with as many batches at once as there may be.
    fn deliver(&self) {
        let now = Instant::now();
        let mut state = self.state();
        while state.batches < self.0.delivery.concurrency {
            let batch = state.take(self.0.delivery.batch, now);
            if batch.is_empty() {
                break;
            }
            state.batches += 1;
            tokio::spawn(self.clone().work(batch));
        }
        // What is delayed, or failed a moment ago, has its turn later.
        if let Some(visible_at) = state.next_visible().filter(|visible_at| *visible_at > now) {
            let queue = self.clone();
            tokio::spawn(async move {
                sleep_until(visible_at).await;
                queue.deliver();
            });
        }
    }

    async fn work(self, batch: Vec<SqsMessage>) {
        let visible_again = Instant::now() + self.0.delivery.visibility;
        let mut event = SqsEvent::default();
        event.records.clone_from(&batch);
        let worker = self.0.worker.clone();
        let ids: Vec<String> = batch.into_iter().filter_map(|message| message.message_id).collect();
        // A process of its own, as in Lambda: when it dies, all of its batch comes again.
        let failed = match tokio::spawn(async move { worker.handle(event).await }).await {
            Ok(response) => failed(response, &ids),
            Err(_) => ids.clone(),
        };
        let mut state = self.state();
        state.batches -= 1;
        for id in ids {
            self.conclude(&mut state, &id, failed.contains(&id), visible_again);
        }
        drop(state);
        self.0.changed.notify_waiters();
        self.deliver();
    }

    /// Takes a message off that is done with or has failed too often; any other one comes again.
    fn conclude(&self, state: &mut Messages, id: &str, failed: bool, visible_again: Instant) {
        let is_it = |kept: &Kept| kept.message.message_id.as_deref() == Some(id);
        let Some(at) = state.kept.iter().position(is_it) else { return };
        if failed && state.kept[at].receives < self.0.delivery.receives {
            (state.kept[at].out, state.kept[at].visible_at) = (false, visible_again);
            return;
        }
        let kept = state.kept.remove(at);
        if failed {
            tracing::error!(messaging.message.id = id, "a message went to the dead-letter queue");
            state.dead.push(kept.message.body.unwrap_or_default());
        }
    }

    fn state(&self) -> MutexGuard<'_, Messages> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of a batch that have to come again. An answer that names another message counts for the whole batch.
fn failed(response: SqsBatchResponse, batch: &[String]) -> Vec<String> {
    let named: Vec<String> = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    if named.iter().all(|id| batch.contains(id)) { named } else { batch.to_vec() }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    queue_url: String,
    #[serde(flatten)]
    sent: Sent,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    message_body: String,
    message_group_id: Option<String>,
    delay_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch {
    queue_url: String,
    entries: Vec<BatchEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchEntry {
    id: String,
    #[serde(flatten)]
    sent: Sent,
}

async fn receive(State(queues): State<Queues>, headers: HeaderMap, body: String) -> Response {
    let answered = match headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        Some("AmazonSQS.SendMessage") => read(&body).and_then(|sent| send(&queues, sent)),
        Some("AmazonSQS.SendMessageBatch") => read(&body).and_then(|sent| send_batch(&queues, sent)),
        _ => Err(refuse(
            StatusCode::BAD_REQUEST,
            "com.amazonaws.sqs#UnsupportedOperation",
            "These queues only take SendMessage and SendMessageBatch.",
        )),
    };
    match answered {
        Ok(answer) => amz_json(StatusCode::OK, &answer),
        Err(Refusal { status, kind, message }) => amz_json(status, &json!({ "__type": kind, "message": message })),
    }
}

/// What is not taken, and why.
struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    serde_json::from_str(body).map_err(|_| {
        refuse(
            StatusCode::BAD_REQUEST,
            "com.amazon.coral.service#SerializationException",
            "SendMessage needs QueueUrl and MessageBody; SendMessageBatch needs QueueUrl and Entries of Id and MessageBody.",
        )
    })
}

fn send(queues: &Queues, SendMessage { queue_url, sent }: SendMessage) -> Result<Value, Refusal> {
    let queue = queues.at(&queue_url)?;
    if let Some(wrong) = wrong(&sent) {
        return Err(refuse(StatusCode::BAD_REQUEST, "com.amazonaws.sqs#InvalidParameterValue", wrong));
    }
    let (id, digest) = queue.take_in(sent);
    Ok(json!({ "MessageId": id, "MD5OfMessageBody": digest }))
}

fn send_batch(queues: &Queues, SendMessageBatch { queue_url, entries }: SendMessageBatch) -> Result<Value, Refusal> {
    let queue = queues.at(&queue_url)?;
    if !(1..=BATCH_LIMIT).contains(&entries.len()) {
        let kind = "com.amazonaws.sqs#TooManyEntriesInBatchRequest";
        return Err(refuse(StatusCode::BAD_REQUEST, kind, "A batch has 1 to 10 entries."));
    }
    let (mut taken, mut failed) = (Vec::new(), Vec::new());
    for BatchEntry { id: name, sent } in entries {
        if let Some(wrong) = wrong(&sent) {
            failed.push(json!({ "Id": name, "SenderFault": true, "Code": "InvalidParameterValue", "Message": wrong }));
        } else {
            let (id, digest) = queue.take_in(sent);
            taken.push(json!({ "Id": name, "MessageId": id, "MD5OfMessageBody": digest }));
        }
    }
    Ok(json!({ "Successful": taken, "Failed": failed }))
}

impl Queues {
    fn at(&self, url: &str) -> Result<&Queue, Refusal> {
        let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let Some(queue) = self.0.get(name) else {
            let known = self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let message = format!("There is no queue {name}; its URL ends with one of: {known}.");
            return Err(refuse(StatusCode::BAD_REQUEST, "com.amazonaws.sqs#QueueDoesNotExist", &message));
        };
        if queue.0.down.load(Ordering::SeqCst) {
            let kind = "com.amazonaws.sqs#ServiceUnavailable";
            return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, kind, "The queue is down."));
        }
        Ok(queue)
    }
}

impl Queue {
    /// Takes a message in, and returns its id and its digest.
    fn take_in(&self, Sent { message_body, message_group_id, delay_seconds }: Sent) -> (String, String) {
        let delay = delay_seconds.map_or(self.0.delivery.delay, Duration::from_secs);
        let digest = digest(&message_body);
        (self.accept(message_body, message_group_id, delay), digest)
    }
}

/// What SQS would not take.
fn wrong(send: &Sent) -> Option<&'static str> {
    let group = send.message_group_id.as_deref();
    let badly_grouped = group.is_some_and(|group| {
        !(1..=GROUP_LIMIT_CHARS).contains(&group.len()) || !group.bytes().all(|byte| byte.is_ascii_graphic())
    });
    if send.message_body.is_empty() {
        Some("MessageBody must not be empty.")
    } else if send.delay_seconds.is_some_and(|delay| delay > DELAY_LIMIT_S) {
        Some("DelaySeconds must be from 0 to 900.")
    } else if badly_grouped {
        Some("MessageGroupId must have 1 to 128 letters, digits and punctuation marks.")
    } else {
        None
    }
}

fn refuse(status: StatusCode, kind: &'static str, message: &str) -> Refusal {
    Refusal { status, kind, message: message.to_owned() }
}

fn amz_json(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/x-amz-json-1.0")], body.to_string()).into_response()
}

fn digest(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// A random id in the form that SQS gives: a UUID.
fn message_id() -> String {
    let hex = hex::encode(fastrand::u128(..).to_be_bytes());
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
