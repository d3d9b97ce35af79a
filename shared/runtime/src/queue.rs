//! A queue (SQS) of messages of one kind.

use std::fmt;
use std::marker::PhantomData;

use aws_sdk_sqs::Client;
use aws_types::SdkConfig;
use domain::Cause;

use crate::function::Start;
use crate::message::Message;
use crate::settings::SettingsError;

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
