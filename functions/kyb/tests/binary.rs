//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use domain::audit::Actor;
use domain::kyb::{Decision, Review};
use domain::{Clock, Prose};
use serde_json::{Value, json};
use tests::deployed::Deployed;
use tests::hostile::Hostile;
use tests::lambda::{Lambda, anonymous, environment, event, quiet, refusal, with_body, with_method};
use tests::{TestApp, full_form, short_form};

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
    assert_eq!((&nothing["status"], &nothing["submission"]), (&json!("missing"), &json!(null)));

    let draft = lambda.call(&request("kyb-draft", &app)).await.ok();
    assert_eq!((&draft["status"], &draft["slackNotificationStatus"]), (&json!("draft"), &json!("not_queued")));
    let submitted = lambda.call(&request("kyb-submit", &app)).await.ok();
    assert_eq!((&submitted["id"], &submitted["status"]), (&draft["id"], &json!("submitted")));
    assert_eq!(submitted["slackNotificationStatus"], "queued");
    assert!(submitted["slackNotificationJobId"].is_string());

    app.bundle.notifications.settled().await;
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
    let wrong = lambda.call(&with_body(&draft, r#"{"businessProfile":7,"authorizedRepresentative":[]}"#)).await;
    wrong.invalid(&["businessProfile", "authorizedRepresentative"]);
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
    app.bundle.notifications.set_down(true);
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

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let lambda = Deployed::start("kyb", TestApp::empty().await).await;
    let app = &lambda.app;
    app.get("/v1/phone-numbers/kyb").send().await.ok();
    let draft = request("kyb-draft", app)["body"].as_str().unwrap().to_owned();
    let draft: Value = serde_json::from_str(&draft).unwrap();
    app.put("/v1/phone-numbers/kyb/draft", &draft).send().await.ok();
    let submit = |key: &str| app.post("/v1/phone-numbers/kyb/submit", &short_form()).header("idempotency-key", key);
    submit("first").send().await.ok();
    app.bundle.notifications.settled().await;
    submit("second").send().await.refused(409, "KYB_UNDER_REVIEW");
    // What was turned down is kept beside its successor.
    let current = app.bundle.table.verification(&app.organization).await.unwrap().current.unwrap();
    let review = Review { at: app.clock.now(), reviewer_id: "U1".to_owned(), reviewer_email: None };
    let reject = Decision::Reject { reason: Prose::parse("The name is wrong.").unwrap(), issues: Vec::new() };
    app.bundle.table.decide(&app.organization, &current.id, &reject, &review, &Actor::System("tests")).await.unwrap();
    app.resumed(|| app.post("/v1/phone-numbers/kyb/submit", &short_form())).await.ok();
    app.bundle.notifications.settled().await;
    lambda.check_policy();
}

#[tokio::test]
async fn hostile_bodies_and_headers_get_answers_of_the_contract() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &quiet(&app)).await;
    let mut hostile = Hostile::new();
    let mut whole = request("kyb-submit", &app);
    whole["body"] = full_form().to_string().into();
    hostile.send_spoiled(&lambda, &[request("kyb-draft", &app), request("kyb-submit", &app), whole]).await;
    app.check_books().await;
    assert!(lambda.log(&[]).iter().all(|line| line["level"] != "ERROR"), "seed {}", hostile.seed);
}
