//! Policies against calls. Each function's own tests start it with the template's variables, drive it through everything it
//! does, and compare what it has then called with what it may call.

use std::collections::BTreeSet;

use tests::permission::{self, Permission};

use crate::stack::{Stack, list, repository};

#[test]
fn every_function_is_held_against_its_policy_by_its_own_tests() {
    for function in Stack::built_in().functions() {
        let file = repository().join("functions").join(&function.package).join("tests/binary.rs");
        let tests = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let started = format!("Deployed::start(\"{}\"", function.name);
        let lines: Vec<&str> = tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let tests = lines.join("\n");
        let rest = tests.split(&started).nth(1).and_then(|rest| rest.split("#[tokio::test]").next());
        let held = rest.is_some_and(|rest| rest.contains(".check_policy();")) && !tests.contains("#[ignore");
        assert!(held, "{} starts no {started}) whose policy it then checks", file.display());
    }
}

/// What each function may do, and the operator.
fn granted() -> Vec<(String, BTreeSet<Permission>)> {
    let stack = Stack::built_in();
    let functions = stack.functions().into_iter().map(|function| {
        let policies = list(&function.properties["Policies"]).into_iter();
        (function.name, policies.flat_map(permission::granted).collect())
    });
    let operator = permission::granted(&stack.properties("OperatorPolicy")["PolicyDocument"]);
    functions.chain([("ops".to_owned(), operator)]).collect()
}

/// Who may do one of these things in these partitions.
fn who_may(actions: &[&str], partitions: &str) -> Vec<String> {
    let may = |one: &Permission| {
        actions.iter().any(|action| one.action == format!("dynamodb:{action}"))
            && one.partitions.as_deref() == Some(partitions)
    };
    granted().into_iter().filter(|(_, all)| all.iter().any(may)).map(|(name, _)| name).collect()
}

const READS: [&str; 3] = ["BatchGetItem", "GetItem", "Query"];
const WRITES: [&str; 3] = ["DeleteItem", "PutItem", "UpdateItem"];

#[test]
fn only_the_operator_writes_api_keys() {
    assert_eq!(who_may(&WRITES, "KEY#*"), ["ops"]);
}

#[test]
fn nobody_changes_or_deletes_what_was_booked_or_recorded() {
    for partitions in ["LEDGER#*", "EVENT#*", "FEED#*"] {
        assert_eq!(who_may(&["DeleteItem", "UpdateItem"], partitions), Vec::<String>::new(), "{partitions}");
    }
    assert_eq!(who_may(&["PutItem"], "LEDGER#*"), ["numbers", "reconciler", "renewals-charge", "ops"]);
}

#[test]
fn only_what_serves_verifications_reads_them() {
    assert_eq!(who_may(&READS, "KYB#*"), ["kyb", "kyb-notifier", "kyb-review", "reconciler", "ops"]);
}

#[test]
fn the_search_for_numbers_reads_keys_and_counts_and_does_nothing_else() {
    let (_, all) = granted().into_iter().find(|(name, _)| name == "available").unwrap();
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    let expected = [
        "dynamodb:GetItem on Table in KEY#*",
        // What warms the connection; there is no such item.
        "dynamodb:GetItem on Table in NOTHING",
        "dynamodb:UpdateItem on Table in RATE#*",
        "dynamodb:UpdateItem on Table in USE#*",
        "secretsmanager:GetSecretValue on TelnyxSecret",
    ];
    assert_eq!(all, expected);
}
