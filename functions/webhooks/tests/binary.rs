//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::time::Duration;

use tests::TestApp;
use tests::deployed::Deployed;
use tests::lambda::{Lambda, anonymous, environment, event, refusal, with_method};

const BINARY: &str = env!("CARGO_BIN_EXE_webhooks");

/// A world in which an import has happened long enough ago to be listed. The binary has the machine's clock.
async fn with_an_old_import() -> TestApp {
    let app = TestApp::approved().await;
    app.clock.set_back(Duration::from_mins(1));
    app.import("+12125550142").send().await.ok();
    app
}

#[tokio::test]
async fn the_feed_is_read_by_a_recorded_event() {
    let app = with_an_old_import().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let page = lambda.call(&event("webhooks-events", &[("API_KEY", &app.key)])).await.ok();
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
    let imported = &page["data"][0];
    assert_eq!((imported["type"].as_str(), imported["sequence"].as_u64()), (Some("phone_number.imported"), Some(1)));
    assert_eq!(imported["data"]["phoneNumber"]["e164"], "+12125550142");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_the_form_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let list = event("webhooks-events", &[("API_KEY", &app.key)]);
    lambda.call(&anonymous(&list)).await.refused(401, "UNAUTHORIZED");
    let posted = lambda.call(&with_method(&list, "POST")).await;
    assert_eq!(posted.header("allow"), "GET,HEAD");
    posted.refused(405, "METHOD_NOT_ALLOWED");
    let mut malformed = list.clone();
    malformed["rawQueryString"] = "limit=0&cursor=x&type=sold".into();
    lambda.call(&malformed).await.invalid(&["cursor", "limit", "type"]);
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
    let app = with_an_old_import().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let list = event("webhooks-events", &[("API_KEY", &app.key)]);
    lambda.call(&list).await.ok();
    let log = lambda.log(&[&app.key, "12125550142"]);
    let answered = log.iter().find(|line| line["http.response.status_code"] == 200).unwrap();
    assert_eq!(answered["span"]["http.request.id"], list["requestContext"]["requestId"]);
    assert_eq!(answered["span"]["http.route"], "/v1/phone-numbers/events");
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let lambda = Deployed::start("webhooks", TestApp::approved().await).await;
    lambda.app.get("/v1/phone-numbers/events").send().await.ok();
    lambda.check_policy();
}
