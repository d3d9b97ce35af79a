//! The queue of verification notifications (SQS).

use aws_sdk_sqs::Client;
use aws_types::SdkConfig;
use domain::{KybId, OrganizationId, Source};

/// Where a submission is announced to the worker that tells staff. Messages carry ids only.
#[derive(Clone)]
pub struct NotificationQueue {
    client: Client,
    url: String,
}

impl NotificationQueue {
    #[must_use]
    pub fn new(config: &SdkConfig, url: String) -> Self {
        Self { client: Client::new(config), url }
    }

    /// Sends one message and returns the queue's id of it.
    ///
    /// # Errors
    /// SQS did not take it.
    pub async fn send(&self, organization: &OrganizationId, submission: &KybId) -> Result<String, Source> {
        // Both ids are plain ASCII without quotes, so this is JSON as it stands.
        let body = format!(r#"{{"organizationId":"{organization}","submissionId":"{submission}"}}"#);
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        let answer = sent.map_err(aws_sdk_sqs::Error::from)?;
        Ok(answer.message_id().ok_or("SQS answered without a message id")?.to_owned())
    }
}
