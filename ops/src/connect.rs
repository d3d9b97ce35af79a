//! The ways to the table and to the services beside it: in AWS, or of the local run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use clients::slack::Slack;
use clients::telnyx::Telnyx;
use domain::{Clock, Timestamp, chain};
use runtime::Secret;
use runtime::aws::{Account, over_http};
use runtime::message::SubmissionHandle;
use runtime::queue::Queue;
use serde::Deserialize;
use table::Table;
use tokio::net::TcpStream;

use crate::clock;
use crate::failure::Failure;
use crate::options::{Options, Services};

/// The local run's table, when only its engine's address is known.
const LOCAL_TABLE: &str = "phone-numbers";
/// How long one try of a call may take. Nobody waits behind a gateway here.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// How AWS's SDKs and its command line call the session of a role whose profile does not name it.
const UNNAMED_SESSIONS: [&str; 2] = ["/assume-role-from-profile-", "/botocore-session-"];

/// What a command may call.
pub(crate) struct Connection {
    config: SdkConfig,
    table: String,
    target: Target,
}

enum Target {
    Aws(Services),
    Local(Box<Ready>),
    /// A DynamoDB engine with nothing around it.
    Engine,
}

/// A clock that is ahead of another one.
struct Ahead {
    clock: Arc<dyn Clock>,
    by: Duration,
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.clock.now().plus(self.by)
    }
}

/// What the local run writes down of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    dynamo_db_url: String,
    table_name: String,
    clock_url: String,
    queue_url: String,
    carrier_url: String,
    carrier_secret: String,
    slack_api_url: String,
    slack_secret: String,
}

impl Connection {
    pub(crate) async fn open(options: Options) -> Result<Self, Failure> {
        match options.local {
            None => Self::aws(options.table, options.profile, options.region, options.services).await,
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                let table = options.table.unwrap_or_else(|| LOCAL_TABLE.to_owned());
                is_running(&url, &format!("Nothing answers at {url}")).await?;
                Ok(Self { config: Account::local(url).sdk_config(), table, target: Target::Engine })
            }
            Some(file) => {
                let ready = read_ready_file(Path::new(&file))?;
                is_running(&ready.dynamo_db_url, &format!("The local run that has left {file} has ended")).await?;
                let config = Account::local(ready.dynamo_db_url.clone()).sdk_config();
                Ok(Self { config, table: ready.table_name.clone(), target: Target::Local(Box::new(ready)) })
            }
        }
    }

    async fn aws(
        table: Option<String>,
        profile: Option<String>,
        region: Option<String>,
        services: Services,
    ) -> Result<Self, Failure> {
        let missing = "Which table? Name it with --table or TABLE_NAME (the stack's output TableName), or work on the \
                       local run with --local.";
        let table = table.ok_or_else(|| Failure::new(missing))?;
        let time_outs =
            TimeoutConfig::builder().operation_attempt_timeout(TRY_TIMEOUT).operation_timeout(TRY_TIMEOUT * 3).build();
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).http_client(over_http()).timeout_config(time_outs);
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let config = Box::pin(loader.load()).await;
        if config.region().is_none() {
            return Err(Failure::new("Which AWS region? Name it with --region, AWS_REGION or in your AWS profile."));
        }
        Ok(Self { config, table, target: Target::Aws(services) })
    }

    pub(crate) fn table(&self, clock: Arc<dyn Clock>) -> Table {
        Table::new(&self.config, self.table.clone(), clock)
    }

    /// Where the local run's time is moved.
    pub(crate) fn clock_url(&self) -> Result<&str, Failure> {
        match &self.target {
            Target::Local(ready) => Ok(&ready.clock_url),
            Target::Aws(_) | Target::Engine => Err(Failure::new(
                "Only the local run has a clock to move: start one with `cargo run`, and say --local.",
            )),
        }
    }

    /// The clock that everything goes by: the local run's own is the machine's, moved ahead.
    pub(crate) async fn clock(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Clock>, Failure> {
        let Target::Local(ready) = &self.target else { return Ok(clock) };
        let by = clock::ahead(&ready.clock_url).await?;
        Ok(Arc::new(Ahead { clock, by }))
    }

    pub(crate) const fn is_in_aws(&self) -> bool {
        matches!(self.target, Target::Aws(_))
    }

    /// By which name AWS knows the caller, without the account, such as `assumed-role/Operators/jane@example.com`; `None` for
    /// the local run. Every caller may ask for it.
    ///
    /// Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
    pub(crate) async fn identity(&self) -> Result<Option<String>, Failure> {
        if !self.is_in_aws() {
            return Ok(None);
        }
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let answer =
            answer.map_err(|error| Failure::new(format!("AWS does not say who you are: {}.", chain(&error))))?;
        name_in(answer.arn().unwrap_or_default()).map(Some)
    }

    /// The carrier.
    pub(crate) fn carrier(&self) -> Result<Telnyx, Failure> {
        match &self.target {
            Target::Aws(services) => {
                let secret = self.stored(services.telnyx_secret.as_ref(), "--telnyx-secret", "TelnyxSecretArn")?;
                Ok(Telnyx::new(&services.telnyx_url, secret, &self.table))
            }
            Target::Local(ready) => {
                Ok(Telnyx::new(&ready.carrier_url, Secret::given(&ready.carrier_secret), &self.table))
            }
            Target::Engine => Err(unknown("the carrier")),
        }
    }

    /// The chat in which staff review.
    pub(crate) fn slack(&self) -> Result<Slack, Failure> {
        match &self.target {
            Target::Aws(services) => {
                let secret = self.stored(services.slack_secret.as_ref(), "--slack-secret", "SlackSecretArn")?;
                Ok(Slack::new(&services.slack_url, secret))
            }
            Target::Local(ready) => Ok(Slack::new(&ready.slack_api_url, Secret::given(&ready.slack_secret))),
            Target::Engine => Err(unknown("Slack")),
        }
    }

    /// The queue of notifications.
    pub(crate) fn queue(&self) -> Result<Queue<SubmissionHandle>, Failure> {
        match &self.target {
            Target::Aws(services) => {
                let url = services.queue_url.clone();
                let url = url.ok_or_else(|| unnamed("--queue-url", "NotificationsQueueUrl"))?;
                Ok(Queue::new(&self.config, url))
            }
            Target::Local(ready) => {
                let config = Account::local(ready.queue_url.clone()).sdk_config();
                Ok(Queue::new(&config, ready.queue_url.clone()))
            }
            Target::Engine => Err(unknown("the queue")),
        }
    }

    /// SQS, with the queue of notifications that failed again and again.
    pub(crate) fn dead_letters(&self) -> Result<(aws_sdk_sqs::Client, String), Failure> {
        match &self.target {
            Target::Aws(services) => {
                let url = services.dead_letter_queue_url.clone();
                let url = url.ok_or_else(|| unnamed("--dead-letter-queue-url", "NotificationsDeadLetterQueueUrl"))?;
                Ok((aws_sdk_sqs::Client::new(&self.config), url))
            }
            Target::Local(_) | Target::Engine => Err(Failure::new(
                "The local run has no queue of dead letters: it logs what it puts aside, and its work index brings it up \
                 again.",
            )),
        }
    }

    fn stored(&self, id: Option<&String>, option: &str, output: &str) -> Result<Secret, Failure> {
        let id = id.ok_or_else(|| unnamed(option, output))?;
        Ok(Secret::stored(aws_sdk_secretsmanager::Client::new(&self.config), id.clone()))
    }
}

fn unnamed(option: &str, output: &str) -> Failure {
    Failure::new(format!("This command needs {option}: the stack's output {output}."))
}

fn unknown(service: &str) -> Failure {
    Failure::new(format!("An engine's address says nothing of {service}: give the local run's ready file to --local."))
}

/// The name in `arn:aws:sts::123456789012:assumed-role/Operators/jane@example.com`.
fn name_in(arn: &str) -> Result<String, Failure> {
    let name = arn.splitn(6, ':').nth(5).filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| Failure::new("AWS does not say who you are."))?;
    if UNNAMED_SESSIONS.iter().any(|session| name.contains(session)) {
        let refusal = format!("Your session {name} has no name of yours: set role_session_name in your AWS profile.");
        return Err(Failure::new(refusal));
    }
    Ok(name.to_owned())
}

/// Whether the local run still listens. A file that it has left says nothing of that, and the table's own error would be
/// that it is busy.
async fn is_running(url: &str, otherwise: &str) -> Result<(), Failure> {
    let place = url.split_once("://").map_or(url, |(_, place)| place).trim_end_matches('/');
    let connected = TcpStream::connect(place).await;
    connected.map(drop).map_err(|_| Failure::new(format!("{otherwise}: start it again with `cargo run`.")))
}

fn read_ready_file(file: &Path) -> Result<Ready, Failure> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| {
        Failure::new(format!("No local run has left {shown} ({error}): start one with `cargo run`, or name its file."))
    })?;
    serde_json::from_slice(&text).map_err(|_| Failure::new(format!("{shown} is not a local run's ready file.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_shown_without_its_account_and_only_if_it_names_somebody() {
        for (arn, name) in [
            (
                "arn:aws:sts::123456789012:assumed-role/Operators/jane@example.com",
                "assumed-role/Operators/jane@example.com",
            ),
            ("arn:aws:iam::123456789012:user/staff/jane", "user/staff/jane"),
            ("arn:aws-cn:iam::123456789012:root", "root"),
        ] {
            assert_eq!(name_in(arn).as_deref(), Ok(name));
        }
        for session in ["botocore-session-1784000000", "assume-role-from-profile-1784000000000"] {
            let refused = name_in(&format!("arn:aws:sts::123456789012:assumed-role/Operators/{session}")).unwrap_err();
            assert!(refused.to_string().contains("set role_session_name in your AWS profile"), "{refused}");
        }
        for bad in ["", "jane", "arn:aws:iam::123456789012:", "arn:aws:iam::123456789012: "] {
            assert_eq!(name_in(bad), Err(Failure::new("AWS does not say who you are.")), "{bad}");
        }
    }
}
