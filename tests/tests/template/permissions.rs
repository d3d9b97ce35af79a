//! Policies against calls. A function is started with the template's own variables, driven through everything it does,
//! and what it has then called is what it may call.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::permission::{self, Permission};

use crate::drives::drive;
use crate::stack::{Function, Stack, folders, list};

/// What a function's policies allow.
fn granted(function: &Function<'_>) -> BTreeSet<Permission> {
    list(&function.properties["Policies"]).into_iter().flat_map(permission::granted).collect()
}

/// What Lambda itself does in the function's name, which the code never calls.
fn on_behalf(stack: &Stack, function: &Function<'_>) -> BTreeSet<Permission> {
    let polling = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
    let sources = stack.sources(function);
    sources.iter().flat_map(|queue| polling.map(|action| Permission::new(action, queue))).collect()
}

/// How a function's policies differ from what it needs.
fn differences(function: &Function<'_>, needed: &BTreeSet<Permission>) -> Vec<String> {
    permission::differences(&function.name, &granted(function), needed)
}

async fn needed(stack: &Stack, function: &Function<'_>) -> BTreeSet<Permission> {
    let mut needed = on_behalf(stack, function);
    needed.extend(Box::pin(drive(stack, function)).await);
    needed
}

#[tokio::test]
async fn every_function_may_do_what_it_does_and_nothing_else() {
    let stack = Stack::read();
    let mut wrong = Vec::new();
    for name in folders() {
        let function = stack.function(&name);
        let needed = needed(&stack, &function).await;
        wrong.extend(differences(&function, &needed));
        check_that_changes_are_reported(&stack, &name, &needed);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Takes each allowed action away, one after another, and adds one: each has to be reported.
fn check_that_changes_are_reported(stack: &Stack, name: &str, needed: &BTreeSet<Permission>) {
    let before = differences(&stack.function(name), needed);
    let (mut changes, logical) = (0, stack.function(name).logical.to_owned());
    let statements = |stack: &Stack| stack.properties(&logical)["Policies"][0]["Statement"].clone();
    for (place, statement) in statements(stack).as_array().unwrap().iter().enumerate() {
        let actions = list(&statement["Action"]);
        for taken in &actions {
            let left: Vec<_> = actions.iter().filter(|action| action != &taken).collect();
            let after = with_actions(stack, &logical, place, &json!(left));
            let word = taken.as_str().unwrap();
            let reported = differences(&after.function(name), needed);
            assert!(reported.iter().any(|one| !before.contains(one) && one.contains(word)), "{name} without {word}");
            changes += 1;
        }
        let more: Vec<_> = actions.iter().copied().chain([&json!("dynamodb:Scan")]).cloned().collect();
        let after = with_actions(stack, &logical, place, &json!(more));
        let reported = differences(&after.function(name), needed);
        assert!(reported.iter().any(|one| one.contains("is allowed dynamodb:Scan")), "{name}: {reported:?}");
    }
    assert!(changes > 0, "{name} is allowed nothing");
}

fn with_actions(stack: &Stack, logical: &str, statement: usize, actions: &Value) -> Stack {
    let mut changed = stack.clone();
    let policies = &mut changed.document["Resources"][logical]["Properties"]["Policies"];
    policies[0]["Statement"][statement]["Action"] = actions.clone();
    changed
}
