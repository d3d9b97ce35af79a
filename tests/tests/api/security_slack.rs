//! What a call that Slack has signed may not do: it may come again, late, or about something else than staff were
//! asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use clients::slack::{SIGNATURE, TIMESTAMP, sign};
use domain::audit::Actor;
use domain::kyb::{Decision, Review, Status};
use domain::{Clock, KybId, OrganizationId, Prose};
use local::sandbox::slack::Message;
use local::seed::World;
use reqwest::Method;
use serde_json::{Value, json};
use table::EventPage;
use tests::{Answer, TestApp, approved, full_form};

use super::security::{id, organization_of, stored};

const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";
const SLACK: &str = "/slack/interactions";

/// Submits a verification and waits until staff have been told; its row and the message.
async fn submit(app: &TestApp, key: &str) -> (Value, Message) {
    let row = app.post(SUBMIT, &full_form()).key(key).send().await.ok();
    app.bundle.notifications.settled().await;
    (row, app.bundle.slack.messages().remove(0))
}

async fn status(app: &TestApp, row: &Value) -> Status {
    let organization = OrganizationId::parse(row["organizationId"].as_str().unwrap()).unwrap();
    let id = KybId::parse(id(row)).unwrap();
    app.bundle.table.submission(&organization, &id).await.unwrap().unwrap().status()
}

fn click(organization: &OrganizationId, submission: &str, message: &Message, action: &str) -> Value {
    let value = json!({ "organizationId": organization.as_str(), "submissionId": submission }).to_string();
    json!({
        "type": "block_actions", "user": { "id": "U0ROBIN" }, "trigger_id": "1.2.3",
        "container": { "type": "message", "channel_id": message.channel, "message_ts": message.ts },
        "actions": [{ "action_id": action, "block_id": "verification", "value": value }],
    })
}

/// The form that asks for a rejection's reason, filled in.
fn rejection(organization: &OrganizationId, submission: &str, message: &Message) -> Value {
    let ticket = json!({
        "organizationId": organization.as_str(), "submissionId": submission, "channel": message.channel, "ts": message.ts,
    });
    let values = json!({ "reason": { "reason": { "type": "plain_text_input", "value": "No such company" } } });
    let view = json!({
        "callback_id": "rejection", "private_metadata": ticket.to_string(), "state": { "values": values },
    });
    json!({ "type": "view_submission", "user": { "id": "U0ROBIN" }, "view": view })
}

fn payload(interaction: &Value) -> String {
    let escaped: Vec<_> = interaction.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("payload={}", escaped.concat())
}

/// A call that was recorded on its way from Slack: its bytes and its signature.
struct Recorded {
    body: String,
    time: String,
    signature: String,
}

impl Recorded {
    fn now(app: &TestApp, interaction: &Value) -> Self {
        let secret: Value = serde_json::from_str(&app.bundle.slack_secret).unwrap();
        let (body, time) = (payload(interaction), app.clock.now().seconds().to_string());
        let signature = sign(secret["signingSecret"].as_str().unwrap(), &time, body.as_bytes());
        Self { body, time, signature }
    }

    async fn send(&self, app: &TestApp) -> Answer {
        let call = app.call(Method::POST, SLACK).authorization(None).text(self.body.clone());
        call.header(TIMESTAMP, &self.time).header(SIGNATURE, &self.signature).send().await
    }
}

async fn decide(app: &TestApp, organization: &OrganizationId, row: &Value, decision: &Decision) {
    let review = Review { at: app.clock.now(), reviewer_id: "U0SAM".to_owned(), reviewer_email: None };
    let actor = Actor::Reviewer { id: "U0SAM".to_owned(), email: None };
    app.bundle.table.decide(organization, &KybId::parse(id(row)).unwrap(), decision, &review, &actor).await.unwrap();
}

async fn actions(app: &TestApp, organization: &OrganizationId, row: &Value) -> Vec<String> {
    let page = EventPage { after: None, limit: 100 };
    let events = app.bundle.table.events(organization, id(row), &page).await.unwrap();
    events.into_iter().map(|event| event.action).collect()
}

fn reason() -> Prose {
    Prose::parse("Fraud").unwrap()
}

/// API2:2023 Broken Authentication (replay): an approval that is sent again gives nothing back that was taken since.
#[tokio::test]
async fn a_replayed_approval_does_not_approve_again_what_was_revoked_since() {
    let app = TestApp::with(World { approved: false, ..approved() }).await;
    let (row, message) = submit(&app, &app.key).await;
    let approval = Recorded::now(&app, &click(&app.organization, id(&row), &message, "approve"));
    assert_eq!(approval.send(&app).await.status, 200);
    app.buy("+14155550142").send().await.ok();
    decide(&app, &app.organization, &row, &Decision::Revoke { reason: reason() }).await;

    for _ in 0..2 {
        assert_eq!(approval.send(&app).await.status, 200);
    }
    assert_eq!(status(&app, &row).await, Status::Revoked);
    assert_eq!(actions(&app, &app.organization, &row).await, ["revoked", "approved", "submitted"]);
    app.buy("+14155550143").send().await.refused(403, "PHONE_NUMBER_KYB_SUSPENDED");
}

/// API2:2023 Broken Authentication (replay): what was said about one submission is not said about the next.
#[tokio::test]
async fn replayed_clicks_and_forms_about_a_decided_submission_leave_its_successor_alone() {
    let app = TestApp::with(World { approved: false, ..approved() }).await;
    let (first, message) = submit(&app, &app.key).await;
    let approval = Recorded::now(&app, &click(&app.organization, id(&first), &message, "approve"));
    let form = Recorded::now(&app, &rejection(&app.organization, id(&first), &message));
    assert_eq!(form.send(&app).await.status, 200);
    assert_eq!(status(&app, &first).await, Status::Rejected);
    let (second, newest) = submit(&app, &app.key).await;
    assert_ne!(first["id"], second["id"]);

    for recorded in [&approval, &form] {
        assert_eq!(recorded.send(&app).await.status, 200);
    }
    assert_eq!((status(&app, &first).await, status(&app, &second).await), (Status::Rejected, Status::Submitted));
    assert_eq!(actions(&app, &app.organization, &second).await, ["submitted"]);
    app.buy("+14155550142").send().await.refused(403, "PHONE_NUMBER_KYB_SUSPENDED");

    // The successor is still to be decided, and only by a click of its own.
    let own = Recorded::now(&app, &click(&app.organization, id(&second), &newest, "approve"));
    assert_eq!(own.send(&app).await.status, 200);
    assert_eq!(form.send(&app).await.status, 200);
    assert_eq!((status(&app, &first).await, status(&app, &second).await), (Status::Rejected, Status::Approved));
    app.buy("+14155550142").send().await.ok();
}

/// API2:2023 Broken Authentication (replay): five minutes later a recorded call is no call.
#[tokio::test]
async fn a_recorded_call_is_refused_once_it_is_old_and_when_it_is_altered() {
    let app = TestApp::empty().await;
    let (row, message) = submit(&app, &app.key).await;
    let approval = Recorded::now(&app, &click(&app.organization, id(&row), &message, "approve"));
    let other = app.stranger(World::default()).await;
    let (theirs, _) = submit(&app, &other).await;
    let mut altered = Recorded::now(&app, &click(&app.organization, id(&row), &message, "approve"));
    altered.body = payload(&click(&organization_of(&app, &other).await, id(&theirs), &message, "approve"));
    altered.send(&app).await.refused(401, "UNAUTHORIZED");
    let mut longer = Recorded::now(&app, &click(&app.organization, id(&row), &message, "approve"));
    longer.body.push_str("&payload=%7B%7D");
    longer.send(&app).await.refused(401, "UNAUTHORIZED");

    app.clock.advance(Duration::from_secs(302));
    approval.send(&app).await.refused(401, "UNAUTHORIZED");
    let mut renewed = Recorded { time: app.clock.now().seconds().to_string(), ..approval };
    renewed.send(&app).await.refused(401, "UNAUTHORIZED");
    renewed.time = format!("0{}", renewed.time);
    renewed.send(&app).await.refused(401, "UNAUTHORIZED");
    assert_eq!((status(&app, &row).await, status(&app, &theirs).await), (Status::Submitted, Status::Submitted));
}

/// API1:2023 Broken Object Level Authorization: a submission is decided under its own organization's id or not at all.
#[tokio::test]
async fn a_click_that_pairs_an_organization_with_anothers_submission_decides_nothing() {
    let app = TestApp::empty().await;
    let (ours, message) = submit(&app, &app.key).await;
    let key = app.stranger(World::default()).await;
    let (theirs, _) = submit(&app, &key).await;
    let their_organization = organization_of(&app, &key).await;
    let nobodys = OrganizationId::parse("org_nobody").unwrap();
    let mut pairs = Vec::new();
    for organization in [&app.organization, &nobodys] {
        pairs.push((organization, id(&theirs)));
    }
    pairs.push((&their_organization, id(&ours)));
    pairs.push((&app.organization, "kyb_01kwdfkd000000000000000001"));
    for (organization, submission) in pairs {
        let before = stored(&app).await;
        let [approve, reject] = ["approve", "reject"].map(|action| click(organization, submission, &message, action));
        for interaction in [approve, reject, rejection(organization, submission, &message)] {
            let answer = Recorded::now(&app, &interaction).send(&app).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            if interaction["type"] == "view_submission" {
                assert_eq!(answer.body["response_action"], "errors", "{}", answer.text);
            }
        }
        assert_eq!(stored(&app).await, before);
    }
    assert_eq!((status(&app, &ours).await, status(&app, &theirs).await), (Status::Submitted, Status::Submitted));
    let told: BTreeMap<_, _> = app.bundle.slack.notes().into_iter().map(|note| (note.text, note.user)).collect();
    assert_eq!(told.keys().collect::<Vec<_>>(), ["This verification does not exist any more."]);
}

/// API5:2023 Broken Function Level Authorization: customers' keys open nothing that is staff's.
#[tokio::test]
async fn an_api_key_is_no_signature_of_slacks() {
    let app = TestApp::empty().await;
    let (row, message) = submit(&app, &app.key).await;
    let body = payload(&click(&app.organization, id(&row), &message, "approve"));
    let plain = || app.call(Method::POST, SLACK).header("x-slack-user", "U1").text(body.clone());
    plain().send().await.refused(401, "UNAUTHORIZED");
    let now = app.clock.now().seconds().to_string();
    for key in [app.key.as_str(), "", "sandbox", &app.bundle.slack_secret] {
        let signed = plain().header(TIMESTAMP, &now).header(SIGNATURE, &sign(key, &now, body.as_bytes()));
        signed.send().await.refused(401, "UNAUTHORIZED");
    }
    assert_eq!(status(&app, &row).await, Status::Submitted);
}
