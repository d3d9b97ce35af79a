//! The sandbox queues, which hand messages over as SQS and Lambda do.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use domain::OrganizationId;
use local::sandbox::queue::{Queue, Queues};
use local::template::Delivery;
use runtime::message::Message;
use runtime::worker::{Again, Limits, QueueWorker, Worker};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

const DELIVERY: Delivery =
    Delivery { batch: 2, concurrency: 2, visibility: Duration::from_mins(1), receives: 3, delay: Duration::ZERO };

/// How long one message takes.
const WORK: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Job(String);

impl Message for Job {
    const QUEUE_URL: &'static str = "TESTS_QUEUE_URL";

    fn organization(&self) -> Option<&OrganizationId> {
        None
    }
}

/// Takes a second for each message, fails those that begin with `bad`, and notes what it began and when.
#[derive(Clone)]
struct Clerk {
    began: Instant,
    log: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Worker for Clerk {
    type Message = Job;

    const LIMITS: Limits = Limits {
        last_start: Duration::from_secs(10),
        end: Duration::from_secs(28),
        longest_wait: Duration::from_secs(5),
    };

    async fn work(&self, Job(name): Job) -> Result<(), Again> {
        self.log.lock().unwrap().push((name.clone(), self.began.elapsed().as_secs()));
        sleep(WORK).await;
        assert!(!name.starts_with("deadly"), "a worker died");
        if name.starts_with("bad") { Err(Again::Later) } else { Ok(()) }
    }
}

struct World {
    queues: Queues,
    clerk: Clerk,
}

impl World {
    fn new(delivery: Delivery) -> Self {
        let clerk = Clerk { began: Instant::now(), log: Arc::default() };
        let workers = BTreeMap::from([("Jobs".to_owned(), (QueueWorker::new(clerk.clone()), delivery))]);
        Self { queues: Queues::new(workers), clerk }
    }

    fn queue(&self) -> &Queue {
        self.queues.of("Jobs")
    }

    fn push(&self, names: &[&str]) {
        for name in names {
            self.queue().push(json!(name).to_string());
        }
    }

    /// What was begun and in which second, once nothing is left to do.
    async fn log(&self) -> String {
        self.queue().settled().await;
        self.clerk.log.lock().unwrap().iter().map(|(name, at)| format!("{name}@{at}")).collect::<Vec<_>>().join(" ")
    }

    async fn send(&self, fields: Value) -> (u16, Value) {
        let mut body = json!({ "QueueUrl": "http://127.0.0.1/sandbox/queue/Jobs", "MessageBody": "\"one\"" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request =
            Request::post("/").header("x-amz-target", "AmazonSQS.SendMessage").body(Body::from(body.to_string()));
        let response = self.queues.router().oneshot(request.unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_handed_over_in_batches_and_no_more_batches_at_once_than_the_template_allows() {
    let world = World::new(DELIVERY);
    world.push(&["a", "b", "c", "d", "e", "f"]);
    // The first two find nobody at work; the others wait, and then go two by two, one message after another.
    assert_eq!(world.log().await, "a@0 b@0 c@1 e@1 d@2 f@2");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_comes_again_out_of_sight_meanwhile_and_is_put_aside_in_the_end() {
    let world = World::new(DELIVERY);
    world.push(&["bad", "good"]);
    assert_eq!(world.log().await, "bad@0 good@0 bad@60 bad@120");
    assert_eq!(world.queue().dead_letters(), ["\"bad\""]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_brings_all_of_its_batch_again() {
    let world = World::new(Delivery { concurrency: 1, receives: 2, ..DELIVERY });
    world.push(&["first", "good", "deadly"]);
    assert_eq!(world.log().await, "first@0 good@1 deadly@2 good@61 deadly@62");
    assert_eq!(world.queue().dead_letters(), ["\"good\"", "\"deadly\""]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_waits_and_the_others_do_not() {
    let world = World::new(Delivery { delay: Duration::from_secs(5), ..DELIVERY });
    world.send(json!({ "MessageBody": "\"as the queue says\"" })).await;
    world.send(json!({ "MessageBody": "\"at once\"", "DelaySeconds": 0 })).await;
    world.send(json!({ "MessageBody": "\"last\"", "DelaySeconds": 900 })).await;
    assert_eq!(world.log().await, "at once@0 as the queue says@5 last@900");
}

#[tokio::test(start_paused = true)]
async fn who_sends_much_does_not_keep_the_others_waiting() {
    let world = World::new(Delivery { batch: 1, concurrency: 1, ..DELIVERY });
    for (name, group) in [("much 1", "much"), ("much 2", "much"), ("much 3", "much"), ("little", "little")] {
        world.send(json!({ "MessageBody": json!(name).to_string(), "MessageGroupId": group })).await;
    }
    let alone = world.log().await;
    assert_eq!(alone, "much 1@0 much 2@1 much 3@2 little@3", "with nothing under way, the first goes first");

    let world = World::new(Delivery { batch: 1, concurrency: 2, ..DELIVERY });
    for (name, group) in [("much 1", "much"), ("much 2", "much"), ("much 3", "much"), ("little", "little")] {
        world.send(json!({ "MessageBody": json!(name).to_string(), "MessageGroupId": group })).await;
    }
    let together = world.log().await;
    assert!(together.starts_with("much 1@0 much 2@0") && together.contains("little@1"), "{together}");
}

#[tokio::test(start_paused = true)]
async fn what_sqs_would_not_take_is_refused_by_the_name_of_the_field() {
    let world = World::new(DELIVERY);
    for (fields, named) in [
        (json!({ "QueueUrl": "http://127.0.0.1/sandbox/queue/Others" }), "no queue Others"),
        (json!({ "MessageBody": "" }), "MessageBody"),
        (json!({ "DelaySeconds": 901 }), "DelaySeconds"),
        (json!({ "MessageGroupId": "" }), "MessageGroupId"),
        (json!({ "MessageGroupId": "a b" }), "MessageGroupId"),
        (json!({ "MessageGroupId": "x".repeat(129) }), "MessageGroupId"),
    ] {
        let (status, body) = world.send(fields.clone()).await;
        assert_eq!(status, 400, "{fields}");
        assert!(body["message"].as_str().unwrap().contains(named), "{fields}: {body}");
    }
    let (status, body) = world.send(json!({})).await;
    assert_eq!((status, body["MessageId"].as_str().map(str::len)), (200, Some(36)));
    assert_eq!(world.log().await, "one@0");
}
