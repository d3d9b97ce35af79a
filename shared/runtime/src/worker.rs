//! A worker behind a queue (SQS): its messages are read, worked off within the function's time, and those that failed are
//! named, so that the queue brings just them again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{LambdaEvent, service_fn};
use tokio::time::{Instant, sleep, timeout_at};

use crate::function::{Awaited, Entrance, Error};
use crate::message::Message;

/// What a worker's batch may take, from the moment at which the function gets it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// No message is begun later than this, so that one that was begun comes to its end.
    pub last_start: Duration,
    /// Then whatever is still under way is given up, so that the answer, and with it what did succeed, is not lost.
    pub end: Duration,
    /// How long one batch waits in all for somebody who asks for a pause. Waiting is paid for, while the queue waits for
    /// nothing.
    pub longest_wait: Duration,
}

/// Why a message has to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Whom the worker speaks to wants to be left alone for this long.
    After(Duration),
    /// For a reason of its own, which says nothing about the other messages.
    Later,
}

/// What is done with each message of a queue. It is logged there, and safe to repeat, because a queue delivers at least
/// once.
pub trait Worker: Sync {
    /// What a message says.
    type Message: Message;

    /// What a batch may take.
    const LIMITS: Limits;

    fn work(&self, message: Self::Message) -> impl Future<Output = Result<(), Again>> + Send;
}

/// A queue's worker as a way into a function. Clones share the worker.
#[derive(Clone)]
pub struct QueueWorker(Arc<dyn Fn(SqsEvent) -> Awaited<SqsBatchResponse> + Send + Sync>);

impl QueueWorker {
    #[must_use]
    pub fn new(worker: impl Worker + Send + 'static) -> Self {
        let worker = Arc::new(worker);
        Self(Arc::new(move |batch| {
            let worker = worker.clone();
            Box::pin(async move { run_batch(&batch, &*worker).await })
        }))
    }

    /// Works off a batch, and names the messages that have to come again.
    pub async fn handle(&self, batch: SqsEvent) -> SqsBatchResponse {
        (self.0)(batch).await
    }
}

impl Entrance for QueueWorker {
    fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), Error>>>> {
        Box::pin(lambda_runtime::run(service_fn(move |batch: LambdaEvent<SqsEvent>| {
            let worked = (self.0)(batch.payload);
            async { Ok::<_, Error>(worked.await) }
        })))
    }
}

/// Works off the messages one after another and names those that the queue has to bring again. One that cannot be read is
/// among them each time, until the queue puts it aside for a person to look at. When somebody asks for a longer pause than
/// there is time for, nothing more is begun in this batch.
pub async fn run_batch<W: Worker>(event: &SqsEvent, worker: &W) -> SqsBatchResponse {
    let mut pace = Pace::new(W::LIMITS);
    let mut response = SqsBatchResponse::default();
    for message in &event.records {
        if !pace.run(message, worker).await {
            // Without an id the whole batch counts as failed, which is the safe way to be wrong.
            response.add_failure(message.message_id.clone().unwrap_or_default());
        }
    }
    if !response.batch_item_failures.is_empty() {
        let (failed, all) = (response.batch_item_failures.len(), event.records.len());
        tracing::warn!(batch.failed = failed, batch.size = all, "part of the batch failed and will be delivered again");
    }
    response
}

struct Pace {
    limits: Limits,
    began: Instant,
    wait_left: Duration,
    stopped: bool,
}

impl Pace {
    fn new(limits: Limits) -> Self {
        Self { limits, began: Instant::now(), wait_left: limits.longest_wait, stopped: false }
    }

    /// True when the message is done with.
    async fn run(&mut self, message: &SqsMessage, worker: &impl Worker) -> bool {
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

    async fn attempt(&self, message: &SqsMessage, worker: &impl Worker) -> Result<(), Again> {
        if self.stopped || self.began.elapsed() > self.limits.last_start {
            return Err(Again::Later);
        }
        let Ok(read) = serde_json::from_str(message.body.as_deref().unwrap_or_default()) else {
            tracing::warn!(sqs.message_id = message.message_id, "a queue message cannot be read");
            return Err(Again::Later);
        };
        let given_up = |_| {
            tracing::warn!(sqs.message_id = message.message_id, "a message timed out");
            Again::Later
        };
        // Boxed because the futures of the AWS SDK are nested so deeply that the compiler gives up on the whole.
        timeout_at(self.began + self.limits.end, Box::pin(worker.work(read))).await.map_err(given_up)?
    }

    fn may_wait(&self, wait: Duration) -> bool {
        wait <= self.wait_left && self.began.elapsed() + wait <= self.limits.last_start
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
