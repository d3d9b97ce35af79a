use std::time::Duration;

use local::seed::World;
use serde_json::{Value, json};

use crate::desk::Desk;

/// Submits the short form and waits until staff have been told. Returns the submission's id.
async fn submit(desk: &Desk, name: &str) -> String {
    let form = json!({ "declaration": { "businessName": name, "useCase": "Reminders" }, "attestationAccepted": true });
    let row = desk.app.post("/v1/phone-numbers/kyb/submit", &form).send().await.ok();
    desk.app.bundle.notifications.settled().await;
    row["id"].as_str().unwrap().to_owned()
}

/// The text of every message that staff see now.
fn slack(desk: &Desk) -> Vec<String> {
    desk.app.bundle.slack.messages().iter().map(|message| format!("{message:?}")).collect()
}

async fn queued(desk: &Desk) -> Vec<Value> {
    desk.json(&["verifications", "queue"]).await.as_array().unwrap().clone()
}

#[tokio::test]
async fn what_staff_were_told_of_waits_in_the_queue_until_it_is_approved() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    let id = submit(&desk, "Acme").await;
    let waiting = queued(&desk).await;
    assert_eq!((waiting.len(), &waiting[0]["id"], &waiting[0]["announced"]), (1, &json!(id), &json!(true)));

    let approved = desk.json(&["verifications", "approve", &org, &id]).await;
    assert_eq!((&approved["status"], &approved["reviewerUserId"]), (&json!("approved"), &json!("grace")));
    assert_eq!(approved["slackMessage"], "rewritten");
    assert!(slack(&desk)[0].contains("Approved"), "the message says what was decided: {:?}", slack(&desk));
    assert!(queued(&desk).await.is_empty());
    let overview = desk.app.get("/v1/phone-numbers/kyb").send().await.ok();
    assert_eq!((&overview["status"], &overview["submission"]["reviewerUserId"]), (&json!("approved"), &json!("grace")));
    let late = desk.run(&["verifications", "reject", &org, &id, "--reason", "No", "--yes"]).await;
    late.refused("is approved, decided by grace on ");
    let events = desk.json(&["events", &org, &id]).await;
    assert_eq!((&events[0]["action"], &events[0]["actorKind"]), (&json!("approved"), &json!("operator")));
}

#[tokio::test]
async fn a_submission_that_staff_have_not_heard_of_is_in_the_queue_too_and_only_once() {
    let desk = Desk::with(World::default()).await;
    desk.app.bundle.notifications.set_down(true);
    let id = submit(&desk, "Acme").await;
    let waiting = queued(&desk).await;
    assert_eq!((waiting.len(), &waiting[0]["id"], &waiting[0]["announced"]), (1, &json!(id), &json!(false)));
    desk.app.bundle.notifications.set_down(false);
    desk.app.clock.advance(Duration::from_mins(10));
    desk.app.reconciler.run().await.unwrap();
    desk.app.bundle.notifications.settled().await;
    let waiting = queued(&desk).await;
    assert_eq!((waiting.len(), &waiting[0]["announced"]), (1, &json!(true)));
    assert_eq!(desk.json(&["verifications", "approve", &desk.org(), &id]).await["changed"], true);
    desk.app.reconciler.run().await.unwrap();
    desk.app.bundle.notifications.settled().await;
    assert!(queued(&desk).await.is_empty(), "what is decided does not come back");
}

#[tokio::test]
async fn a_rejection_says_why_holds_the_organization_and_a_later_approval_lifts_it() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    let first = submit(&desk, "Acme").await;
    let reject = [
        "verifications",
        "reject",
        &org,
        &first,
        "--reason",
        "Who are you?",
        "--field",
        "declaration.businessName=No such company",
        "--field",
        "declaration.useCase=Which calls?",
    ];
    desk.run(&reject).await.refused("which cannot be undone: say --yes");
    assert_eq!(queued(&desk).await.len(), 1);
    let rejected = desk.json(&[&reject[..], &["--yes"]].concat()).await;
    assert_eq!((&rejected["status"], &rejected["rejectionReason"]), (&json!("rejected"), &json!("Who are you?")));
    let seen = desk.app.get("/v1/phone-numbers/kyb").send().await.ok()["submission"].clone();
    assert_eq!(seen["rejectionReason"], "Who are you?");
    assert!(seen["rejectionIssues"].to_string().contains("No such company"), "{seen}");
    assert_eq!(desk.json(&["orgs", "show", &org]).await["holdReason"], "rejected");

    let second = submit(&desk, "Acme Voice").await;
    let shown = desk.json(&["verifications", "show", &org]).await;
    assert_eq!((&shown["id"], &shown["previousId"]), (&json!(second), &json!(first)));
    assert_eq!(desk.json(&["verifications", "show", &org, &first]).await["status"], "rejected");
    desk.run(&["verifications", "approve", &org, &first]).await.refused("is rejected, decided by grace on ");
    desk.json(&["verifications", "approve", &org, &second]).await;
    assert_eq!(desk.json(&["orgs", "show", &org]).await["holdReason"], json!(null));

    desk.run(&["verifications", "revoke", &org, &second, "--reason", "Fraud"]).await.refused("say --yes");
    let revoked = desk.json(&["verifications", "revoke", &org, &second, "--reason", "Fraud", "--yes"]).await;
    assert_eq!((&revoked["status"], &revoked["slackMessage"]), (&json!("revoked"), &json!("rewritten")));
    assert_eq!(desk.json(&["orgs", "show", &org]).await["holdReason"], "revoked");
    let again = desk.run(&["verifications", "revoke", &org, &second, "--reason", "Fraud", "--yes"]).await;
    again.refused("is revoked, decided by grace");
}

#[tokio::test]
async fn a_decision_stands_though_slack_is_down_and_deciding_again_rewrites_the_message() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    let id = submit(&desk, "Acme").await;
    desk.app.bundle.slack.set_down(true);
    let approved = desk.json(&["verifications", "approve", &org, &id]).await;
    assert_eq!((&approved["status"], &approved["changed"]), (&json!("approved"), &json!(true)));
    assert!(approved["slackMessage"].as_str().unwrap().starts_with("not rewritten: "), "{approved}");
    desk.app.bundle.slack.set_down(false);
    assert!(!slack(&desk)[0].contains("Approved"));
    desk.run(&["verifications", "approve", &org, &id]).await.refused("decided by grace");
    assert!(slack(&desk)[0].contains("Approved"));
}

#[tokio::test]
async fn a_submission_is_announced_once_more_when_asked() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    let id = submit(&desk, "Acme").await;
    assert_eq!(slack(&desk).len(), 1);
    assert_eq!(desk.json(&["verifications", "resend", &org, &id]).await["queued"], true);
    desk.app.bundle.notifications.settled().await;
    assert_eq!(slack(&desk).len(), 2);
    let buttons = slack(&desk).iter().filter(|message| message.contains("\"approve\"")).count();
    assert_eq!(buttons, 1, "only the newest message has buttons");
    assert_eq!(queued(&desk).await.len(), 1);

    desk.app.bundle.notifications.set_down(true);
    assert_eq!(desk.json(&["verifications", "resend", &org, &id]).await["queued"], false);
    desk.app.bundle.notifications.set_down(false);
    desk.app.clock.advance(Duration::from_mins(10));
    desk.app.reconciler.run().await.unwrap();
    desk.app.bundle.notifications.settled().await;
    assert_eq!(slack(&desk).len(), 3, "the reconciler brings up what the queue did not take");

    desk.json(&["verifications", "approve", &org, &id]).await;
    desk.run(&["verifications", "resend", &org, &id]).await.refused("is not under review; it is approved");
}

#[tokio::test]
async fn only_what_exists_and_was_submitted_can_be_decided() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    let other = submit(&desk, "Acme").await;
    desk.json(&["orgs", "create", "org_other", "--name", "Other"]).await;
    desk.run(&["verifications", "show", "org_other"]).await.refused("has no such verification");
    desk.run(&["verifications", "approve", "org_other", &other]).await.refused("has no verification");
    desk.run(&["verifications", "resend", "org_other", &other]).await.refused("has no verification");
    desk.run(&["verifications", "revoke", &org, &other, "--reason", "x", "--yes"]).await.refused("nothing to decide");
}

#[tokio::test]
async fn a_registration_id_is_masked_unless_it_is_asked_for() {
    let desk = Desk::with(World::default()).await;
    desk.app.post("/v1/phone-numbers/kyb/submit", &tests::full_form()).send().await.ok();
    desk.app.bundle.notifications.settled().await;
    let org = desk.org();
    let shown = desk.json(&["verifications", "show", &org]).await;
    assert_eq!(shown["businessProfile.registrationId"], "••••6789");
    assert_eq!(shown["businessProfile.address.city"], "Springfield");
    let revealed = desk.json(&["verifications", "show", &org, "--reveal"]).await;
    assert_eq!(revealed["businessProfile.registrationId"], "12-3456789");
}

#[tokio::test]
async fn what_was_filed_is_erased_here_and_in_slack_and_that_it_was_decided_stays() {
    let desk = Desk::with(World::default()).await;
    let org = desk.org();
    let first = submit(&desk, "Ada's Secret Firm").await;
    desk.run(&["orgs", "erase", &org, "--yes"]).await.refused("is under review: approve or reject it first");
    let reject = ["verifications", "reject", &org, &first, "--reason", "Ada is unknown", "--yes"];
    assert_eq!(desk.json(&reject).await["status"], "rejected");
    let keyed = json!({ "declaration": { "businessName": "Ada's Second Firm", "useCase": "Calls" }, "attestationAccepted": true });
    let filed = desk.app.post("/v1/phone-numbers/kyb/submit", &keyed).header("idempotency-key", "k").send().await.ok();
    desk.app.bundle.notifications.settled().await;
    let second = filed["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.json(&["verifications", "approve", &org, &second]).await["status"], "approved");
    assert_eq!(desk.json(&["brand", "set", &org, "--company-name", "Ada's Brand"]).await["changed"], true);

    desk.run(&["orgs", "erase", &org]).await.refused("which cannot be undone: say --yes");
    let erased = desk.json(&["orgs", "erase", &org, "--yes"]).await;
    assert_eq!((&erased["erased"], &erased["notRewrittenInSlack"]), (&json!(2), &json!([])));
    let stored = format!("{:?}", desk.app.items().await);
    assert!(!stored.contains("Ada"), "{stored}");
    assert!(!format!("{:?}", slack(&desk)).contains("Ada"), "{:?}", slack(&desk));
    assert_eq!(desk.json(&["orgs", "erase", &org, "--yes"]).await["erased"], 2, "it can be run again");

    let seen = desk.app.get("/v1/phone-numbers/kyb").send().await.ok();
    let submission = &seen["submission"];
    assert_eq!((&seen["status"], &seen["complianceAccess"]), (&json!("approved"), &json!("enabled")));
    assert_eq!((&submission["reviewerUserId"], &submission["declaration"]), (&json!("grace"), &Value::Null));
    let events = desk.json(&["events", &org, &second]).await;
    assert_eq!((&events[0]["action"], &events[0]["actorId"]), (&json!("erased"), &json!("grace")));
    assert_eq!(events[1]["action"], "approved");
    desk.app.check_books().await;
}
