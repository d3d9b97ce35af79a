//! Tells staff in Slack of each submitted business verification.
//!
//! The queue brings ids; what staff read comes from the table. A message is done when Slack's answer is recorded with
//! the submission, so whatever dies before that happens again, and whatever comes twice after it does nothing.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clients::slack::verification::{Message, message};
use clients::slack::{Slack, SlackError};
use domain::kyb::{Case, Delivery, Status, Submission};
use domain::{Clock, chain};
use runtime::message::SubmissionHandle;
use runtime::settings::SettingsError;
use runtime::worker::{Again, Limits, QueueWorker, Worker};
use runtime::{Function, Start};
use table::Table;
use tokio::time::timeout;

/// How long reading a submission may take.
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// How long telling Slack may take, from reading the secret to Slack's answer.
const POST_TIMEOUT: Duration = Duration::from_secs(8);

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let (table, slack, clock) = (Table::from_start(start)?, Slack::from_start(start)?, start.clock.clone());
    Ok(Function::new(table.connect()).entrance("queue", QueueWorker::new(Notifier { table, slack, clock })))
}

/// What it takes to tell staff.
struct Notifier {
    table: Table,
    slack: Slack,
    clock: Arc<dyn Clock>,
}

impl Notifier {
    async fn announce(&self, case: &Case) -> Result<(), Again> {
        let submission = &case.submission;
        let (organization, id) = (&submission.organization, &submission.id);
        let Message { text, blocks } = message(case);
        let posted = timeout(POST_TIMEOUT, self.slack.post(&text, &blocks)).await;
        let posted = posted.unwrap_or_else(|late| Err(SlackError::Failed(late.into())));
        let delivery = posted.map_err(|error| after(submission, error))?;
        let awaited = self.record(submission, Some(&delivery)).await?;
        let waited = submission.filed().map(|filed| self.clock.now().since(filed.at).as_millis());
        let waited = waited.and_then(|millis| u64::try_from(millis).ok());
        tracing::info!(
            organization.id = %organization, kyb.submission.id = %id, kyb.announced_after_ms = waited,
            slack.message.ts = delivery.ts, "verification posted to Slack"
        );
        if !awaited {
            self.show_decision(submission, &delivery).await;
        }
        Ok(())
    }

    /// Somebody has decided while the message was on its way, so it came with buttons that do nothing any more.
    async fn show_decision(&self, submission: &Submission, delivery: &Delivery) {
        let (organization, id) = (&submission.organization, &submission.id);
        let shown = async {
            let case = self.table.case(organization, id).await?.ok_or(domain::Error::NotFound)?;
            Ok::<_, Box<dyn Error + Send + Sync>>(self.slack.rewrite(delivery, &case).await?)
        };
        // The decision stands whatever comes of this, and a click on a button shows it too.
        if let Err(error) = timeout(POST_TIMEOUT, shown).await.unwrap_or_else(|late| Err(late.into())) {
            tracing::warn!(
                organization.id = %organization, kyb.submission.id = %id, error.cause = chain(&*error),
                "a message about a decided verification could not be updated"
            );
        }
    }

    async fn record(&self, submission: &Submission, delivery: Option<&Delivery>) -> Result<bool, Again> {
        self.table.notified(submission, delivery).await.map_err(|error| {
            tracing::warn!(
                organization.id = %submission.organization, kyb.submission.id = %submission.id,
                error.cause = chain(&error), slack.posted = delivery.is_some(),
                "the Slack message of a verification could not be recorded"
            );
            Again::Later
        })
    }
}

impl Worker for Notifier {
    type Message = SubmissionHandle;

    /// The function is stopped after 30 s, and a message may take 18 s when everything is slow: `READ_TIMEOUT`,
    /// `POST_TIMEOUT`, and 6 s to record, three tries of 2 s. A post that is not recorded is repeated. Slack takes about one a second for one channel.
    const LIMITS: Limits = Limits {
        last_start: Duration::from_secs(10),
        end: Duration::from_secs(28),
        longest_wait: Duration::from_secs(5),
    };

    async fn work(&self, message: SubmissionHandle) -> Result<(), Again> {
        let SubmissionHandle { organization, submission: id } = message;
        let read = timeout(READ_TIMEOUT, self.table.case(&organization, &id)).await;
        match read.unwrap_or_else(|late| Err(domain::Error::Busy(late.into()))) {
            Ok(Some(case)) if case.submission.delivery.is_none() && case.submission.status() == Status::Submitted => {
                self.announce(&case).await
            }
            // It was announced before, or decided before anybody was told: what remains is to take it off the list.
            Ok(Some(case)) => self.record(&case.submission, None).await.map(drop),
            Ok(None) => {
                tracing::warn!(
                    organization.id = %organization, kyb.submission.id = %id,
                    "a queue message names a submission that does not exist"
                );
                Err(Again::Later)
            }
            Err(error) => {
                tracing::warn!(
                    organization.id = %organization, kyb.submission.id = %id, error.cause = chain(&error),
                    "a submission could not be read"
                );
                Err(Again::Later)
            }
        }
    }
}

/// Logs why Slack did not take the message, and says when it may come again.
fn after(submission: &Submission, error: SlackError) -> Again {
    let (organization, id) = (&submission.organization, &submission.id);
    match error {
        SlackError::RateLimited { retry_after } => {
            tracing::warn!(
                organization.id = %organization, kyb.submission.id = %id,
                slack.retry_after_s = retry_after.as_secs(), "Slack throttles this channel"
            );
            Again::After(retry_after)
        }
        // The token, the channel or the message itself is wrong, and stays so until someone mends it.
        SlackError::Refused(code) => {
            tracing::error!(
                organization.id = %organization, kyb.submission.id = %id, slack.error = code,
                "Slack refuses to post a verification"
            );
            Again::Later
        }
        SlackError::Failed(_) => {
            tracing::warn!(
                organization.id = %organization, kyb.submission.id = %id, error.cause = chain(&error),
                "a verification could not be posted to Slack"
            );
            Again::Later
        }
    }
}
