//! `events/`: one recorded event for each route and trigger, each replayed by a test.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::deployed::{Surroundings, environment, settings, start};
use crate::stack::{Stack, folders, repository};

/// Not an event but the variables for `sam local invoke`.
const VARIABLES: &str = "env.json";

fn recorded() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("events")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != VARIABLES).map(|name| name.strip_suffix(".json").unwrap().to_owned()).collect()
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(repository().join("events").join(format!("{name}.json"))).unwrap()).unwrap()
}

#[test]
fn every_recorded_event_is_replayed_by_a_test_of_a_binary() {
    let tests: Vec<String> = folders()
        .iter()
        .map(|name| std::fs::read_to_string(repository().join("functions").join(name).join("tests/binary.rs")).unwrap())
        .collect();
    for event in recorded() {
        let quoted = format!("\"{event}\"");
        assert!(tests.iter().any(|text| text.contains(&quoted)), "events/{event}.json is replayed by no test");
    }
}

#[test]
fn every_route_and_every_trigger_has_a_recorded_event() {
    let stack = Stack::read();
    let events: Vec<Value> = recorded().iter().map(|name| read(name)).collect();
    let routes: BTreeSet<(&str, &str)> = events
        .iter()
        .filter_map(|event| Some((event["routeKey"].as_str()?, event["requestContext"]["http"]["method"].as_str()?)))
        .collect();
    let described = serde_json::to_value(local::openapi::document()).unwrap();
    for (path, item) in described["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let (key, method) = (format!("ANY {path}"), method.to_uppercase());
            assert!(routes.contains(&(key.as_str(), method.as_str())), "no event is a {method} of {path}");
        }
    }
    for function in stack.functions() {
        for event in function.properties["Events"].as_object().into_iter().flat_map(|events| events.values()) {
            let properties = &event["Properties"];
            if event["Type"] == "HttpApi" {
                let key = properties["Path"].as_str().map_or("$default".to_owned(), |path| format!("ANY {path}"));
                assert!(routes.iter().any(|(route, _)| *route == key), "no event is of {key}");
            } else {
                let input: Option<Value> = properties["Input"].as_str().map(|text| serde_json::from_str(text).unwrap());
                let known = |event: &Value| match &input {
                    Some(input) => event == input,
                    None => event["source"] == "aws.events",
                };
                assert!(events.iter().any(known), "no event is what {} is scheduled with", function.name);
            }
        }
        for queue in stack.sources(&function) {
            let from =
                |event: &Value| event["Records"][0]["eventSourceARN"].as_str().is_some_and(|arn| arn.ends_with(&queue));
            assert!(events.iter().any(from), "no event comes from {queue}");
        }
    }
}

#[test]
fn the_variables_for_trying_events_out_are_declared_by_the_template() {
    let stack = Stack::read();
    let file = read(VARIABLES.strip_suffix(".json").unwrap());
    for (logical, variables) in file.as_object().unwrap() {
        let functions = stack.functions();
        let function = functions.iter().find(|function| function.logical == logical);
        let function = function.unwrap_or_else(|| panic!("{VARIABLES}: there is no function {logical}"));
        let declared = stack.variables(function);
        let mut given = environment(&stack, function, &Surroundings::nowhere());
        given.retain(|name, _| name.starts_with("AWS_"));
        for (name, value) in variables.as_object().unwrap() {
            given.insert(name.clone(), value.as_str().unwrap().to_owned());
            assert!(
                declared.contains_key(name),
                "sam passes over {name} of {logical}: the template does not declare it"
            );
        }
        assert!(start(&function.name, &settings(given).0).is_ok(), "{logical} does not start with these alone");
    }
    let told: BTreeSet<&String> = file.as_object().unwrap().keys().collect();
    assert_eq!(told.len(), stack.functions().len(), "every function can be tried out");
}
