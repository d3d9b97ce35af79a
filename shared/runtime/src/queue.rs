//! A queue (SQS) of messages of one kind.

use std::fmt;
use std::marker::PhantomData;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_types::SdkConfig;
use domain::Cause;
use futures_util::future::join_all;

use crate::function::Start;
use crate::message::Message;
use crate::settings::SettingsError;

/// The most messages that SQS takes in one call.
const BATCH: usize = 10;
const BATCHES_AT_ONCE: usize = 8;

/// Takes messages for a worker. Each is sent as JSON.
pub struct Queue<M> {
    client: Client,
    url: String,
    message: PhantomData<fn(M)>,
}

impl<M> Clone for Queue<M> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), url: self.url.clone(), message: PhantomData }
    }
}

impl<M> fmt::Debug for Queue<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Queue({})", self.url)
    }
}

impl<M: Message> Queue<M> {
    /// The queue that the settings name for these messages.
    ///
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> Result<Self, SettingsError> {
        Ok(Self::new(&start.aws()?, start.settings.queue_url(M::QUEUE_URL)?))
    }

    #[must_use]
    pub fn new(config: &SdkConfig, url: String) -> Self {
        Self { client: Client::new(config), url, message: PhantomData }
    }

    /// Sends many messages, ten in a call and several calls at once, and returns how many SQS did not take.
    pub async fn send_all(&self, messages: &[M]) -> usize {
        let mut not_taken = 0;
        for several in messages.chunks(BATCH * BATCHES_AT_ONCE) {
            let batches: Vec<_> = several.chunks(BATCH).map(|batch| self.send_batch(batch)).collect();
            for (answer, batch) in join_all(batches).await.into_iter().zip(several.chunks(BATCH)) {
                not_taken += answer.unwrap_or_else(|cause| {
                    let cause = domain::chain(&*cause);
                    tracing::warn!(batch.size = batch.len(), error.cause = cause, "messages were not queued");
                    batch.len()
                });
            }
        }
        not_taken
    }

    async fn send_batch(&self, messages: &[M]) -> Result<usize, Cause> {
        let entry = |(place, message): (usize, &M)| {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(serde_json::to_string(message)?)
                .set_message_group_id(message.organization().map(ToString::to_string));
            Ok::<_, Cause>(entry.build()?)
        };
        let entries = messages.iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = call.send().await.map_err(aws_sdk_sqs::Error::from)?;
        for failed in answer.failed() {
            tracing::warn!(sqs.code = failed.code(), "a message was not queued");
        }
        Ok(answer.failed().len())
    }

    /// Sends one message and returns the queue's id of it.
    ///
    /// # Errors
    /// SQS did not take it.
    pub async fn send(&self, message: &M) -> Result<String, Cause> {
        let body = serde_json::to_string(message)?;
        let group = message.organization().map(ToString::to_string);
        let call = self.client.send_message().queue_url(&self.url).message_body(body).set_message_group_id(group);
        let sent = call.send().await;
        let answer = sent.map_err(aws_sdk_sqs::Error::from)?;
        Ok(answer.message_id().ok_or("SQS answered without a message id")?.to_owned())
    }
}
