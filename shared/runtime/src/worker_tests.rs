use std::collections::VecDeque;
use std::sync::Mutex;

use domain::OrganizationId;
use serde::{Deserialize, Serialize};

use super::*;

/// Plays back what happens to each attempt, in order, and notes which messages were attempted and when.
struct Script {
    steps: Mutex<VecDeque<(Duration, Result<(), Again>)>>,
    attempts: Mutex<Vec<(String, u64)>>,
    began: Instant,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = (u64, Result<(), Again>)>) -> Self {
        let steps = steps.into_iter().map(|(seconds, outcome)| (Duration::from_secs(seconds), outcome));
        Self { steps: Mutex::new(steps.collect()), attempts: Mutex::default(), began: Instant::now() }
    }

    fn attempts(&self) -> String {
        let attempts = self.attempts.lock().unwrap();
        attempts.iter().map(|(id, at)| format!("{id}@{at}")).collect::<Vec<_>>().join(" ")
    }
}

/// Each message says its own id.
#[derive(Serialize, Deserialize)]
struct Named(String);

impl Message for Named {
    const QUEUE_URL: &'static str = "TESTS_QUEUE_URL";

    fn organization(&self) -> Option<&OrganizationId> {
        None
    }
}

impl Worker for Script {
    type Message = Named;

    const LIMITS: Limits = Limits {
        last_start: Duration::from_secs(10),
        end: Duration::from_secs(28),
        longest_wait: Duration::from_secs(5),
    };

    async fn work(&self, Named(id): Named) -> Result<(), Again> {
        self.attempts.lock().unwrap().push((id, self.began.elapsed().as_secs()));
        let step = self.steps.lock().unwrap().pop_front();
        let (takes, outcome) = step.unwrap_or((Duration::ZERO, Ok(())));
        sleep(takes).await;
        outcome
    }
}

fn event(ids: &str) -> SqsEvent {
    let message = |id: char| {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_string());
        message.body = Some(format!("\"{id}\""));
        message
    };
    let mut event = SqsEvent::default();
    event.records = ids.chars().map(message).collect();
    event
}

fn wait(seconds: u64) -> Result<(), Again> {
    Err(Again::After(Duration::from_secs(seconds)))
}

/// The messages that have to come again.
async fn failures(ids: &str, script: &Script) -> String {
    let response = run_batch(&event(ids), script).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

#[tokio::test(start_paused = true)]
async fn one_failure_does_not_hold_up_the_others() {
    let script = Script::new([(0, Ok(())), (0, Err(Again::Later)), (0, Ok(()))]);
    assert_eq!(failures("abc", &script).await, "b");
    assert_eq!(script.attempts(), "a@0 b@0 c@0");
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_is_waited_for_and_the_message_tried_once_more() {
    let script = Script::new([(0, wait(2)), (0, Ok(())), (0, wait(3)), (0, Ok(()))]);
    assert_eq!(failures("abc", &script).await, "");
    assert_eq!(script.attempts(), "a@0 a@2 b@2 b@5 c@5");
}

#[tokio::test(start_paused = true)]
async fn a_wait_longer_than_the_batch_may_wait_fails_the_rest_without_another_attempt() {
    for (steps, attempts, failed) in [
        (vec![(0, wait(6))], "a@0", "abc"),
        (vec![(0, wait(u64::MAX))], "a@0", "abc"),
        (vec![(0, wait(3)), (0, Ok(())), (0, wait(3))], "a@0 a@3 b@3", "bc"),
        (vec![(0, wait(1)), (0, wait(1))], "a@0 a@1", "abc"),
    ] {
        let script = Script::new(steps);
        assert_eq!(failures("abc", &script).await, failed);
        assert_eq!(script.attempts(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_when_too_little_time_is_left_to_finish_it() {
    let script = Script::new([(9, Ok(())), (9, Ok(())), (0, Ok(()))]);
    assert_eq!(failures("abc", &script).await, "c");
    assert_eq!(script.attempts(), "a@0 b@9");

    let script = Script::new([(8, wait(3))]);
    assert_eq!(failures("ab", &script).await, "ab");
    assert_eq!(script.attempts(), "a@0");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_is_given_up_before_the_function_is_stopped() {
    let script = Script::new([(0, Ok(())), (3_600, Ok(()))]);
    let began = Instant::now();
    assert_eq!(failures("abc", &script).await, "bc");
    assert_eq!(began.elapsed().as_secs(), 28);
    assert_eq!(script.attempts(), "a@0 b@0");
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_without_an_id_fails_the_whole_batch() {
    let mut event = event("ab");
    event.records[1].message_id = None;
    let response = run_batch(&event, &Script::new([(0, Ok(())), (0, Err(Again::Later))])).await;
    assert_eq!(response.batch_item_failures[0].item_identifier, "");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_fails_alone() {
    let mut event = event("abc");
    event.records[0].body = None;
    event.records[1].body = Some("{}".to_owned());
    let script = Script::new([]);
    let failed = run_batch(&event, &script).await.batch_item_failures;
    assert_eq!(failed.iter().map(|failure| failure.item_identifier.as_str()).collect::<String>(), "ab");
    assert_eq!(script.attempts(), "c@0");
}
