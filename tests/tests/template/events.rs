//! `events/`: one recorded event for each route and trigger, each replayed by a test.

use std::collections::BTreeSet;

use serde_json::Value;

use runtime::settings::Settings;
use tests::TestApp;
use tests::deployed::{start, surroundings};

use crate::stack::{Stack, folders, repository};

fn recorded() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("events")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.strip_suffix(".json").unwrap().to_owned()).collect()
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
    let stack = Stack::built_in();
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
        for queue in stack.sources(&function).into_keys() {
            let from =
                |event: &Value| event["Records"][0]["eventSourceARN"].as_str().is_some_and(|arn| arn.ends_with(&queue));
            assert!(events.iter().any(from), "no event comes from {queue}");
        }
    }
}

#[tokio::test]
async fn the_variables_that_the_local_run_writes_down_start_every_function() {
    let app = TestApp::empty().await;
    let stack = Stack::built_in();
    for function in stack.functions() {
        let mut given = app.bundle.variables[function.logical].clone();
        let declared = stack.variables(&function);
        assert!(
            given.keys().all(|name| declared.contains_key(name)),
            "sam passes over what the template does not declare"
        );
        let lambdas = surroundings("http://127.0.0.1:9").variables.into_iter();
        let lambdas = lambdas.filter(|(name, _)| !declared.contains_key(*name));
        given.extend(lambdas.map(|(name, value)| (name.to_owned(), value)));
        let started = start(&function, Settings::from_reader(move |name| given.get(name).cloned()));
        assert!(started.is_ok(), "{} does not start with these alone: {:?}", function.logical, started.err());
    }
}
