//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use serde_json::Value;
use tests::TestApp;
use tests::deployed::Deployed;
use tests::lambda::{Lambda, anonymous, environment, event, refusal, with_method};

const BINARY: &str = env!("CARGO_BIN_EXE_credits");
const EVENTS: [&str; 3] = ["credits-balance", "credits-ledger", "credits-forecast"];

async fn with_a_number() -> TestApp {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    app
}

#[tokio::test]
async fn balance_ledger_and_forecast_are_read_by_recorded_events() {
    let app = with_a_number().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let [balance, ledger, forecast] = EVENTS.map(|name| event(name, &[("API_KEY", &app.key)]));
    assert_eq!(lambda.call(&balance).await.ok()["balanceUsd"], 98.0);
    let ledger = lambda.call(&ledger).await.ok();
    assert_eq!(
        (ledger["entries"].as_array().unwrap().len(), &ledger["entries"][0]["kind"]),
        (1, &Value::from("debit"))
    );
    let forecast = lambda.call(&forecast).await.ok();
    assert_eq!((forecast["balanceUsd"].as_f64(), &forecast["coveredUntil"]), (Some(98.0), &Value::Null));
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_the_form_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    for name in EVENTS {
        let read = event(name, &[("API_KEY", &app.key)]);
        lambda.call(&anonymous(&read)).await.refused(401, "UNAUTHORIZED");
        let posted = lambda.call(&with_method(&read, "POST")).await;
        assert_eq!(posted.header("allow"), "GET,HEAD");
        posted.refused(405, "METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn a_missing_variable_is_named_when_the_binary_refuses_to_start() {
    let app = TestApp::empty().await;
    let mut environment = environment(&app);
    environment.remove("TABLE_NAME");
    assert_eq!(refusal(BINARY, &environment), "Error: environment variable TABLE_NAME is not set\n");
}

#[tokio::test]
async fn logs_are_json_lines_that_hold_neither_keys_nor_numbers() {
    let app = with_a_number().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    for name in EVENTS {
        lambda.call(&event(name, &[("API_KEY", &app.key)])).await.ok();
    }
    let log = lambda.log(&[&app.key, "4155550142"]);
    let answered = log.iter().filter(|line| line["http.response.status_code"] == 200).count();
    assert_eq!(answered, EVENTS.len());
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let lambda = Deployed::start("credits", with_a_number().await).await;
    for path in ["/v1/credits/balance", "/v1/credits/ledger", "/v1/credits/forecast"] {
        lambda.app.get(path).send().await.ok();
    }
    lambda.check_policy();
}
