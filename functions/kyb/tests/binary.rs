//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use serde_json::{Value, json};
use tests::TestApp;
use tests::lambda::{Lambda, anonymous, environment, event, refusal, with_body, with_method};

const BINARY: &str = env!("CARGO_BIN_EXE_kyb");

fn request(name: &str, app: &TestApp) -> Value {
    event(name, &[("API_KEY", &app.key)])
}

#[tokio::test]
async fn a_verification_is_drafted_submitted_and_queued_for_staff() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let overview = request("kyb-overview", &app);
    let nothing = lambda.call(&overview).await.ok();
    assert_eq!(nothing, json!({ "status": "missing", "submission": null, "prefill": null }));

    let draft = lambda.call(&request("kyb-draft", &app)).await.ok();
    assert_eq!((&draft["status"], &draft["slackNotificationStatus"]), (&json!("draft"), &json!("not_queued")));
    let submitted = lambda.call(&request("kyb-submit", &app)).await.ok();
    assert_eq!((&submitted["id"], &submitted["status"]), (&draft["id"], &json!("submitted")));
    assert_eq!(submitted["slackNotificationStatus"], "queued");
    assert!(submitted["slackNotificationJobId"].is_string());

    app.bundle.queue.settled().await;
    let messages = app.bundle.slack.messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].text.contains("Maple Dental"), "{}", messages[0].text);
    assert_eq!(lambda.call(&overview).await.ok()["submission"], submitted);
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_the_form_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let [overview, draft, submit] = ["kyb-overview", "kyb-draft", "kyb-submit"].map(|name| request(name, &app));
    for (request, allow) in [(&overview, "GET,HEAD"), (&draft, "PUT"), (&submit, "POST")] {
        lambda.call(&anonymous(request)).await.refused(401, "UNAUTHORIZED");
        let deleted = lambda.call(&with_method(request, "DELETE")).await;
        assert_eq!(deleted.header("allow"), allow);
        deleted.refused(405, "METHOD_NOT_ALLOWED");
    }
    let empty = lambda.call(&with_body(&draft, "{}")).await;
    empty.invalid(&["businessProfile", "authorizedRepresentative"]);
    lambda.call(&submit).await.refused(409, "KYB_ALREADY_APPROVED");
}

#[tokio::test]
async fn a_missing_variable_is_named_when_the_binary_refuses_to_start() {
    let app = TestApp::empty().await;
    for missing in ["TABLE_NAME", "NOTIFICATIONS_QUEUE_URL"] {
        let mut environment = environment(&app);
        environment.remove(missing);
        assert_eq!(refusal(BINARY, &environment), format!("Error: environment variable {missing} is not set\n"));
    }
}

#[tokio::test]
async fn logs_are_json_lines_that_hold_neither_keys_nor_what_customers_write() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submit = request("kyb-submit", &app);
    // Not queued, which is logged.
    app.bundle.queue.set_down(true);
    let submitted = lambda.call(&submit).await.ok();
    assert_eq!(submitted["slackNotificationStatus"], "enqueue_failed");
    lambda.call(&submit).await.refused(409, "KYB_UNDER_REVIEW");

    let secrets = [&app.key, "Maple", "98-7654321", "Pine Street", "Robin", "4155550177", "booking", "300 calls"];
    let log = lambda.log(&secrets);
    let answered = log.iter().find(|line| line["http.response.status_code"] == 200).unwrap();
    assert_eq!(answered["span"]["http.request.id"], submit["requestContext"]["requestId"]);
    let warned = log.iter().find(|line| line["level"] == "WARN").unwrap();
    assert_eq!(warned["kyb.submission.id"], submitted["id"]);
}
