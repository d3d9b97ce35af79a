//! What calls to AWS need to be allowed, and what a policy of the template allows.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::stack::{arn, list};

/// One action on one resource, as IAM names them; resources by their names in the template.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Permission {
    pub action: String,
    pub resource: String,
}

impl Permission {
    #[must_use]
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned() }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {}", self.action, self.resource)
    }
}

/// What a policy's statements allow.
///
/// # Panics
/// One of them denies something, or allows more than it names.
#[must_use]
pub fn granted(policy: &Value) -> BTreeSet<Permission> {
    let mut all = BTreeSet::new();
    for statement in list(&policy["Statement"]) {
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                let action = action.as_str().expect("an action");
                assert!(!action.contains('*'), "{action} is allowed");
                all.insert(Permission::new(action, &arn(resource)));
            }
        }
    }
    all
}

/// How what `who` is allowed differs from what is needed, in sentences; none when they do not.
#[must_use]
pub fn differences(who: &str, granted: &BTreeSet<Permission>, needed: &BTreeSet<Permission>) -> Vec<String> {
    let lacking = needed.difference(granted).map(|one| format!("{who} calls {one}, which is denied"));
    let idle = granted.difference(needed).map(|one| format!("{who} is allowed {one}, and never calls it"));
    lacking.chain(idle).collect()
}

/// What a call has to be allowed to do. A transaction is allowed by the actions of its parts, and a query of an index by
/// the index. Queues and secrets are called by their names in the template, which may end a longer address.
///
/// # Panics
/// The call is not one that AWS would understand.
#[must_use]
pub fn needs(target: &str, call: &Value) -> Vec<Permission> {
    let (service, operation) = target.split_once('.').expect("a service and its operation");
    let named = |field: &str| {
        let text = call[field].as_str().unwrap_or_else(|| panic!("{target} without {field}"));
        text.rsplit(['/', ':']).next().unwrap_or(text).to_owned()
    };
    // The table's name differs from test to test; there is one.
    let table = |action: &str, resource: &str| Permission::new(&format!("dynamodb:{action}"), resource);
    match (service, operation) {
        ("DynamoDB_20120810", "TransactWriteItems") => {
            let parts = call["TransactItems"].as_array().expect("the transaction's parts").iter();
            let kinds = parts.flat_map(|part| part.as_object().expect("a part").keys());
            kinds.map(|kind| table(transacted(kind), "Table")).collect()
        }
        ("DynamoDB_20120810", _) => {
            let index = call["IndexName"].as_str().map_or(String::new(), |index| format!("/index/{index}"));
            vec![table(operation, &format!("Table{index}"))]
        }
        // SQS moves the messages in the caller's name:
        // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>
        ("AmazonSQS", "StartMessageMoveTask") => {
            let source = named("SourceArn");
            let taking = ["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"];
            let taken = taking.map(|action| Permission::new(&format!("sqs:{action}"), &source));
            let sent = Permission::new("sqs:SendMessage", &source.replace("DeadLetter", ""));
            taken.into_iter().chain([sent]).collect()
        }
        ("AmazonSQS", "ListMessageMoveTasks") => {
            vec![Permission::new(&format!("sqs:{operation}"), &named("SourceArn"))]
        }
        // There is no permission of its own for a batch:
        // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
        ("AmazonSQS", "SendMessageBatch") => vec![Permission::new("sqs:SendMessage", &named("QueueUrl"))],
        ("AmazonSQS", _) => vec![Permission::new(&format!("sqs:{operation}"), &named("QueueUrl"))],
        _ => vec![Permission::new(&format!("{service}:{operation}"), &named("SecretId"))],
    }
}

fn transacted(part: &str) -> &'static str {
    match part {
        "ConditionCheck" => "ConditionCheckItem",
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        unknown => panic!("{unknown} is no part of a transaction"),
    }
}
