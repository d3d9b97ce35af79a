//! What the reconciler makes of orders in doubt, releases that stopped half-way, and submissions that nobody heard of.

use std::sync::Arc;
use std::time::Duration;

use reconciler::Report;
use serde_json::{Value, json};
use tests::TestApp;
use tests::dynamo::Weather;

use super::kyb::full_form;

fn path(row: &Value) -> String {
    format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())
}

/// Lets `by` pass and runs the reconciler once.
async fn run_after(app: &TestApp, by: Duration) -> Report {
    app.clock.advance(by);
    app.bundle.reconciler.run().await.unwrap()
}

const A_WHILE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn nothing_is_due_when_all_is_settled() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    app.import("+12125550142").send().await.ok();
    assert_eq!(run_after(&app, Duration::from_hours(1)).await, Report::default());
}

#[tokio::test]
async fn an_order_in_doubt_that_the_carrier_has_is_adopted() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550500").send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required");
    let report = run_after(&app, A_WHILE).await;
    assert_eq!(report, Report { adopted: 1, ..Report::default() });
    let row = app.get(&path(&row)).send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "ready");
    assert_eq!(row["providerResourceId"], app.bundle.carrier.numbers()[0].id.as_str());
    assert_eq!((app.balance().await, app.bundle.carrier.orders().len()), (98_000_000, 1));
    assert_eq!(run_after(&app, A_WHILE).await, Report::default());
    app.check_books().await;
}

#[tokio::test]
async fn an_order_that_the_carrier_never_got_waits_a_day_and_then_asks_for_a_person() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550505").send().await.ok();
    assert_eq!(run_after(&app, A_WHILE).await, Report { waiting: 1, ..Report::default() });
    assert_eq!(run_after(&app, Duration::ZERO).await, Report::default(), "it is not asked about all the time");
    assert_eq!(run_after(&app, Duration::from_hours(1)).await.waiting, 1);
    let report = run_after(&app, Duration::from_hours(24)).await;
    assert_eq!(report, Report { handed_over: 1, ..Report::default() });
    let row = app.get(&path(&row)).send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required", "it is kept");
    assert_eq!((app.balance().await, app.bundle.carrier.orders().len()), (98_000_000, 0));
}

#[tokio::test]
async fn an_order_that_failed_at_the_carrier_is_given_back() {
    let app = TestApp::approved().await;
    // The order fails at the carrier, but the table cannot be told at that moment.
    let refused = {
        let body = json!({ "e164": "+14155550409", "agentId": "agent_1" });
        let app = &app;
        async move { app.post("/v1/phone-numbers", &body).send().await }
    };
    let weather = async {
        while app.bundle.carrier.orders().is_empty() {
            tokio::task::yield_now().await;
        }
        app.dynamo.set(Weather::NoTransactions);
    };
    let (answer, ()) = tokio::join!(refused, weather);
    app.dynamo.set(Weather::Fair);
    if answer.status == 200 {
        assert_eq!(app.balance().await, 98_000_000);
        assert_eq!(run_after(&app, A_WHILE).await, Report { given_back: 1, ..Report::default() });
    }
    assert_eq!(app.balance().await, 100_000_000);
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    app.check_books().await;
}

#[tokio::test]
async fn a_release_that_stopped_half_way_is_finished() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550523").send().await.ok();
    app.delete(&path(&row)).send().await.refused(503, "CARRIER_UNAVAILABLE");
    assert_eq!(run_after(&app, A_WHILE).await, Report { released: 1, ..Report::default() });
    app.get(&path(&row)).send().await.refused(404, "NOT_FOUND");
    assert!(app.bundle.carrier.numbers().is_empty());
    app.check_books().await;
}

#[tokio::test]
async fn a_submission_that_the_queue_lost_is_queued_again_until_staff_have_heard() {
    let app = TestApp::empty().await;
    app.bundle.queue.set_down(true);
    app.post("/v1/phone-numbers/kyb/submit", &full_form()).send().await.ok();
    assert_eq!(run_after(&app, Duration::from_mins(3)).await, Report { failed: 1, ..Report::default() });
    app.bundle.queue.set_down(false);
    assert_eq!(run_after(&app, Duration::from_mins(5)).await, Report { queued: 1, ..Report::default() });
    app.bundle.queue.settled().await;
    assert_eq!(app.bundle.slack.messages().len(), 1);
    let overview = app.get("/v1/phone-numbers/kyb").send().await.ok();
    assert_eq!(overview["submission"]["slackNotificationStatus"], "queued");
    assert_eq!(run_after(&app, Duration::from_hours(1)).await, Report::default());
}

#[tokio::test]
async fn one_row_that_cannot_be_settled_keeps_nobody_waiting() {
    let app = TestApp::approved().await;
    let stuck = app.buy("+14155550503");
    stuck.send().await.refused(503, "CARRIER_UNAVAILABLE");
    let doubtful = app.buy("+14155550505").send().await.ok();
    let adopted = app.buy("+14155550500").send().await.ok();
    let report = run_after(&app, A_WHILE).await;
    assert_eq!((report.waiting, report.adopted), (1, 1));
    assert_eq!(app.get(&path(&adopted)).send().await.ok()["setupStatus"]["status"], "ready");
    assert_eq!(app.get(&path(&doubtful)).send().await.ok()["setupStatus"]["status"], "action_required");
}

#[tokio::test]
async fn two_runs_at_once_do_each_thing_once() {
    for weather in [Weather::Fair, Weather::Contended, Weather::Forgetful] {
        let app = Arc::new(TestApp::approved().await);
        let adopted = app.buy("+14155550500").send().await.ok();
        let released = app.buy("+14155550523").send().await.ok();
        app.delete(&path(&released)).send().await.refused(503, "CARRIER_UNAVAILABLE");
        app.clock.advance(A_WHILE);
        app.dynamo.set(weather);
        let (one, other) = tokio::join!(app.bundle.reconciler.run(), app.bundle.reconciler.run());
        app.dynamo.set(Weather::Fair);
        drop((one, other));
        app.clock.advance(Duration::from_hours(1));
        app.bundle.reconciler.run().await.unwrap();
        assert_eq!(app.get(&path(&adopted)).send().await.ok()["setupStatus"]["status"], "ready");
        app.get(&path(&released)).send().await.refused(404, "NOT_FOUND");
        assert_eq!(app.balance().await, 96_000_000);
        app.check_books().await;
    }
}
