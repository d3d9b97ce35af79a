//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::time::Duration;

use local::Options;
use local::seed::World;
use renewals::NUMBERS_AT_ONCE;
use serde_json::{Value, json};
use tests::crowd::numbers_due;
use tests::deployed::Deployed;
use tests::hostile::Hostile;
use tests::lambda::{Environment, Lambda, environment, event, refusal};
use tests::{TestApp, approved};

const BINARY: &str = env!("CARGO_BIN_EXE_renewals");
/// Past the longest month, whichever day it is today, and past the quarter of an hour in which its end falls.
const MONTH: Duration = Duration::from_hours(31 * 24 + 1);
const DAY: Duration = Duration::from_hours(24);

fn entering(app: &TestApp, entrance: &'static str) -> Environment {
    let mut environment = environment(app);
    environment.insert("ENTRANCE", entrance.to_owned());
    environment
}

/// A number whose first month has begun. The binary has the machine's clock.
async fn with_a_due_number() -> TestApp {
    let app = TestApp::approved().await;
    app.clock.set_back(MONTH + DAY);
    app.buy("+14155550142").send().await.ok();
    app.clock.advance(MONTH + DAY);
    app
}

async fn next_charge_at(app: &TestApp) -> Value {
    app.get("/v1/phone-numbers").send().await.ok()[0]["nextChargeAt"].clone()
}

#[tokio::test]
async fn what_is_due_is_found_by_the_schedules_event_and_charged_by_the_queues() {
    let app = with_a_due_number().await;
    let before = next_charge_at(&app).await;
    let due = Lambda::start(BINARY, &entering(&app, "due")).await;
    let found = due.invoke(&event("renewals-due", &[])).await;
    assert_eq!((&found["numbers"], &found["organizations"], &found["notQueued"]), (&json!(1), &json!(1), &json!(0)));
    app.bundle.renewals.settled().await;
    assert_eq!(app.balance().await, 97_000_000, "a message came of it");
    let after = next_charge_at(&app).await;
    assert!(after.as_str() > before.as_str());
    let charge = Lambda::start(BINARY, &entering(&app, "charge")).await;
    let answer = charge.invoke(&event("renewals-charge", &[("ORGANIZATION_ID", app.organization.as_str())])).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(app.balance().await, 97_000_000, "a message that comes twice charges once");
    let log = due.log(&["4155550142", &app.key]);
    let looked = log.iter().find(|line| line["message"] == "looked for what is due").unwrap();
    assert!(looked["oldest_due_s"].as_u64().is_some_and(|seconds| seconds > 3600), "a metric is made of it: {looked}");
    charge.log(&["4155550142", &app.key]);
}

#[tokio::test]
async fn what_was_done_is_logged_in_the_fields_that_metrics_are_made_of() {
    let app = with_a_due_number().await;
    let charge = Lambda::start(BINARY, &entering(&app, "charge")).await;
    charge.invoke(&event("renewals-charge", &[("ORGANIZATION_ID", app.organization.as_str())])).await;
    let log = charge.log(&["4155550142", &app.key]);
    let told = log.iter().find(|line| line["message"] == "charged an organization").unwrap();
    let fields = ["charged", "refused", "suspended", "lifted", "released"].map(|field| told[field].as_u64().unwrap());
    assert_eq!(fields, [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_missing_variable_and_an_unknown_entrance_are_named() {
    let app = TestApp::empty().await;
    let mut environment = entering(&app, "due");
    environment.remove("RENEWALS_QUEUE_URL");
    assert_eq!(refusal(BINARY, &environment), "Error: environment variable RENEWALS_QUEUE_URL is not set\n");
    let said = refusal(BINARY, &entering(&app, "pay"));
    assert_eq!(said, "Error: environment variable ENTRANCE must be 'due' or 'charge'\n");
    let mut environment = entering(&app, "charge");
    environment.insert("GRACE_PERIOD_DAYS", "0".to_owned());
    let said = refusal(BINARY, &environment);
    assert!(said.starts_with("Error: environment variable GRACE_PERIOD_DAYS must be"), "{said}");
}

#[tokio::test]
async fn the_schedule_may_do_what_it_does_and_nothing_else() {
    let lambda = Deployed::start("renewals-due", with_a_due_number().await).await;
    assert_eq!(lambda.invoke(json!({})).await["organizations"], 1);
    lambda.app.bundle.renewals.settled().await;
    assert_eq!(lambda.invoke(json!({})).await["organizations"], 0, "everything is charged");
    lambda.check_policy();
}

#[tokio::test]
async fn the_worker_may_do_what_it_does_and_nothing_else() {
    let options = Options::with("ImportMonthlyFeeUsd", "1.00");
    let app = TestApp::start(World { credits: domain::MicroUsd::ZERO, ..approved() }, options).await;
    let lambda = Deployed::start("renewals-charge", app).await;
    let app = &lambda.app;
    app.import("+12125550142").send().await.ok();
    let message = json!({ "organizationId": app.organization.as_str() });
    let run = async || {
        app.scheduler.run().await.unwrap();
        app.bundle.renewals.settled().await;
    };
    // A number that is suspended, tried again each day, and removed in the end.
    app.clock.advance(MONTH);
    assert!(lambda.work_on(&message).await);
    app.clock.advance(DAY * 28);
    for _ in 0..57 {
        app.clock.advance(Duration::from_mins(50));
        run().await;
    }
    app.clock.advance(Duration::from_mins(50));
    assert!(lambda.work_on(&message).await);
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]), "it is gone");
    // More than one message charges.
    numbers_due(app, &app.organization, NUMBERS_AT_ONCE as u64 + 1, Duration::from_hours(1)).await;
    app.grant("INV-1", 1_000_000_000).await;
    assert!(lambda.work_on(&message).await);
    app.bundle.renewals.settled().await;
    let charged = i64::try_from(NUMBERS_AT_ONCE).unwrap() + 1;
    assert_eq!(app.balance().await, 1_000_000_000 - charged * 1_000_000);
    lambda.check_policy();
}

#[tokio::test]
async fn hostile_messages_end_no_worker_and_charge_nothing_twice() {
    let app = TestApp::approved().await;
    let mut environment = entering(&app, "charge");
    environment.insert("LOG_LEVEL", "info".to_owned());
    let lambda = Lambda::start(BINARY, &environment).await;
    let mut hostile = Hostile::new();
    let charge = event("renewals-charge", &[("ORGANIZATION_ID", app.organization.as_str())]);
    hostile.send_messages(&lambda, &charge).await;
    app.check_books().await;
    lambda.log(&[]);
}
