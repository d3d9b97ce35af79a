//! From a submission to the message that staff read.

use local::sandbox::slack::Failure;
use serde_json::json;
use tests::TestApp;

use super::kyb::full_form;

const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

async fn delivery(app: &TestApp) -> Option<domain::kyb::Delivery> {
    app.bundle.table.verification(&app.organization).await.unwrap().current.unwrap().delivery
}

#[tokio::test]
async fn staff_read_who_submitted_and_the_message_is_recorded() {
    let app = TestApp::empty().await;
    let row = app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.queue.settled().await;
    let messages = app.bundle.slack.messages();
    assert_eq!(messages.len(), 1);
    let text = serde_json::to_string(&messages[0].blocks).unwrap();
    assert!(text.contains("Acme Voice Inc") && text.contains(row["id"].as_str().unwrap()));
    assert!(!text.contains("12-3456789"), "the registration id is masked");
    assert_eq!(delivery(&app).await.unwrap().ts, messages[0].ts);
}

#[tokio::test]
async fn a_message_that_comes_twice_is_announced_once() {
    let app = TestApp::empty().await;
    let row = app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.queue.settled().await;
    let id = row["id"].as_str().unwrap();
    for _ in 0..3 {
        app.bundle.queue.push(format!(r#"{{"organizationId":"{}","submissionId":"{id}"}}"#, app.organization));
        app.bundle.queue.settled().await;
    }
    assert_eq!(app.bundle.slack.messages().len(), 1);
}

#[tokio::test]
async fn slack_that_fails_for_a_while_is_told_later() {
    let app = TestApp::empty().await;
    app.bundle.slack.fail_next(Failure::Down);
    app.bundle.slack.fail_next(Failure::Error("channel_not_found".into()));
    app.bundle.slack.fail_next(Failure::RateLimited { retry_after_secs: 60 });
    app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.queue.settled().await;
    assert_eq!(app.bundle.slack.messages().len(), 1);
    assert!(app.bundle.queue.dead_letters().is_empty());
    assert!(delivery(&app).await.is_some());
}

#[tokio::test]
async fn a_queue_that_is_down_never_fails_a_submission() {
    let app = TestApp::empty().await;
    app.bundle.queue.set_down(true);
    let row = app.post(SUBMIT, &full_form()).send().await.ok();
    assert_eq!(row["status"], "submitted");
    assert_eq!(row["slackNotificationStatus"], "enqueue_failed");
    assert!(row["slackNotificationError"].is_string());
    assert_eq!(row["slackNotificationJobId"], json!(null));
    let overview = app.get("/v1/phone-numbers/kyb").send().await.ok();
    assert_eq!(overview["submission"]["slackNotificationStatus"], "enqueue_failed");
}

#[tokio::test]
async fn poison_is_put_aside_and_keeps_nobody_waiting() {
    let app = TestApp::empty().await;
    let unknown =
        format!(r#"{{"organizationId":"{}","submissionId":"kyb_01kwdfkd000000000000000001"}}"#, app.organization);
    for poison in ["not json", "{}", r#"{"organizationId":"a#b","submissionId":"kyb_1"}"#, &unknown] {
        app.bundle.queue.push(poison.to_owned());
    }
    app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.queue.settled().await;
    assert_eq!(app.bundle.queue.dead_letters().len(), 4);
    assert_eq!(app.bundle.slack.messages().len(), 1);
}
