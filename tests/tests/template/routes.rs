//! Routes against routers.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;
use web::Http;

use local::deployment::{Opened, open};
use runtime::Start;
use runtime::settings::Settings;
use tests::deployed::surroundings;

use crate::stack::{Function, Stack, referred};

/// The HTTP events of a function: path and method, neither of them on `$default`.
fn events<'a>(function: &Function<'a>) -> Vec<(Option<&'a str>, Option<&'a str>)> {
    let events = function.properties["Events"].as_object().into_iter().flat_map(|events| events.values());
    let http = events.filter(|event| event["Type"] == "HttpApi").map(|event| &event["Properties"]);
    http.map(|event| {
        assert_eq!(referred(&event["ApiId"]), Some("Api"), "{}: {event}", function.name);
        (event["Path"].as_str(), event["Method"].as_str())
    })
    .collect()
}

fn served(stack: &Stack, function: &Function<'_>) -> Option<Http> {
    let variables = surroundings("http://127.0.0.1:9").environment(stack, function);
    let settings = Settings::from_reader(move |name| variables.get(name).cloned());
    match open(function, &Start::in_lambda(settings)).unwrap().0 {
        Opened::Http(http) => Some(http),
        Opened::Queue(_) | Opened::Schedule(_) => None,
    }
}

#[tokio::test]
async fn every_path_of_a_functions_routes_is_an_any_route_to_it_and_the_other_way_round() {
    let stack = Stack::built_in();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for function in stack.functions() {
        let name = &function.name;
        let routed: Vec<_> = events(&function).into_iter().filter(|event| *event != (None, None)).collect();
        let Some(served) = served(stack, &function) else {
            assert!(routed.is_empty(), "{name} answers no HTTP");
            continue;
        };
        assert!(routed.iter().all(|(_, method)| *method == Some("ANY")), "{name}: {routed:?}");
        let routed: BTreeSet<String> = routed.into_iter().map(|(path, _)| path.unwrap().to_owned()).collect();
        assert!(!routed.is_empty(), "nobody reaches {name}");
        let paths: BTreeSet<String> = served.paths().iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(paths, routed, "the routes of {name}, and the template");
        let service = web::serve(served.into_router());
        for path in routed {
            // A method that no route takes: what is known is refused, what is not is not found.
            let request = Request::builder().method(Method::CONNECT).uri(&path).body(Body::empty()).unwrap();
            let answer = service.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{name}: {path}");
            assert_eq!(owners.insert(path.clone(), name.clone()), None, "{path} leads to two functions");
        }
    }
}

#[test]
fn every_other_path_leads_to_one_function_once() {
    let stack = Stack::built_in();
    let functions = stack.functions();
    let defaults: Vec<_> = functions
        .iter()
        .flat_map(|function| events(function).into_iter().map(|event| (function.name.clone(), event)))
        .filter(|(_, event)| *event == (None, None))
        .collect();
    assert_eq!(defaults.len(), 1, "{defaults:?}");
}

#[test]
fn every_described_path_is_routed_and_the_api_is_one() {
    let stack = Stack::built_in();
    let described = serde_json::to_value(local::openapi::document()).unwrap();
    let functions = stack.functions();
    let routed: BTreeSet<&str> = functions.iter().flat_map(events).filter_map(|(path, _)| path).collect();
    for path in described["paths"].as_object().unwrap().keys() {
        assert!(routed.contains(path.as_str()), "{path} is described and not routed");
    }
    assert_eq!(stack.of_type("AWS::Serverless::HttpApi").collect::<Vec<_>>(), ["Api"]);
    assert_eq!(stack.properties("Api")["StageName"], Value::from("$default"));
}
