//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::time::Duration;

use domain::Clock;
use domain::audit::Actor;
use serde_json::{Value, json};
use tests::TestApp;
use tests::deployed::Deployed;
use tests::faults::Faults;
use tests::hostile::Hostile;
use tests::lambda::{Lambda, anonymous, environment, event, quiet, refusal, with_body, with_method};

const BINARY: &str = env!("CARGO_BIN_EXE_imports");

fn import(app: &TestApp) -> Value {
    let values = [("API_KEY", app.key.as_str()), ("SIP_CONNECTION_ID", "sip_up"), ("AGENT_ID", "agent_1")];
    event("imports-import", &values)
}

#[tokio::test]
async fn a_number_is_imported_once() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let number = lambda.call(&import(&app)).await.ok();
    assert_eq!((&number["source"], &number["label"]), (&json!("sip_trunk"), &json!("London office")));
    assert_eq!(number["setupStatus"]["status"], "ready");
    assert_eq!(number["setupStatus"]["forwardingSipUri"], "sip:+442071838750@sip.example.com");
    let again = lambda.call(&import(&app)).await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    assert_eq!(again["phoneNumberId"], number["id"]);
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_the_form_of_the_contract() {
    let app = TestApp::approved().await;
    let mut environment = environment(&app);
    environment.insert("IMPORT_LIMIT", "0".to_owned());
    let lambda = Lambda::start(BINARY, &environment).await;
    let import = import(&app);
    lambda.call(&import).await.refused(403, "IMPORT_LIMIT_REACHED");
    lambda.call(&anonymous(&import)).await.refused(401, "UNAUTHORIZED");
    let read = lambda.call(&with_method(&import, "GET")).await;
    assert_eq!(read.header("allow"), "POST");
    read.refused(405, "METHOD_NOT_ALLOWED");
    lambda.call(&with_body(&import, r#"{"label":7}"#)).await.invalid(&["e164", "label", "sipConnectionInstallationId"]);
    let mut without_body = import.clone();
    without_body.as_object_mut().unwrap().remove("body");
    lambda.call(&without_body).await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_missing_variable_is_named_when_the_binary_refuses_to_start() {
    let app = TestApp::empty().await;
    for missing in ["TABLE_NAME", "SIP_HOST"] {
        let mut environment = environment(&app);
        environment.remove(missing);
        assert_eq!(refusal(BINARY, &environment), format!("Error: environment variable {missing} is not set\n"));
    }
}

#[tokio::test]
async fn logs_are_json_lines_that_hold_neither_keys_nor_numbers_nor_what_customers_write() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let import = import(&app);
    lambda.call(&import).await.ok();
    lambda.call(&import).await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    let log = lambda.log(&[&app.key, "2071838750", "London"]);
    let answered = log.iter().find(|line| line["http.response.status_code"] == 200).unwrap();
    assert_eq!(answered["span"]["http.request.id"], import["requestContext"]["requestId"]);
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let faults = Faults::default();
    let lambda = Deployed::start("imports", TestApp::struck_by(&faults).await).await;
    let app = &lambda.app;
    let import = |number: &str, agent: Option<&str>| {
        let body = json!({ "e164": number, "sipConnectionInstallationId": "sip_up", "agentId": agent });
        app.post("/v1/phone-numbers/import", &body)
    };
    let first = |key: &str| import("+12125550142", Some("agent_1")).header("idempotency-key", key);
    first("first").send().await.ok();
    first("first").send().await.ok();
    first("second").send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    app.resumed(|| import("+12125550143", Some("agent_2"))).await.ok();
    // A run that dies leaves its work to the next one, which looks for it once the lease of the dead one has ended.
    let third = || import("+12125550144", None).header("idempotency-key", "third");
    faults.die_after("table TransactWriteItems", third()).await;
    app.clock.advance(Duration::from_mins(10));
    app.tell_low().await;
    third().send().await.ok();
    // What a dead run has made may be gone by then.
    let fourth = || import("+12125550145", None).header("idempotency-key", "fourth");
    faults.die_after("table TransactWriteItems", fourth()).await;
    let number = app.stored_number("+12125550145").await;
    app.bundle.table.remove_number(number, None, &Actor::System("tests"), app.clock.now()).await.unwrap();
    app.clock.advance(Duration::from_mins(10));
    fourth().send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    lambda.check_policy();
}

#[tokio::test]
async fn hostile_bodies_and_headers_get_answers_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &quiet(&app)).await;
    let mut hostile = Hostile::new();
    hostile.send_spoiled(&lambda, &[import(&app)]).await;
    app.check_books().await;
    assert!(lambda.log(&[]).iter().all(|line| line["level"] != "ERROR"), "seed {}", hostile.seed);
}
