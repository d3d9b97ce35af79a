//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::time::Duration;

use domain::carrier::Ordered;
use domain::number::Routing;
use domain::{Clock, PhoneNumberId};
use local::seed::World;
use serde_json::json;
use tests::TestApp;
use tests::deployed::Deployed;
use tests::lambda::{Lambda, environment, event, refusal};

const BINARY: &str = env!("CARGO_BIN_EXE_reconciler");

#[tokio::test]
async fn an_order_in_doubt_is_adopted_by_the_next_scheduled_run() {
    let app = TestApp::approved().await;
    let order = app.buy("+14155550500").send().await.ok();
    assert_eq!(order["setupStatus"]["status"], "action_required");
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let nothing = lambda.invoke(&event("reconciler", &[])).await;
    assert_eq!(nothing["adopted"], 0, "a young order is left to the request that made it");
    app.bundle
        .table
        .postpone_number(
            &app.bundle.table.find_number(&app.organization, &id(&order)).await.unwrap().unwrap(),
            domain::Timestamp::from_millis(0),
        )
        .await
        .unwrap();
    let report = lambda.invoke(&event("reconciler", &[])).await;
    let settled = json!({
        "adopted": 1, "refunded": 0, "lateReleased": 0, "waiting": 0, "handedOver": 0, "released": 0, "queued": 0, "settledAlready": 0,
        "failed": 0,
    });
    assert_eq!(report, settled);
    let path = format!("/v1/phone-numbers/{}", id(&order));
    assert_eq!(app.get(&path).send().await.ok()["setupStatus"]["status"], "ready");
    lambda.log(&["+14155550500", "4155550500", &app.key]);
}

fn id(row: &serde_json::Value) -> domain::PhoneNumberId {
    domain::PhoneNumberId::parse(row["id"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn the_weekly_event_sweeps_and_changes_nothing() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    let lost = app.buy("+14155550143").send().await.ok();
    let carrier = domain::carrier::CarrierNumberId::parse(lost["providerResourceId"].as_str().unwrap()).unwrap();
    app.reconciler.carrier.release(&carrier).await.unwrap();
    // An order that is due, which a sweep leaves to the next settling run.
    let doubtful = app.buy("+14155550500").send().await.ok();
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    for name in ["reconciler-sweep", "reconciler-sweep-apply"] {
        let report = lambda.invoke(&event(name, &[])).await;
        assert_eq!((&report["complete"], &report["next"]), (&json!(true), &json!(null)), "{name}");
        assert_eq!(
            (&report["atCarrier"]["matched"], &report["atCarrier"]["settling"]),
            (&json!(1), &json!(1)),
            "{name}"
        );
        assert_eq!(report["atCarrier"]["found"], json!([]), "{name}");
        let found = json!([{
            "numberId": lost["id"], "organizationId": app.organization.as_str(), "carrierId": carrier.as_str(),
            "last4": "0143",
        }]);
        assert_eq!(report["inTable"]["found"], found, "{name}");
    }
    assert_eq!(app.bundle.carrier.numbers().len(), 2);
    let path = format!("/v1/phone-numbers/{}", id(&doubtful));
    assert_eq!(app.get(&path).send().await.ok()["setupStatus"]["status"], "action_required");
    let log = lambda.log(&["+1415555", "415555", &app.key]);
    let errors: Vec<_> = log.iter().filter(|line| line["level"] == "ERROR").collect();
    assert!(errors.iter().all(|line| line["alarm"] == "SweepDifferences"), "{errors:?}");
    assert_eq!(errors.len(), 2, "a lost number is somebody's to look at, each time: {errors:?}");
}

#[tokio::test]
async fn a_missing_setting_is_named() {
    let app = TestApp::empty().await;
    let mut environment = environment(&app);
    environment.remove("NOTIFICATIONS_QUEUE_URL");
    let said = refusal(BINARY, &environment);
    assert!(said.contains("environment variable NOTIFICATIONS_QUEUE_URL is not set"), "{said}");
}

/// A purchase whose order fails at the carrier, and which died before it heard.
async fn order_that_fails(app: &TestApp) {
    let id = PhoneNumberId::new(app.clock.now(), rand::random());
    let number = app.begin_purchase(&id, "+14155550409", Routing::default()).await;
    let ordered = app.reconciler.carrier.order(&number.e164, &number.id, &number.organization).await;
    assert!(matches!(ordered, Ordered::No(_)), "{ordered:?}");
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let lambda = Deployed::start("reconciler", TestApp::approved().await).await;
    let app = &lambda.app;
    let stranger = app.stranger(World::default()).await;
    app.bundle.notifications.set_down(true);
    app.post("/v1/phone-numbers/kyb/submit", &tests::short_form()).key(&stranger).send().await.ok();
    app.bundle.notifications.set_down(false);
    app.buy("+14155550500").send().await.ok();
    app.buy("+14155550505").send().await.ok();
    order_that_fails(app).await;
    let sticky = app.buy("+14155550523").send().await.ok();
    app.delete(&format!("/v1/phone-numbers/{}", id(&sticky))).send().await.refused(503, "CARRIER_UNAVAILABLE");

    app.clock.advance(Duration::from_mins(10));
    let all = json!({
        "adopted": 1, "refunded": 1, "lateReleased": 0, "waiting": 1, "handedOver": 0, "released": 1, "queued": 1, "settledAlready": 0,
        "failed": 0,
    });
    assert_eq!(lambda.invoke(json!({})).await, all, "everything that it does has been done");
    app.bundle.notifications.settled().await;
    // An order that never left is refunded after two looks, and then looked for in case it arrives late.
    for (minutes, name) in [(30, "waiting"), (30, "refunded")] {
        app.clock.advance(Duration::from_mins(minutes));
        assert_eq!(lambda.invoke(json!({})).await[name], 1, "{name}");
    }
    let late = lambda.app.bundle.table.orders_in_doubt().await.unwrap();
    assert_eq!(late, []);
    app.clock.advance(Duration::from_hours(2));
    assert_eq!(lambda.invoke(json!({})).await["settledAlready"], 1);
    assert_eq!(lambda.invoke(json!({ "task": "sweep", "apply": true })).await["complete"], true);
    lambda.check_policy();
}
