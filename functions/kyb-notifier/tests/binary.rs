//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use domain::audit::Actor;
use domain::kyb::{Attestation, Declaration, Filing, Submission, SubmittedBy};
use domain::{ApiKeyId, Clock, KybId, Name, Prose, Recorded};
use local::sandbox::slack::Failure;
use serde_json::{Value, json};
use tests::TestApp;
use tests::deployed::Deployed;
use tests::hostile::Hostile;
use tests::lambda::{Lambda, environment, event, quiet, refusal};

const BINARY: &str = env!("CARGO_BIN_EXE_kyb-notifier");

/// A submission that nobody has been told of.
async fn submitted(app: &TestApp) -> Submission {
    let now = app.clock.now();
    let declaration = Declaration {
        business_name: Name::parse("Customer Text Inc").unwrap(),
        use_case: Prose::parse("customer text").unwrap(),
    };
    let by = SubmittedBy { api_key: ApiKeyId::new(now, 1), user_id: None, email: None };
    let filing = Filing::Short(declaration);
    let submission =
        Submission::submit(None, &app.organization, KybId::new(now, 2), filing, by, Attestation::current(), now)
            .unwrap();
    let filed = Recorded::filed(None, submission, &Actor::System("tests"));
    assert!(app.bundle.table.replace_submission(None, &filed, None).await.unwrap());
    filed.row
}

fn batch(submission: &Submission) -> Value {
    let values = [("ORGANIZATION_ID", submission.organization.as_str()), ("SUBMISSION_ID", submission.id.as_str())];
    event("kyb-notifier", &values)
}

/// The batch with a second message, which names no submission.
fn with_poison(mut batch: Value) -> Value {
    let records = batch["Records"].as_array_mut().unwrap();
    let mut poison = records[0].clone();
    poison["messageId"] = "poison".into();
    poison["body"] = "message text".into();
    records.insert(0, poison);
    batch
}

#[tokio::test]
async fn staff_are_told_once_and_nothing_has_to_come_again() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submission = submitted(&app).await;
    for _ in 0..2 {
        assert_eq!(lambda.invoke(&batch(&submission)).await, json!({ "batchItemFailures": [] }));
    }
    let messages = app.bundle.slack.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].text.contains("Customer Text Inc"), "{}", messages[0].text);
    let stored = app.bundle.table.submission(&submission.organization, &submission.id).await.unwrap().unwrap();
    assert_eq!(stored.delivery.unwrap().ts, messages[0].ts);
}

#[tokio::test]
async fn a_poison_message_is_named_and_the_others_go_on() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let answer = lambda.invoke(&with_poison(batch(&submitted(&app).await))).await;
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "poison" }] }));
    assert_eq!(app.bundle.slack.messages().len(), 1);
}

#[tokio::test]
async fn what_slack_does_not_take_is_named_and_told_when_it_comes_again() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let batch = batch(&submitted(&app).await);
    app.bundle.slack.fail_next(Failure::Down);
    let failed = json!([{ "itemIdentifier": batch["Records"][0]["messageId"] }]);
    assert_eq!(lambda.invoke(&batch).await["batchItemFailures"], failed);
    assert_eq!(lambda.invoke(&batch).await["batchItemFailures"], json!([]));
    assert_eq!(app.bundle.slack.messages().len(), 1);
}

#[tokio::test]
async fn a_missing_variable_is_named_when_the_binary_refuses_to_start() {
    let app = TestApp::empty().await;
    for (missing, named) in [("TABLE_NAME", "TABLE_NAME"), ("SLACK_SECRET", "SLACK_SECRET_ARN")] {
        let mut environment = environment(&app);
        environment.remove(missing);
        assert_eq!(refusal(BINARY, &environment), format!("Error: environment variable {named} is not set\n"));
    }
}

#[tokio::test]
async fn logs_are_json_lines_that_hold_neither_tokens_nor_what_customers_or_messages_say() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submission = submitted(&app).await;
    app.bundle.slack.fail_next(Failure::Down);
    for _ in 0..2 {
        lambda.invoke(&with_poison(batch(&submission))).await;
    }
    let log = lambda.log(&["xoxb", "Customer Text", "customer text", "message text"]);
    let told = log.iter().find(|line| line["message"] == "verification posted to Slack").unwrap();
    assert_eq!(told["kyb.submission.id"], submission.id.as_str());
    assert!(log.iter().any(|line| line["sqs.message_id"] == "poison"));
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let lambda = Deployed::start("kyb-notifier", TestApp::empty().await).await;
    let submission = submitted(&lambda.app).await;
    let message = json!({ "organizationId": submission.organization.as_str(), "submissionId": submission.id.as_str() });
    for _ in 0..2 {
        assert!(lambda.work_on(&message).await);
    }
    assert_eq!(lambda.app.bundle.slack.messages().len(), 1);
    lambda.check_policy();
}

#[tokio::test]
async fn hostile_messages_end_no_worker() {
    let app = TestApp::empty().await;
    let submission = submitted(&app).await;
    let lambda = Lambda::start(BINARY, &quiet(&app)).await;
    let mut hostile = Hostile::new();
    hostile.send_messages(&lambda, &batch(&submission)).await;
    lambda.log(&[]);
}
