//! `GET /v1/phone-numbers/available`

use std::time::Duration;

use local::Options;
use local::seed::World;
use serde_json::json;
use tests::{TestApp, approved};

#[tokio::test]
async fn numbers_of_an_area_code_are_answered_with_our_prices() {
    let app = TestApp::approved().await;
    let list = app.get("/v1/phone-numbers/available?areaCode=415&limit=3").send().await.ok();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 3);
    for number in list {
        let e164 = number["e164"].as_str().unwrap();
        assert!(e164.starts_with("+1415"), "{e164}");
        assert!(number["friendlyName"].as_str().unwrap().starts_with("+1 (415) "));
        assert_eq!((&number["monthlyCostUsd"], &number["upfrontCostUsd"]), (&json!(1.0), &json!(1.0)));
        assert!(number["features"].as_array().unwrap().contains(&json!("voice")));
        for field in ["state", "locality", "rateCenter"] {
            assert!(number["region"].get(field).is_some(), "{field}");
        }
    }
}

#[tokio::test]
async fn ten_numbers_come_unless_said_otherwise() {
    let app = TestApp::approved().await;
    let list = app.get("/v1/phone-numbers/available").send().await.ok();
    assert_eq!(list.as_array().unwrap().len(), 10);
    let list = app.get("/v1/phone-numbers/available?limit=50&areaCode=212").send().await.ok();
    assert_eq!(list.as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_search_needs_no_verification() {
    let app = TestApp::with(World::default()).await;
    app.get("/v1/phone-numbers/available?areaCode=415").send().await.ok();
}

#[tokio::test]
async fn no_coverage_is_an_empty_list() {
    let app = TestApp::approved().await;
    for query in ["areaCode=416", "areaCode=999", "locality=Atlantis"] {
        let list = app.get(&format!("/v1/phone-numbers/available?{query}")).send().await.ok();
        assert_eq!(list, json!([]), "{query}");
    }
}

#[tokio::test]
async fn what_was_found_can_be_bought_and_is_not_offered_again() {
    let app = TestApp::approved().await;
    let path = "/v1/phone-numbers/available?areaCode=415&limit=1";
    let found = app.get(path).send().await.ok()[0]["e164"].as_str().unwrap().to_owned();
    app.buy(&found).send().await.ok();
    assert_ne!(app.get(path).send().await.ok()[0]["e164"], found.as_str());
}

#[tokio::test]
async fn bad_query_parameters_are_all_named() {
    let app = TestApp::approved().await;
    let path = "/v1/phone-numbers/available";
    app.get(&format!("{path}?areaCode=41&limit=0&locality=")).send().await.invalid(&["areaCode", "limit", "locality"]);
    for bad in ["areaCode=4155", "areaCode=abc", "areaCode=", "areaCode=%D9%A4%D9%A1%D9%A5"] {
        app.get(&format!("{path}?{bad}")).send().await.invalid(&["areaCode"]);
    }
    for bad in ["51", "-1", "1e1", "x", ""] {
        app.get(&format!("{path}?limit={bad}")).send().await.invalid(&["limit"]);
    }
}

#[tokio::test]
async fn the_61st_search_within_a_minute_waits_and_nobody_else_does() {
    let app = TestApp::approved().await;
    app.wait_for_a_full_minute();
    let path = "/v1/phone-numbers/available?limit=1";
    let searches: Vec<_> = (0..60).map(|_| app.get(path).send()).collect();
    for search in searches {
        search.await.ok();
    }
    let answer = app.get(path).send().await;
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    answer.refused(429, "RATE_LIMITED");
    let stranger = app.stranger(approved()).await;
    app.get(path).key(&stranger).send().await.ok();
    app.clock.advance(Duration::from_secs(wait));
    app.get(path).send().await.ok();
}

#[tokio::test]
async fn a_carrier_that_cannot_be_reached_is_answered_as_such() {
    let options = Options { carrier_url: Some("http://127.0.0.1:9/v2".to_owned()), ..Options::default() };
    let app = TestApp::start(approved(), options).await;
    app.get("/v1/phone-numbers/available").send().await.refused(503, "CARRIER_UNAVAILABLE");
}
