//! `ops dead-letters`: messages that a worker gave up on.

use std::time::Duration;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use aws_sdk_sqs::{Client, Error as SqsError};
use clap::Subcommand;
use domain::Timestamp;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

/// SQS hands out at most ten messages at once.
const MESSAGES_PER_RECEIVE: i32 = 10;
/// How long a message that is being looked at is out of everybody else's sight, in seconds, should this process end
/// before it puts the message back.
const LOOK_HIDES_S: i32 = 30;
/// How long SQS looks for messages, in seconds. Without this it asks some of its servers only, and may find none of a few.
const LONG_POLL_S: i32 = 2;
/// How often the queue is asked how far a redrive is, and how many times at most.
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const PAUSES_LIMIT: u32 = 300;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Look at the notifications that were put aside; they stay where they are
    Look {
        /// At most this many
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
        limit: u16,
    },
    /// Send all of them back to the queue that they come from
    Redrive,
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    let (sqs, url) = session.connection.dead_letters()?;
    match command {
        Command::Look { limit } => {
            let letters = Box::pin(look(&sqs, &url, usize::from(limit))).await?;
            let columns = &["messageId", "sentAt", "receives", "organizationId", "submissionId"];
            Ok(Output::table(columns, "There are no dead letters.", letters))
        }
        Command::Redrive => Box::pin(redrive(session, &sqs, &url)).await,
    }
}

/// Receives messages, and makes them visible again at once.
async fn look(sqs: &Client, url: &str, limit: usize) -> Result<Vec<Value>, Failure> {
    let (mut letters, mut handles) = (Vec::new(), Vec::new());
    while letters.len() < limit {
        let wanted = i32::try_from(limit - letters.len()).unwrap_or(MESSAGES_PER_RECEIVE).min(MESSAGES_PER_RECEIVE);
        let call = sqs.receive_message().queue_url(url).max_number_of_messages(wanted).visibility_timeout(LOOK_HIDES_S);
        let call = call.wait_time_seconds(LONG_POLL_S);
        let call = call.message_system_attribute_names(MessageSystemAttributeName::All);
        let messages = call.send().await.map_err(failed)?.messages.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            handles.extend(message.receipt_handle.clone());
            letters.push(letter(&message));
        }
    }
    for handle in handles {
        let back = sqs.change_message_visibility().queue_url(url).receipt_handle(handle).visibility_timeout(0);
        back.send().await.map_err(failed)?;
    }
    Ok(letters)
}

fn letter(message: &aws_sdk_sqs::types::Message) -> Value {
    let attribute = |name| message.attributes.as_ref().and_then(|attributes| attributes.get(&name)).map(String::as_str);
    let sent = attribute(MessageSystemAttributeName::SentTimestamp).and_then(|millis| millis.parse().ok());
    // Read as it came: what is put aside is often what no worker could read.
    let body: Value = serde_json::from_str(message.body.as_deref().unwrap_or_default()).unwrap_or_default();
    json!({
        "messageId": message.message_id,
        "sentAt": sent.map(|millis| Timestamp::from_millis(millis).to_string()),
        "receives": attribute(MessageSystemAttributeName::ApproximateReceiveCount),
        "organizationId": body["organizationId"].as_str(),
        "submissionId": body["submissionId"].as_str(),
    })
}

async fn redrive(session: &mut Session<'_, '_>, sqs: &Client, url: &str) -> Result<Output, Failure> {
    let names = [QueueAttributeName::QueueArn, QueueAttributeName::ApproximateNumberOfMessages];
    let asked = sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec())).send().await;
    let attributes = asked.map_err(failed)?.attributes.unwrap_or_default();
    let waiting = attributes.get(&QueueAttributeName::ApproximateNumberOfMessages).map_or("some", String::as_str);
    if waiting == "0" {
        return Ok(Output::changed(false, "There are no dead letters.", json!({ "moved": 0 })));
    }
    let deed = format!("send about {waiting} dead letters back to their queue");
    if let Some(would) = session.before(&deed, Undo::Possible)? {
        return Ok(would);
    }
    let arn = attributes.get(&QueueAttributeName::QueueArn).cloned();
    let arn = arn.ok_or_else(|| Failure::new("SQS does not say what the queue's ARN is."))?;
    sqs.start_message_move_task().source_arn(&arn).send().await.map_err(failed)?;
    for _ in 0..PAUSES_LIMIT {
        let tasks = sqs.list_message_move_tasks().source_arn(&arn).max_results(1).send().await.map_err(failed)?;
        let Some(task) = tasks.results.unwrap_or_default().into_iter().next() else { break };
        let moved = task.approximate_number_of_messages_moved;
        match task.status.as_deref() {
            Some("RUNNING") => session.progress(&format!("{moved} of about {waiting} moved")),
            Some("COMPLETED") => {
                return Ok(Output::changed(
                    true,
                    format!("{moved} dead letters are back in their queue."),
                    json!({ "moved": moved }),
                ));
            }
            other => {
                let why = task.failure_reason.as_deref().unwrap_or("no reason given");
                let state = other.unwrap_or("in no known state");
                return Err(Failure::new(format!("The redrive is {state} after {moved} messages: {why}.")));
            }
        }
        tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
    }
    Ok(Output::changed(true, "The redrive goes on in AWS; look again in a while.", json!({ "moved": null })))
}

fn failed(error: impl Into<SqsError>) -> Failure {
    let error: SqsError = error.into();
    Failure::new(format!("SQS: {}", domain::chain(&error)))
}
