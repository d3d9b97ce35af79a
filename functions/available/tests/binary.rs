//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use tests::TestApp;
use tests::deployed::Deployed;
use tests::lambda::{Lambda, anonymous, environment, event, refusal, with_method};

const BINARY: &str = env!("CARGO_BIN_EXE_available");

#[tokio::test]
async fn a_search_is_answered_with_the_carriers_offers_at_our_prices() {
    let app = TestApp::approved().await;
    let mut environment = environment(&app);
    environment.insert("MONTHLY_PRICE_USD", "2.50".to_owned());
    let lambda = Lambda::start(BINARY, &environment).await;
    let search = event("available-search", &[("API_KEY", &app.key)]);
    let offers = lambda.call(&search).await.ok();
    let offers = offers.as_array().unwrap();
    assert_eq!(offers.len(), 5);
    for offer in offers {
        assert!(offer["e164"].as_str().unwrap().starts_with("+1415"), "{offer}");
        assert_eq!((offer["upfrontCostUsd"].as_f64(), offer["monthlyCostUsd"].as_f64()), (Some(1.0), Some(2.5)));
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_the_form_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let search = event("available-search", &[("API_KEY", &app.key)]);
    lambda.call(&anonymous(&search)).await.refused(401, "UNAUTHORIZED");
    let posted = lambda.call(&with_method(&search, "POST")).await;
    assert_eq!(posted.header("allow"), "GET,HEAD");
    posted.refused(405, "METHOD_NOT_ALLOWED");
    let mut malformed = search.clone();
    malformed["rawQueryString"] = "areaCode=41%35x&limit=0".into();
    lambda.call(&malformed).await.invalid(&["areaCode", "limit"]);
}

#[tokio::test]
async fn a_missing_variable_is_named_when_the_binary_refuses_to_start() {
    let app = TestApp::empty().await;
    for (missing, named) in [("TABLE_NAME", "TABLE_NAME"), ("TELNYX_SECRET", "TELNYX_SECRET_ARN")] {
        let mut environment = environment(&app);
        environment.remove(missing);
        assert_eq!(refusal(BINARY, &environment), format!("Error: environment variable {named} is not set\n"));
    }
}

#[tokio::test]
async fn logs_are_json_lines_that_hold_neither_keys_nor_numbers() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let search = event("available-search", &[("API_KEY", &app.key)]);
    let offers = lambda.call(&search).await.ok();
    let number = offers[0]["e164"].as_str().unwrap().trim_start_matches('+').to_owned();
    let mut wrong = search.clone();
    wrong["rawQueryString"] = format!("areaCode=415&locality=Secret+Springs&e164=%2B{number}").into();
    lambda.call(&wrong).await;
    let log = lambda.log(&[&app.key, &number, "Secret"]);
    let answered = log.iter().find(|line| line["http.response.status_code"] == 200).unwrap();
    assert_eq!(answered["span"]["http.request.id"], search["requestContext"]["requestId"]);
    assert_eq!(answered["span"]["http.route"], "/v1/phone-numbers/available");
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let lambda = Deployed::start("available", TestApp::approved().await).await;
    lambda.app.get("/v1/phone-numbers/available?areaCode=415").send().await.ok();
    lambda.check_policy();
}
