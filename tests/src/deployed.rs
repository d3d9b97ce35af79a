//! A function started in this process as the template deploys it, with every call that it makes to AWS noted.
#![allow(clippy::missing_panics_doc, reason = "a function that is not deployed as it should be stops the test")]

use std::collections::{BTreeMap, BTreeSet};

use local::deployment::{Opened, Surroundings, open};
use runtime::schedule::Schedule;
use runtime::settings::Settings;
use runtime::worker::QueueWorker;
use runtime::{Function as Started, Start};
use serde_json::{Value, json};

use crate::TestApp;
use crate::gate::{Gate, serve};
use crate::permission::{self, Permission};
use crate::stack::{Function, Stack, list};

/// What Lambda itself does in the name of a function behind a queue.
const POLLING: [&str; 3] = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];

/// What a function finds around it in AWS, with all services at one address.
#[must_use]
pub fn surroundings(aws_url: &str) -> Surroundings {
    let nowhere = || "http://127.0.0.1:9".to_owned();
    Surroundings {
        parameters: BTreeMap::from([
            ("SipHost", "sip.example.com".to_owned()),
            ("TelnyxUrl", nowhere()),
            ("SlackUrl", nowhere()),
        ]),
        resources: BTreeMap::new(),
        variables: BTreeMap::from([
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_ENDPOINT_URL", aws_url.to_owned()),
        ]),
    }
}

/// A Lambda of the template, running in the world of a [`TestApp`].
pub struct Deployed {
    pub app: TestApp,
    name: String,
    entrance: Entrance,
    gate: Gate,
}

enum Entrance {
    Http,
    Queue(QueueWorker),
    Schedule(Schedule),
}

impl Deployed {
    /// Starts the Lambda of this name with the template's variables and the clock of `app`. When it serves HTTP, what is
    /// called through [`Deployed::app`] is called here from now on.
    pub async fn start(name: &str, mut app: TestApp) -> Self {
        let (gate, stack) = (Gate::start(&app).await, Stack::built_in());
        let mut around = surroundings(&gate.url);
        around.parameters.insert("TelnyxUrl", app.bundle.carrier_url.clone());
        around.parameters.insert("SlackUrl", format!("{}/api", app.bundle.slack_url));
        around.resources.insert("Table".to_owned(), app.bundle.table_name.to_owned());
        let function = stack.function(name);
        let variables = around.environment(stack, &function);
        let mut start = Start::in_lambda(Settings::from_reader(move |name| variables.get(name).cloned()));
        start.clock = app.clock.clone();
        let (opened, warm_up) = open(&function, &start).expect("the function starts");
        warm_up.await;
        let entrance = match opened {
            Opened::Http(http) => {
                app.bundle.base_url = serve(web::serve(http.into_router())).await;
                Entrance::Http
            }
            Opened::Queue(worker) => Entrance::Queue(worker),
            Opened::Schedule(schedule) => Entrance::Schedule(schedule),
        };
        Self { app, name: name.to_owned(), entrance, gate }
    }

    /// Hands over a message, and says whether it is done with.
    pub async fn work_on(&self, message: &Value) -> bool {
        let Entrance::Queue(worker) = &self.entrance else { panic!("{} works on no queue", self.name) };
        let record = json!({
            "messageId": "1", "body": message.to_string(), "attributes": {}, "messageAttributes": {},
        });
        let batch = serde_json::from_value(json!({ "Records": [record] })).expect("a batch");
        worker.handle(batch).await.batch_item_failures.is_empty()
    }

    /// Hands over a schedule's event, and returns the report.
    pub async fn invoke(&self, event: Value) -> Value {
        let Entrance::Schedule(schedule) = &self.entrance else { panic!("{} has no schedule", self.name) };
        schedule.handle(event).await.expect("a report")
    }

    /// Checks that the function's policies allow just what it has called by now. Drive it through everything it does
    /// before.
    pub fn check_policy(&self) {
        let stack = Stack::built_in();
        let function = stack.function(&self.name);
        let sources = stack.sources(&function).into_keys();
        let polled = sources.flat_map(|queue| POLLING.map(|action| Permission::new(action, &queue)));
        let needed: BTreeSet<Permission> = self.gate.needed().into_iter().chain(polled).collect();
        let wrong = differences(&function, &needed);
        assert!(wrong.is_empty(), "{wrong:#?}");
        check_that_changes_are_reported(stack, &function, &needed);
    }
}

/// How a function's policies differ from what it needs.
fn differences(function: &Function<'_>, needed: &BTreeSet<Permission>) -> Vec<String> {
    let granted = list(&function.properties["Policies"]).into_iter().flat_map(permission::granted).collect();
    permission::differences(&function.name, &granted, needed)
}

/// Takes each allowed action away, one after another, and adds one: each has to be reported.
fn check_that_changes_are_reported(stack: &Stack, function: &Function<'_>, needed: &BTreeSet<Permission>) {
    let (name, mut changes) = (&function.name, 0);
    let statements = function.properties["Policies"][0]["Statement"].as_array().expect("a list of statements");
    for (place, statement) in statements.iter().enumerate() {
        let reported = |actions: &[&Value]| {
            let mut other = stack.clone();
            let policies = &mut other.document["Resources"][function.logical]["Properties"]["Policies"];
            policies[0]["Statement"][place]["Action"] = json!(actions);
            differences(&other.function(name), needed)
        };
        let actions = list(&statement["Action"]);
        for taken in &actions {
            let left: Vec<_> = actions.iter().copied().filter(|action| action != taken).collect();
            let word = taken.as_str().expect("an action");
            assert!(reported(&left).iter().any(|one| one.contains(word)), "{name} without {word}");
            changes += 1;
        }
        let word = if statement["Condition"].is_object() { "dynamodb:Scan" } else { "sqs:PurgeQueue" };
        let unused = json!(word);
        let more: Vec<_> = actions.iter().copied().chain([&unused]).collect();
        let reported = reported(&more);
        assert!(reported.iter().any(|one| one.contains(&format!("is allowed {word}"))), "{name}: {reported:?}");
        changes += check_that_other_partitions_are_reported(stack, function, needed, place);
    }
    assert!(changes > 0, "{name} is allowed nothing");
}

/// The same for each partition of one statement.
fn check_that_other_partitions_are_reported(
    stack: &Stack,
    function: &Function<'_>,
    needed: &BTreeSet<Permission>,
    place: usize,
) -> usize {
    let partitions = permission::partitions(&function.properties["Policies"][0]["Statement"][place]);
    let reported = |partitions: &[&Value]| {
        let mut other = stack.clone();
        let policies = &mut other.document["Resources"][function.logical]["Properties"]["Policies"];
        policies[0]["Statement"][place]["Condition"] = permission::limited_to(partitions);
        differences(&other.function(&function.name), needed)
    };
    for taken in &partitions {
        let left: Vec<_> = partitions.iter().copied().filter(|partition| partition != taken).collect();
        let word = taken.as_str().expect("a partition");
        assert!(reported(&left).iter().any(|one| one.contains(word)), "{} without {word}", function.name);
    }
    if !partitions.is_empty() {
        let other = json!("OTHER#*");
        let more: Vec<_> = partitions.iter().copied().chain([&other]).collect();
        assert!(reported(&more).iter().any(|one| one.contains("in OTHER#*")), "{}", function.name);
    }
    partitions.len()
}

/// Starts the function that a Lambda runs with just these settings.
///
/// # Errors
/// A setting is missing or malformed.
pub fn start(function: &Function<'_>, settings: Settings) -> Result<Started, runtime::settings::SettingsError> {
    settings.log_level()?;
    let registered = local::functions::registered(&function.package);
    let registered = registered.unwrap_or_else(|| panic!("{} is not registered", function.package));
    (registered.start)(&Start::in_lambda(settings))
}
