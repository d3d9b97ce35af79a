//! A function's built binary, run as Lambda runs it: a process of its own, which asks the Runtime API for events.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use lambda_simulator::{InvocationStatus, Simulator};
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::{Answer, TestApp};

/// Longer than any function may take.
const PATIENCE: Duration = Duration::from_secs(40);

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");

/// What stands in `events/` for a value that only a run knows.
const PLACEHOLDERS: [&str; 6] =
    ["API_KEY", "NUMBER_ID", "AGENT_ID", "SIP_CONNECTION_ID", "ORGANIZATION_ID", "SUBMISSION_ID"];

/// Variables by name.
pub type Environment = BTreeMap<&'static str, String>;

/// The variables of every function, as the template sets them, with all services in `app`.
#[must_use]
pub fn environment(app: &TestApp) -> Environment {
    let bundle = &app.bundle;
    BTreeMap::from([
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_ENDPOINT_URL", bundle.dynamo_db_url.clone()),
        ("AWS_ENDPOINT_URL_SQS", bundle.queues_url.clone()),
        // The most talkative level, so that what must not be logged is looked for among all that can be.
        ("LOG_LEVEL", "debug".to_owned()),
        ("TABLE_NAME", bundle.table_name.to_owned()),
        ("SIP_HOST", "sip.example.com".to_owned()),
        ("TELNYX_URL", bundle.carrier_url.clone()),
        ("TELNYX_SECRET", r#"{"apiKey":"sandbox"}"#.to_owned()),
        ("SLACK_URL", format!("{}/api", bundle.slack_url)),
        ("SLACK_SECRET", bundle.slack_secret.clone()),
        ("NOTIFICATIONS_QUEUE_URL", bundle.notifications_url()),
        ("RENEWALS_QUEUE_URL", bundle.renewals_url()),
    ])
}

/// The same as talkative as it is deployed, for thousands of requests.
#[must_use]
pub fn quiet(app: &TestApp) -> Environment {
    let mut environment = environment(app);
    environment.insert("LOG_LEVEL", "info".to_owned());
    environment
}

/// An event of `events/` with values in place of its placeholders.
///
/// # Panics
/// There is no such file, it lacks one of the placeholders, or another one is left.
#[must_use]
pub fn event(name: &str, values: &[(&str, &str)]) -> Value {
    let path = format!("{EVENTS}/{name}.json");
    let mut text = std::fs::read_to_string(&path).expect(&path);
    for (placeholder, value) in values {
        assert!(PLACEHOLDERS.contains(placeholder) && text.contains(placeholder), "{name} has no {placeholder}");
        text = text.replace(placeholder, value);
    }
    let left: Vec<_> = PLACEHOLDERS.into_iter().filter(|placeholder| text.contains(placeholder)).collect();
    assert!(left.is_empty(), "{name} still holds {left:?}");
    serde_json::from_str(&text).expect(&path)
}

/// The same request without a key.
///
/// # Panics
/// It has none.
#[must_use]
pub fn anonymous(request: &Value) -> Value {
    let mut request = request.clone();
    request["headers"].as_object_mut().expect("headers").remove("authorization").expect("a key");
    request
}

/// The same request with another method.
#[must_use]
pub fn with_method(request: &Value, method: &str) -> Value {
    let mut request = request.clone();
    request["requestContext"]["http"]["method"] = method.into();
    request
}

/// The same request with another body.
#[must_use]
pub fn with_body(request: &Value, body: &str) -> Value {
    let mut request = request.clone();
    request["body"] = body.into();
    request
}

/// The binary, running and waiting for events.
pub struct Lambda {
    simulator: Simulator,
    process: Child,
    /// Reads along, because a pipe that nobody reads stops the process.
    output: Option<JoinHandle<String>>,
}

impl Lambda {
    /// # Panics
    /// The binary cannot be started.
    pub async fn start(binary: &str, environment: &Environment) -> Self {
        let builder = Simulator::builder().invocation_timeout(PATIENCE);
        let simulator = builder.build().await.expect("the Runtime API starts");
        let mut process = command(binary, environment)
            .envs(simulator.lambda_env_vars())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut output = process.stdout.take().expect("the binary's output");
        let output = std::thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).expect("the output is text");
            text
        });
        Self { simulator, process, output: Some(output) }
    }

    /// Hands an event over and waits for the answer.
    ///
    /// # Panics
    /// The function fails, which it never does by itself, or does not answer in time.
    pub async fn invoke(&self, event: &Value) -> Value {
        let id = self.simulator.enqueue_payload(event.clone()).await;
        let ended = self.simulator.wait_for_invocation_complete(&id, PATIENCE).await.expect("an answer in time");
        assert_eq!(ended.status, InvocationStatus::Success, "{:?}", ended.error);
        ended.response.expect("an answer").payload
    }

    /// Hands an HTTP request over as API Gateway does, and reads the answer as API Gateway does.
    ///
    /// # Panics
    /// The function fails, or answers what API Gateway or a caller cannot read.
    pub async fn call(&self, request: &Value) -> Answer {
        let answer = self.invoke(request).await;
        let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        let mut headers = HeaderMap::new();
        for (name, value) in answer["headers"].as_object().expect("headers") {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            headers.insert(name, value.as_str().expect("a header's text").parse().expect("a header's value"));
        }
        assert_eq!(headers["x-request-id"], request["requestContext"]["requestId"].as_str().expect("an id"));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(answer["isBase64Encoded"], false, "JSON goes as text");
        let text = answer["body"].as_str().expect("a body").to_owned();
        let body = serde_json::from_str(&text).expect("a JSON body");
        Answer { status: status.expect("a status"), headers, text, body }
    }

    /// Ends the process and returns what it has logged: checks that each line is JSON, that our own have fields with dotted
    /// names, and that none tells any of `secrets`.
    ///
    /// # Panics
    /// A line is something else, or tells a secret.
    pub fn log(mut self, secrets: &[&str]) -> Vec<Value> {
        self.end();
        let output = self.output.take().expect("output that nobody has taken").join().expect("the output");
        for secret in secrets {
            assert!(!output.contains(secret), "{secret} is logged: {output}");
        }
        output.lines().map(read_line).collect()
    }

    fn end(&mut self) {
        // It fails only when the process has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the binary says when it refuses to start.
///
/// # Panics
/// It starts, or ends well.
#[must_use]
pub fn refusal(binary: &str, environment: &Environment) -> String {
    let ended = command(binary, environment).output().expect("the binary starts");
    assert!(!ended.status.success(), "a binary that cannot work must fail");
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

/// Fields that the template's metric filters read, which take no dots in a field's name.
const METRIC_FIELDS: [&str; 7] = ["alarm", "oldest_due_s", "charged", "refused", "suspended", "lifted", "released"];

fn read_line(text: &str) -> Value {
    let line: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    if line["level"] == "DEBUG" {
        // Of the libraries beneath us, which name their fields as they like.
        return line;
    }
    let own = line.as_object().expect("an object").keys();
    let own = own.filter(|name| !["timestamp", "level", "message", "span"].contains(&name.as_str()));
    // The Lambda runtime names the fields of its span itself.
    let ours = line["span"].as_object().filter(|span| span["name"] != "Lambda runtime invoke");
    let of_span = ours.into_iter().flat_map(|span| span.keys()).filter(|name| *name != "name");
    for name in own.chain(of_span) {
        assert!(name.contains('.') || METRIC_FIELDS.contains(&name.as_str()), "{name} is not dotted: {text}");
    }
    line
}

/// The binary with these variables and none of this process's own.
fn command(binary: &str, environment: &Environment) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().envs(environment).stdin(Stdio::null());
    command
}
