//! How a batch of queue messages is worked off within the function's time.

use std::future::Future;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use tokio::time::{Instant, sleep, timeout_at};

/// How long reading a submission may take.
pub(crate) const READ: Duration = Duration::from_secs(4);

/// How long telling Slack may take, from reading the secret to Slack's answer.
pub(crate) const POST: Duration = Duration::from_secs(8);

/// No message is begun later than this after the batch. The function is stopped after 30 s, and a message may take
/// 18 s when everything is slow: `READ`, `POST`, and 6 s to record, three tries of 2 s. One that was begun should come to its
/// end, because a post that is not recorded is repeated.
const LAST_START: Duration = Duration::from_secs(10);

/// Then whatever is still under way is given up, so that the answer, and with it what did succeed, is not lost.
const END: Duration = Duration::from_secs(28);

/// How long one batch waits for Slack in all. Waiting is paid for, while the queue waits for nothing.
const MOST_WAIT: Duration = Duration::from_secs(5);

/// Why a message has to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Slack wants to be left alone for this long.
    After(Duration),
    /// For a reason of its own, which says nothing about the other messages.
    Later,
}

/// What is done with each message of a batch. It is logged there, and safe to repeat.
pub(crate) trait Work: Sync {
    fn work(&self, message: &SqsMessage) -> impl Future<Output = Result<(), Again>> + Send;
}

/// Works off the messages one after another (Slack takes about one a second for one channel) and names those that
/// the queue has to bring again. When Slack asks for more time than there is, it is not asked again in this batch.
pub(crate) async fn run(event: &SqsEvent, worker: &impl Work) -> SqsBatchResponse {
    let mut pace = Pace::new();
    let mut response = SqsBatchResponse::default();
    for message in &event.records {
        if !pace.run(message, worker).await {
            // Without an id the whole batch counts as failed, which is the safe way to be wrong.
            response.add_failure(message.message_id.clone().unwrap_or_default());
        }
    }
    if !response.batch_item_failures.is_empty() {
        let (failed, all) = (response.batch_item_failures.len(), event.records.len());
        tracing::warn!(batch.failed = failed, batch.size = all, "part of the batch has to come again");
    }
    response
}

struct Pace {
    began: Instant,
    wait_left: Duration,
    stopped: bool,
}

impl Pace {
    fn new() -> Self {
        Self { began: Instant::now(), wait_left: MOST_WAIT, stopped: false }
    }

    /// True when the message is done with.
    async fn run(&mut self, message: &SqsMessage, worker: &impl Work) -> bool {
        match self.attempt(message, worker).await {
            Ok(()) => true,
            Err(Again::Later) => false,
            Err(Again::After(wait)) if !self.may_wait(wait) => {
                self.stopped = true;
                false
            }
            Err(Again::After(wait)) => {
                self.wait_left -= wait;
                sleep(wait).await;
                let second = self.attempt(message, worker).await;
                self.stopped |= matches!(second, Err(Again::After(_)));
                second.is_ok()
            }
        }
    }

    async fn attempt(&self, message: &SqsMessage, worker: &impl Work) -> Result<(), Again> {
        if self.stopped || self.began.elapsed() > LAST_START {
            return Err(Again::Later);
        }
        let given_up = |_| {
            tracing::warn!(sqs.message_id = message.message_id, "a message took too long and was given up");
            Again::Later
        };
        // Boxed because the futures of the AWS SDK are nested so deeply that the compiler gives up on the whole.
        timeout_at(self.began + END, Box::pin(worker.work(message))).await.map_err(given_up)?
    }

    fn may_wait(&self, wait: Duration) -> bool {
        wait <= self.wait_left && self.began.elapsed() + wait <= LAST_START
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
