//! From a submission to the message that staff read.

use std::time::Duration;

use domain::audit::Actor;
use domain::kyb::{Attestation, Declaration, Delivery, Filing, Notification, Submission, SubmittedBy};
use domain::{ApiKeyId, Clock, KybId, Name, Prose};
use local::sandbox::slack::Failure;
use local::seed::World;
use serde_json::json;
use tests::{TestApp, full_form};

const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

async fn delivery(app: &TestApp) -> Option<Delivery> {
    app.bundle.table.verification(&app.organization).await.unwrap().current.unwrap().delivery
}

#[tokio::test]
async fn staff_read_who_submitted_and_the_message_is_recorded() {
    let app = TestApp::empty().await;
    let row = app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.notifications.settled().await;
    let messages = app.bundle.slack.messages();
    assert_eq!(messages.len(), 1);
    let text = serde_json::to_string(&messages[0].blocks).unwrap();
    assert!(text.contains("Acme Voice Inc") && text.contains(row["id"].as_str().unwrap()));
    assert!(!text.contains("12-3456789"), "the registration id is masked");
    assert_eq!(delivery(&app).await.unwrap().ts, messages[0].ts);
}

#[tokio::test]
async fn staff_find_the_page_with_and_without_a_slash_at_the_end() {
    let app = TestApp::empty().await;
    for address in [app.bundle.slack_url.clone(), format!("{}/", app.bundle.slack_url)] {
        let page = reqwest::get(&address).await.unwrap();
        assert!(page.status().is_success(), "{address}");
        assert!(page.text().await.unwrap().starts_with("<!doctype html>"), "{address}");
    }
}

#[tokio::test]
async fn a_message_that_comes_twice_is_announced_once() {
    let app = TestApp::empty().await;
    let row = app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.notifications.settled().await;
    let id = row["id"].as_str().unwrap();
    for _ in 0..3 {
        app.bundle.notifications.push(format!(r#"{{"organizationId":"{}","submissionId":"{id}"}}"#, app.organization));
        app.bundle.notifications.settled().await;
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
    app.bundle.notifications.settled().await;
    assert_eq!(app.bundle.slack.messages().len(), 1);
    assert!(app.bundle.notifications.dead_letters().is_empty());
    assert!(delivery(&app).await.is_some());
}

#[tokio::test]
async fn a_queue_that_is_down_never_fails_a_submission() {
    let app = TestApp::empty().await;
    app.bundle.notifications.set_down(true);
    let row = app.post(SUBMIT, &full_form()).send().await.ok();
    assert_eq!(row["status"], "submitted");
    assert_eq!(row["slackNotificationStatus"], "enqueue_failed");
    assert!(row["slackNotificationError"].is_string());
    assert_eq!(row["slackNotificationJobId"], json!(null));
    let overview = app.get("/v1/phone-numbers/kyb").send().await.ok();
    assert_eq!(overview["submission"]["slackNotificationStatus"], "enqueue_failed");
}

/// The worker may post the message before the request that queued it has recorded the job.
#[tokio::test]
async fn a_message_that_is_faster_than_its_request_leaves_the_job_on_record() {
    let app = TestApp::empty().await;
    let (organization, now) = (&app.organization, app.clock.now());
    let filing = Filing::Short(Declaration {
        business_name: Name::parse("Acme").unwrap(),
        use_case: Prose::parse("Reminders").unwrap(),
    });
    let by = SubmittedBy { api_key: ApiKeyId::new(now, 1), user_id: None, email: None };
    let id = KybId::new(now, 1);
    let file = |current: Option<&Submission>| {
        Submission::submit(current, organization, id.clone(), filing.clone(), by.clone(), Attestation::current(), now)
    };
    let actor = Actor::System("test");
    let (current, _) = app.bundle.table.file_submission(organization, file, None, &actor).await.unwrap();
    let place = Delivery { channel: "C1".to_owned(), ts: "1.2".to_owned() };
    app.bundle.table.notified(&current, Some(&place)).await.unwrap();

    let queued = |job: &str| Notification::Queued { job: job.to_owned() };
    app.bundle.table.record_notification(&current, &queued("first")).await.unwrap();
    app.bundle.table.record_notification(&current, &queued("late")).await.unwrap();
    let current = app.bundle.table.verification(&app.organization).await.unwrap().current.unwrap();
    assert_eq!((current.notification, current.delivery), (queued("first"), Some(place)));
}

#[tokio::test]
async fn poison_is_put_aside_and_keeps_nobody_waiting() {
    let app = TestApp::empty().await;
    let unknown =
        format!(r#"{{"organizationId":"{}","submissionId":"kyb_01kwdfkd000000000000000001"}}"#, app.organization);
    for poison in ["not json", "{}", r#"{"organizationId":"a#b","submissionId":"kyb_1"}"#, &unknown] {
        app.bundle.notifications.push(poison.to_owned());
    }
    app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.notifications.settled().await;
    assert_eq!(app.bundle.notifications.dead_letters().len(), 4);
    assert_eq!(app.bundle.slack.messages().len(), 1);
}

#[tokio::test]
async fn a_slack_that_is_down_for_an_hour_hears_of_every_submission_once() {
    let app = TestApp::empty().await;
    app.bundle.slack.set_down(true);
    let mut keys = vec![app.key.clone()];
    for _ in 0..4 {
        keys.push(app.stranger(World::default()).await);
    }
    let mut ids = Vec::new();
    for key in &keys {
        ids.push(app.post(SUBMIT, &full_form()).key(key).send().await.ok()["id"].as_str().unwrap().to_owned());
    }
    let minutes_pass = async |minutes: u64| {
        for _ in 0..minutes {
            app.clock.advance(Duration::from_mins(1));
            app.reconciler.run().await.unwrap();
            app.bundle.notifications.settled().await;
        }
    };
    app.bundle.notifications.settled().await;
    minutes_pass(60).await;
    assert!(app.bundle.slack.messages().is_empty());
    assert!(app.bundle.notifications.dead_letters().len() > ids.len(), "the queue gave up, again and again");

    app.bundle.slack.set_down(false);
    minutes_pass(60).await;
    let messages = app.bundle.slack.messages();
    assert_eq!(messages.len(), ids.len());
    for id in &ids {
        let about = |message: &&local::sandbox::slack::Message| message.blocks.to_string().contains(id);
        assert_eq!(messages.iter().filter(about).count(), 1, "{id}");
    }
}
