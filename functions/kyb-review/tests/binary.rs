//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clients::slack::{SIGNATURE, TIMESTAMP, sign};
use domain::kyb::{Attestation, Declaration, Delivery, Filing, Status, Submission, SubmittedBy};
use domain::{ApiKeyId, Clock, KybId, Name, OrganizationId, Prose, SystemClock};
use local::sandbox::slack::{Failure, Message};
use local::seed::World;
use serde_json::{Value, json};
use tests::TestApp;
use tests::deployed::Deployed;
use tests::hostile::Hostile;
use tests::lambda::{Environment, Lambda, environment, event, quiet, refusal, with_method};

const BINARY: &str = env!("CARGO_BIN_EXE_kyb-review");
const REVIEWER: &str = "U012AB3CD";

/// A submission of which staff have been told.
async fn announced(app: &TestApp) -> Submission {
    let now = app.clock.now();
    let declaration = Declaration {
        business_name: Name::parse("Customer Text Inc").unwrap(),
        use_case: Prose::parse("customer text").unwrap(),
    };
    let by = SubmittedBy { api_key: ApiKeyId::new(now, 1), user_id: None, email: None };
    let file = |current: Option<&Submission>| {
        let filing = Filing::Short(declaration.clone());
        Submission::submit(
            current,
            &app.organization,
            KybId::new(now, 2),
            filing,
            by.clone(),
            Attestation::current(),
            now,
        )
    };
    let actor = domain::audit::Actor::ApiKey(by.api_key.clone());
    let (submission, _) = app.bundle.table.file_submission(&app.organization, file, None, &actor).await.unwrap();
    let job = json!({ "organizationId": submission.organization.as_str(), "submissionId": submission.id.as_str() });
    app.bundle.notifications.push(job.to_string());
    app.bundle.notifications.settled().await;
    stored(app, &submission).await
}

async fn stored(app: &TestApp, submission: &Submission) -> Submission {
    app.bundle.table.submission(&submission.organization, &submission.id).await.unwrap().unwrap()
}

fn message(app: &TestApp) -> Message {
    app.bundle.slack.messages().remove(0)
}

/// A recorded call about the submission, as Slack signs it now.
fn call(app: &TestApp, name: &str, submission: &Submission) -> Value {
    let mut event = event(name, &[]);
    let body = BASE64_STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
    let Delivery { channel, ts } = submission.delivery.clone().unwrap();
    let body = String::from_utf8(body)
        .unwrap()
        .replace("ORGANIZATION_ID", submission.organization.as_str())
        .replace("SUBMISSION_ID", submission.id.as_str())
        .replace("CHANNEL_ID", &channel)
        .replace("MESSAGE_TS", &ts);
    event["body"] = BASE64_STANDARD.encode(&body).into();
    signed(app, event, body.as_bytes())
}

fn signed(app: &TestApp, mut event: Value, body: &[u8]) -> Value {
    let secret: Value = serde_json::from_str(&app.bundle.slack_secret).unwrap();
    let now = SystemClock.now().seconds().to_string();
    event["headers"][SIGNATURE] = sign(secret["signingSecret"].as_str().unwrap(), &now, body).into();
    event["headers"][TIMESTAMP] = now.into();
    event
}

/// What the function answers to a call that Slack has signed: JSON, or nothing.
async fn answer(lambda: &Lambda, call: &Value) -> Value {
    let answer = lambda.invoke(call).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    match answer["body"].as_str().filter(|text| !text.is_empty()) {
        None => Value::Null,
        Some(text) => serde_json::from_str(text).unwrap(),
    }
}

#[tokio::test]
async fn an_approval_is_saved_and_shown_and_saying_it_again_changes_nothing() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submission = announced(&app).await;
    let approve = call(&app, "slack-approve", &submission);
    assert_eq!(answer(&lambda, &approve).await, Value::Null);
    let approved = stored(&app, &submission).await;
    assert_eq!((approved.status(), approved.review().unwrap().reviewer_id.as_str()), (Status::Approved, REVIEWER));
    let shown = message(&app);
    assert!(shown.blocks.to_string().contains("*Approved* by <@U012AB3CD>"), "{}", shown.blocks);
    assert!(!shown.blocks.to_string().contains("\"actions\""), "{}", shown.blocks);

    // The very same bytes, signature and all.
    assert_eq!(answer(&lambda, &approve).await, Value::Null);
    assert_eq!(stored(&app, &submission).await, approved);
    assert_eq!(message(&app), shown);
}

#[tokio::test]
async fn a_rejection_asks_for_its_reason_and_saves_it() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submission = announced(&app).await;
    // The recorded click has a trigger that this Slack does not know, so its form cannot be opened.
    assert_eq!(answer(&lambda, &call(&app, "slack-reject", &submission)).await, Value::Null);
    assert!(app.bundle.slack.notes()[0].text.starts_with("The form could not be opened."));
    assert_eq!(answer(&lambda, &call(&app, "slack-rejection", &submission)).await, Value::Null);
    let rejected = stored(&app, &submission).await;
    assert_eq!(rejected.status(), Status::Rejected);
    assert_eq!(rejected.reason().unwrap().as_str(), "The website shows another business");
    assert_eq!(rejected.rejection_issues()[0].path, "declaration.useCase");
    assert!(message(&app).text.starts_with("Business verification rejected"));

    // Whoever approves now is told who was first.
    assert_eq!(answer(&lambda, &call(&app, "slack-approve", &submission)).await, Value::Null);
    assert!(app.bundle.slack.notes()[1].text.contains("*Rejected* by <@U012AB3CD>"));
    assert_eq!(stored(&app, &submission).await, rejected);
}

#[tokio::test]
async fn only_what_slack_has_signed_is_heard() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submission = announced(&app).await;
    let good = call(&app, "slack-approve", &submission);
    let mut forged = Vec::new();
    for (header, value) in [
        (TIMESTAMP, json!("1773119771")),
        (SIGNATURE, json!(format!("v0={}", "0".repeat(64)))),
        (TIMESTAMP, Value::Null),
        (SIGNATURE, Value::Null),
    ] {
        let mut call = good.clone();
        match value {
            Value::Null => drop(call["headers"].as_object_mut().unwrap().remove(header)),
            value => call["headers"][header] = value,
        }
        forged.push(call);
    }
    let mut changed = good.clone();
    changed["body"] = BASE64_STANDARD.encode("payload={}").into();
    forged.push(changed);
    for call in &forged {
        lambda.call(call).await.refused(401, "UNAUTHORIZED");
    }
    let answer = lambda.call(&with_method(&good, "GET")).await;
    assert_eq!(answer.header("allow"), "POST");
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(stored(&app, &submission).await, submission);
}

#[tokio::test]
async fn only_listed_reviewers_decide_where_reviewers_are_listed() {
    let app = TestApp::empty().await;
    let with = |reviewers: &str| {
        let mut environment: Environment = environment(&app);
        environment.insert("SLACK_REVIEWERS", reviewers.to_owned());
        environment
    };
    let submission = announced(&app).await;
    let others = Lambda::start(BINARY, &with("U0OTHER,U0MORE")).await;
    answer(&others, &call(&app, "slack-approve", &submission)).await;
    answer(&others, &call(&app, "slack-reject", &submission)).await;
    assert!(app.bundle.slack.notes().iter().all(|note| note.text.starts_with("You are not among those")));
    assert_eq!(app.bundle.slack.notes().len(), 2);
    let rejection = answer(&others, &call(&app, "slack-rejection", &submission)).await;
    assert_eq!(rejection["response_action"], "errors");
    assert_eq!(stored(&app, &submission).await, submission);

    let listed = Lambda::start(BINARY, &with("U0OTHER, U012AB3CD")).await;
    answer(&listed, &call(&app, "slack-approve", &submission)).await;
    assert_eq!(stored(&app, &submission).await.status(), Status::Approved);
    let named = "Error: environment variable SLACK_REVIEWERS must be ids of Slack users such as U012AB3CD,U045EF6GH\n";
    for nobody in ["robin", ","] {
        assert_eq!(refusal(BINARY, &with(nobody)), named);
    }
}

#[tokio::test]
async fn signed_calls_of_any_form_are_answered_and_change_nothing() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submission = announced(&app).await;
    let payloads = [
        json!({}),
        json!([]),
        json!(null),
        json!("block_actions"),
        json!({"type": "shortcut"}),
        json!({"type": "view_closed", "view": {}}),
        json!({"type": 7}),
        json!({"type": "block_actions"}),
        json!({"type": "block_actions", "user": {"id": "U1"}, "container": {}, "actions": []}),
        json!({"type": "block_actions", "user": {"id": "U1"}, "container": {"channel_id": "C1", "message_ts": "1"},
            "actions": [{"action_id": "approve", "block_id": "verification", "value": "{}"}]}),
        json!({"type": "block_actions", "user": {"id": "U1"}, "container": {"channel_id": "C1", "message_ts": "1"},
            "actions": [{"action_id": "approve", "block_id": "verification",
                "value": "{\"organizationId\":\"a#b\",\"submissionId\":\"kyb_1\"}"}]}),
        json!({"type": "block_actions", "user": {"id": "U1"}, "container": {"channel_id": "C1", "message_ts": "1"},
            "actions": [{"action_id": "delete", "block_id": "verification", "value": null}]}),
        json!({"type": "view_submission", "user": {"id": "U1"}, "view": {"callback_id": "rejection",
            "private_metadata": "", "state": {"values": {}}}}),
        json!({"type": "view_submission", "user": {"id": "U1"}, "view": {"callback_id": "other",
            "private_metadata": "{}", "state": {"values": []}}}),
    ];
    let forms = payloads.iter().map(|payload| {
        format!("payload={}", url::form_urlencoded::byte_serialize(payload.to_string().as_bytes()).collect::<String>())
    });
    let odd = ["", "payload", "payload=", "payload=%ff%fe", "payload=%7B", "other=1", "&&&=", "{}"].map(str::to_owned);
    let deep = format!("payload={}", "%5B".repeat(100_000));
    for body in forms.chain(odd).chain([deep]) {
        let mut call = event("slack-approve", &[]);
        call["body"] = BASE64_STANDARD.encode(&body).into();
        assert_eq!(answer(&lambda, &signed(&app, call, body.as_bytes())).await, Value::Null, "{body:.80}");
    }
    let huge = vec![b'x'; 1_100_000];
    let mut call = event("slack-approve", &[]);
    call["body"] = BASE64_STANDARD.encode(&huge).into();
    let refused = lambda.invoke(&signed(&app, call, &huge)).await;
    let body: Value = serde_json::from_str(refused["body"].as_str().unwrap()).unwrap();
    assert_eq!((&refused["statusCode"], &body["code"]), (&json!(413), &json!("PAYLOAD_TOO_LARGE")));
    assert!(body["error"].as_str().unwrap().contains("1024 KiB"), "{body}");
    assert_eq!(stored(&app, &submission).await, submission);
}

#[tokio::test]
async fn before_its_secret_is_set_every_call_is_told_to_come_again_and_nothing_alarms() {
    let app = TestApp::empty().await;
    let mut environment = environment(&app);
    // What Secrets Manager makes until the operator puts the real one in.
    environment.insert("SLACK_SECRET", "random placeholder".to_owned());
    let lambda = Lambda::start(BINARY, &environment).await;
    let refused = lambda.invoke(&signed(&app, event("slack-approve", &[]), b"")).await;
    let body: Value = serde_json::from_str(refused["body"].as_str().unwrap()).unwrap();
    assert_eq!((&refused["statusCode"], &body["code"]), (&json!(503), &json!("BUSY")));
    assert!(lambda.log(&[]).iter().all(|line| line["level"] != "ERROR"));
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
async fn logs_are_json_lines_that_hold_neither_secrets_nor_what_customers_or_staff_write() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let submission = announced(&app).await;
    app.bundle.slack.fail_next(Failure::Down);
    answer(&lambda, &call(&app, "slack-rejection", &submission)).await;
    let mut forged = call(&app, "slack-approve", &submission);
    forged["headers"][SIGNATURE] = format!("v0={}", "ab".repeat(32)).into();
    lambda.call(&forged).await.refused(401, "UNAUTHORIZED");
    let secrets = ["xoxb", "sandbox-signing-secret", "Customer Text", "customer text", "another business", "abababab"];
    let log = lambda.log(&secrets);
    let decided = log.iter().find(|line| line["message"] == "verification decided").unwrap();
    assert_eq!((&decided["kyb.status"], &decided["slack.user.id"]), (&json!("rejected"), &json!(REVIEWER)));
    let warned = log.iter().find(|line| line["level"] == "WARN").unwrap();
    assert_eq!(warned["kyb.submission.id"], submission.id.as_str());
}

/// Sends what somebody does in Slack to the function, as Slack signs it. The secret is the one that the function reads.
async fn interact(app: &TestApp, payload: &Value) {
    let payload: String = url::form_urlencoded::byte_serialize(payload.to_string().as_bytes()).collect();
    let (body, now) = (format!("payload={payload}"), app.clock.now().seconds().to_string());
    let call = app.call(tests::Method::POST, "/slack/interactions").text(body.clone());
    call.header(SIGNATURE, &sign("sandbox", &now, body.as_bytes())).header(TIMESTAMP, &now).send().await.ok();
}

/// Submits a verification of which staff are then told, and names it as Slack's buttons do.
async fn told(app: &TestApp, key: &str) -> String {
    let submission = app.post("/v1/phone-numbers/kyb/submit", &tests::short_form()).key(key).send().await.ok();
    app.bundle.notifications.settled().await;
    json!({ "organizationId": submission["organizationId"], "submissionId": submission["id"] }).to_string()
}

async fn status(app: &TestApp, value: &str) -> Status {
    let ids: Value = serde_json::from_str(value).unwrap();
    let organization = OrganizationId::parse(ids["organizationId"].as_str().unwrap()).unwrap();
    app.bundle.table.verification(&organization).await.unwrap().current.unwrap().status()
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let app = TestApp::empty().await;
    let (one, other) = (told(&app, &app.key).await, told(&app, &app.stranger(World::default()).await).await);
    let Message { channel, ts, .. } = message(&app);
    let lambda = Deployed::start("kyb-review", app).await;
    let app = &lambda.app;
    let click = |user: &str, action: &str, value: &str| {
        json!({
            "type": "block_actions", "user": { "id": user }, "trigger_id": "1.2", "channel": { "id": channel },
            "container": { "type": "message", "channel_id": channel, "message_ts": ts },
            "actions": [{ "block_id": "verification", "action_id": action, "value": value }],
        })
    };
    for user in ["U1", "U2"] {
        interact(app, &click(user, "approve", &one)).await;
    }
    interact(app, &click("U1", "reject", &other)).await;
    let mut place: Value = serde_json::from_str(&other).unwrap();
    (place["channel"], place["ts"]) = (json!(channel), json!(ts));
    let reason = json!({ "reason": { "reason": { "type": "plain_text_input", "value": "The name is wrong." } } });
    let view = json!({
        "type": "modal", "callback_id": "rejection", "private_metadata": place.to_string(), "state": { "values": reason },
    });
    interact(app, &json!({ "type": "view_submission", "user": { "id": "U1" }, "view": view })).await;
    assert_eq!((status(app, &one).await, status(app, &other).await), (Status::Approved, Status::Rejected));
    lambda.check_policy();
}

#[tokio::test]
async fn hostile_signatures_and_forms_decide_nothing() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &quiet(&app)).await;
    let submission = announced(&app).await;
    let mut hostile = Hostile::new();
    let click = call(&app, "slack-approve", &submission);
    for _ in 0..Hostile::requests() {
        let mut call = click.clone();
        if hostile.chance(0.5) {
            // Slack has signed it, but it is no click on one of our buttons.
            let body = format!("payload={}", hostile.text());
            call["body"] = BASE64_STANDARD.encode(&body).into();
            call = signed(&app, call, body.as_bytes());
        } else {
            let header = [SIGNATURE, TIMESTAMP][hostile.below(2)];
            call["headers"][header] = match hostile.below(4) {
                0 => hostile.header(),
                1 => format!("v0={}", hostile.header()),
                2 => format!("v0={:064x}", hostile.below(usize::MAX)),
                _ => (SystemClock.now().seconds() - 301).to_string(),
            }
            .into();
        }
        let status = hostile.judge(&call, &lambda.invoke(&call).await);
        assert!([200, 401].contains(&status), "seed {}: {call}", hostile.seed);
    }
    assert_eq!(stored(&app, &submission).await, submission);
    assert!(lambda.log(&[]).iter().all(|line| line["level"] != "ERROR"), "seed {}", hostile.seed);
}
