//! What calls to AWS need to be allowed, and what a policy of the template allows.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use crate::stack::{arn, list};

/// One action on one resource, as IAM names them; resources by their names in the template. For the table it also says in
/// which partitions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Permission {
    pub action: String,
    pub resource: String,
    /// As policies write it, such as `ORG#*`.
    pub partitions: Option<String>,
}

impl Permission {
    #[must_use]
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned(), partitions: None }
    }

    fn within(action: &str, resource: &str, partitions: String) -> Self {
        Self { partitions: Some(partitions), ..Self::new(action, resource) }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on {}", self.action, self.resource)?;
        self.partitions.iter().try_for_each(|partitions| write!(formatter, " in {partitions}"))
    }
}

/// The condition that limits a statement to partitions. Without `Null`, a call that names no partition would pass:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>
#[must_use]
pub fn limited_to(partitions: &[&Value]) -> Value {
    json!({
        "ForAllValues:StringLike": { "dynamodb:LeadingKeys": partitions },
        "Null": { "dynamodb:LeadingKeys": "false" },
    })
}

/// What a policy's statements allow.
///
/// # Panics
/// One of them denies something, allows more than it names, or splits what one call may need over two statements.
#[must_use]
pub fn granted(policy: &Value) -> BTreeSet<Permission> {
    let mut all = BTreeSet::new();
    for statement in list(&policy["Statement"]) {
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        let condition = &statement["Condition"];
        let partitions = partitions(statement);
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                let (action, resource) = (action.as_str().expect("an action"), arn(resource));
                assert!(!action.contains('*'), "{action} is allowed");
                if !action.starts_with("dynamodb:") {
                    assert!(condition.is_null(), "{statement}");
                    all.insert(Permission::new(action, &resource));
                    continue;
                }
                assert_eq!(*condition, limited_to(&partitions), "{statement}");
                // A batch or a transaction is allowed by the statement that names all partitions of its calls.
                let known = |one: &Permission| one.action == action && one.resource == resource;
                assert!(!all.iter().any(known), "{action} on {resource} stands in two statements");
                let named = partitions.iter().map(|partition| partition.as_str().expect("a partition").to_owned());
                all.extend(named.map(|partition| Permission::within(action, &resource, partition)));
            }
        }
    }
    all
}

/// The partitions to which a statement is limited; none where it is not.
#[must_use]
pub fn partitions(statement: &Value) -> Vec<&Value> {
    let partitions = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
    partitions.as_array().map(|partitions| partitions.iter().collect()).unwrap_or_default()
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
    let table = |action: &str, item: &Value| {
        let partition = item["PK"]["S"].as_str().unwrap_or_else(|| panic!("{action} without a key"));
        Permission::within(&format!("dynamodb:{action}"), "Table", partitions_like(partition))
    };
    match (service, operation) {
        ("DynamoDB_20120810", "TransactWriteItems") => {
            let parts = call["TransactItems"].as_array().expect("the transaction's parts").iter();
            let parts = parts.flat_map(|part| part.as_object().expect("a part"));
            parts
                .map(|(kind, part)| table(transacted(kind), if kind == "Put" { &part["Item"] } else { &part["Key"] }))
                .collect()
        }
        ("DynamoDB_20120810", "BatchGetItem") => {
            let tables = call["RequestItems"].as_object().expect("the batch's tables").values();
            let keys = tables.flat_map(|wanted| wanted["Keys"].as_array().expect("the batch's keys"));
            keys.map(|key| table(operation, key)).collect()
        }
        ("DynamoDB_20120810", "PutItem") => vec![table(operation, &call["Item"])],
        ("DynamoDB_20120810", "GetItem" | "UpdateItem" | "DeleteItem") => vec![table(operation, &call["Key"])],
        ("DynamoDB_20120810", "Query") => vec![queried(call)],
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

/// What a query has to be allowed to do: its partition is what the first part of its key condition names.
fn queried(call: &Value) -> Permission {
    let condition = call["KeyConditionExpression"].as_str().expect("a key condition");
    let value = condition.split_whitespace().nth(2).expect("a partition key and its value");
    let partition = call["ExpressionAttributeValues"][value]["S"].as_str().expect("a partition");
    match call["IndexName"].as_str() {
        None => Permission::within("dynamodb:Query", "Table", partitions_like(partition)),
        // Its partitions are organizations, whose ids are the operator's.
        Some("due") => Permission::within("dynamodb:Query", "Table/index/due", "*".to_owned()),
        Some(index) => {
            Permission::within("dynamodb:Query", &format!("Table/index/{index}"), partitions_like(partition))
        }
    }
}

/// The partitions of a kind, as policies write them: `ORG#acme` is one of `ORG#*`, `WORK#7` of `WORK#?`.
fn partitions_like(partition: &str) -> String {
    match partition.rsplit_once('#') {
        Some((kind, number)) if kind.starts_with("WORK") && number.parse::<u8>().is_ok() => format!("{kind}#?"),
        Some((kind, _)) if !kind.starts_with("WORK") => format!("{kind}#*"),
        _ => partition.to_owned(),
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
