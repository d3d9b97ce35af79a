//! Staff decide in Slack, and what follows from it.

use std::collections::HashMap;

use domain::audit::Actor;
use domain::kyb::{Decision, RejectionIssue, Review, Status, Submission};
use domain::number::{PhoneNumber, Prices, Routing};
use domain::organization::{HoldReason, PurchasePolicy};
use domain::{Clock, E164, Error, KybId, MicroUsd, OrganizationId, PhoneNumberId, Prose};
use local::Options;
use local::sandbox::slack::{Failure, Message, Outcome};
use local::seed::World;
use serde_json::{Value, json};
use table::EventPage;
use tests::dynamo::Weather;
use tests::{TestApp, full_form};

const KYB: &str = "/v1/phone-numbers/kyb";
const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";
const ROBIN: &str = "U0ROBIN";
const SAM: &str = "U0SAM";

/// Submits the form, waits until staff have been told, and returns the submission's id.
async fn submit(app: &TestApp, key: &str, form: &Value) -> KybId {
    let row = app.post(SUBMIT, form).key(key).send().await.ok();
    app.bundle.notifications.settled().await;
    KybId::parse(row["id"].as_str().unwrap()).unwrap()
}

fn newest(app: &TestApp) -> Message {
    app.bundle.slack.messages().remove(0)
}

async fn click(app: &TestApp, user: &str, message: &Message, action: &str) -> Outcome {
    app.bundle.slack.click(user, &message.channel, &message.ts, action).await
}

/// Fills in the form that a click on "Reject…" has opened.
async fn fill_in(app: &TestApp, user: &str, opened: &Outcome, reason: &str, fields: &[&str]) -> Outcome {
    let view = &opened.view.as_ref().expect("an open form").id;
    let values = HashMap::from([("reason".to_owned(), json!(reason)), ("fields".to_owned(), json!(fields))]);
    app.bundle.slack.submit(user, view, &values).await
}

fn closed() -> Outcome {
    Outcome::default()
}

async fn stored(app: &TestApp, id: &KybId) -> Submission {
    app.bundle.table.submission(&app.organization, id).await.unwrap().unwrap()
}

fn rejection(reason: &str) -> Decision {
    Decision::Reject { reason: Prose::parse(reason).unwrap(), issues: Vec::new() }
}

fn revocation() -> Decision {
    Decision::Revoke { reason: Prose::parse("Fraud").unwrap() }
}

fn by(app: &TestApp, reviewer: &str) -> (Review, Actor) {
    let review = Review { at: app.clock.now(), reviewer_id: reviewer.to_owned(), reviewer_email: None };
    (review, Actor::Reviewer { id: reviewer.to_owned(), email: None })
}

async fn decide(app: &TestApp, id: &KybId, decision: &Decision) -> domain::Result<Submission> {
    let (review, actor) = by(app, ROBIN);
    app.bundle.table.decide(&app.organization, id, decision, &review, &actor).await
}

/// The actions of what happened to a submission, newest first.
async fn events(app: &TestApp, id: &KybId) -> Vec<String> {
    let page = EventPage { after: None, limit: 100 };
    let events = app.bundle.table.events(&app.organization, id.as_str(), &page).await.unwrap();
    events.into_iter().map(|event| event.action).collect()
}

#[tokio::test]
async fn an_approval_in_slack_lets_the_organization_buy() {
    let app = TestApp::with(World { approved: false, ..tests::approved() }).await;
    app.buy("+14155550142").send().await.refused(403, "PHONE_NUMBER_KYB_REQUIRED");
    let id = submit(&app, &app.key, &full_form()).await;
    assert_eq!(click(&app, ROBIN, &newest(&app), "approve").await, closed());

    let row = app.get(KYB).send().await.ok();
    assert_eq!((&row["status"], &row["submission"]["reviewerUserId"]), (&json!("approved"), &json!(ROBIN)));
    assert!(row["submission"]["reviewedAt"].is_string());
    assert_eq!(newest(&app).text, "Business verification approved: Acme Voice Inc");
    assert_eq!(app.bundle.slack.messages().len(), 1, "the message is rewritten, not followed by another");
    app.buy("+14155550142").send().await.ok();

    let page = EventPage { after: None, limit: 1 };
    let event = app.bundle.table.events(&app.organization, id.as_str(), &page).await.unwrap().remove(0);
    let who = (event.actor_kind.as_str(), event.actor_id.as_str(), event.action.as_str());
    assert_eq!((who, event.changed), (("reviewer", ROBIN, "approved"), vec!["status".to_owned()]));
}

#[tokio::test]
async fn clicks_go_to_another_deployment_where_one_is_named() {
    let elsewhere = Some("http://127.0.0.1:9/slack/interactions".to_owned());
    let app = TestApp::start(World::default(), Options { interactions_url: elsewhere, ..Options::default() }).await;
    submit(&app, &app.key, &full_form()).await;
    let outcome = click(&app, ROBIN, &newest(&app), "approve").await;
    assert_eq!(outcome.failure.as_deref(), Some("The app cannot be reached"));
    assert_eq!(app.get(KYB).send().await.ok()["status"], "submitted");
}

#[tokio::test]
async fn a_rejection_in_slack_asks_for_a_reason_and_tells_the_customer() {
    let app = TestApp::empty().await;
    submit(&app, &app.key, &full_form()).await;
    let opened = click(&app, SAM, &newest(&app), "reject").await;
    let blank = fill_in(&app, SAM, &opened, " \n ", &[]).await;
    assert_eq!(blank.errors["reason"], "The reason must not be blank.");
    let long = fill_in(&app, SAM, &blank, &"x".repeat(2_001), &[]).await;
    assert_eq!(long.errors["reason"], "The reason must be at most 2000 characters.");
    assert_eq!(app.get(KYB).send().await.ok()["status"], "submitted");

    let fields = ["businessProfile.website", "authorizedRepresentative.title"];
    assert_eq!(fill_in(&app, SAM, &long, "Shows another business", &fields).await, closed());
    let row = &app.get(KYB).send().await.ok()["submission"];
    assert_eq!((&row["status"], &row["rejectionReason"]), (&json!("rejected"), &json!("Shows another business")));
    assert_eq!((&row["accessHoldReason"], &row["reviewerUserId"]), (&json!("rejected"), &json!(SAM)));
    let issues = row["rejectionIssues"].as_array().unwrap();
    assert_eq!(issues.iter().map(|issue| issue["path"].as_str().unwrap()).collect::<Vec<_>>(), fields);
    let blocks = newest(&app).blocks.to_string();
    assert!(blocks.contains("*Rejected* by <@U0SAM>") && blocks.contains("Shows another business"), "{blocks}");
}

#[tokio::test]
async fn the_message_about_a_new_submission_says_what_has_changed() {
    let app = TestApp::empty().await;
    submit(&app, &app.key, &full_form()).await;
    let opened = click(&app, SAM, &newest(&app), "reject").await;
    fill_in(&app, SAM, &opened, "The website is down", &[]).await;
    let mut form = full_form();
    form["businessProfile"]["website"] = json!("https://new.example.com");
    app.put("/v1/phone-numbers/kyb/draft", &form).send().await.ok();
    submit(&app, &app.key, &form).await;
    let blocks = newest(&app).blocks.to_string();
    let from = blocks.find("The earlier submission was rejected").unwrap();
    let to = blocks.find("*Organization*").unwrap();
    let section = &blocks[from..to];
    for expected in ["The website is down", "*Website*", "https://new.example.com"] {
        assert!(section.contains(expected), "{expected}: {section}");
    }
    assert!(!section.contains("*Legal name*"), "{section}");

    // Clicking on the old message decides nothing.
    let old = app.bundle.slack.messages().remove(1);
    assert!(!old.blocks.to_string().contains("actions"));
    assert_eq!(app.get(KYB).send().await.ok()["status"], "submitted");
}

#[tokio::test]
async fn a_decision_that_slack_cannot_show_stands_and_another_click_shows_it() {
    let app = TestApp::empty().await;
    let id = submit(&app, &app.key, &full_form()).await;
    let message = newest(&app);
    app.bundle.slack.fail_next(Failure::Down);
    assert_eq!(click(&app, ROBIN, &message, "approve").await, closed());
    assert_eq!(stored(&app, &id).await.status(), Status::Approved);
    assert_eq!(newest(&app), message, "nobody could rewrite it");

    for action in ["approve", "reject"] {
        app.bundle.slack.fail_next(Failure::Down);
        let again = click(&app, SAM, &message, action).await;
        assert_eq!(again.view, None, "{action}: there is nothing to reject any more");
    }
    let again = click(&app, SAM, &message, "reject").await;
    assert!(again.notes[0].contains("decided already. *Approved* by <@U0ROBIN>"), "{again:?}");
    assert_eq!(newest(&app).text, "Business verification approved: Acme Voice Inc");
    assert_eq!(events(&app, &id).await, ["approved", "submitted"]);
}

#[tokio::test]
async fn a_slack_that_never_answers_keeps_nobody_waiting() {
    let app = TestApp::empty().await;
    let id = submit(&app, &app.key, &full_form()).await;
    app.bundle.slack.fail_next(Failure::Hang);
    // The sandbox gives up after three seconds, as Slack does, and would say so.
    assert_eq!(click(&app, ROBIN, &newest(&app), "approve").await, closed());
    assert_eq!(stored(&app, &id).await.status(), Status::Approved);
}

#[tokio::test]
async fn a_table_that_is_down_is_told_in_a_sentence_and_nothing_is_decided() {
    let app = TestApp::empty().await;
    let id = submit(&app, &app.key, &full_form()).await;
    let opened = click(&app, SAM, &newest(&app), "reject").await;
    app.dynamo.set(Weather::Down);
    let approve = click(&app, ROBIN, &newest(&app), "approve").await;
    assert!(approve.notes[0].starts_with("This could not be saved just now."), "{approve:?}");
    let reject = fill_in(&app, SAM, &opened, "No", &[]).await;
    assert!(reject.errors["reason"].starts_with("This could not be saved just now."), "{reject:?}");
    app.dynamo.set(Weather::Fair);
    assert_eq!(stored(&app, &id).await.status(), Status::Submitted);
    assert_eq!(fill_in(&app, SAM, &reject, "No", &[]).await, closed());
    assert_eq!(stored(&app, &id).await.status(), Status::Rejected);
}

#[tokio::test]
async fn only_listed_reviewers_decide() {
    let options = Options::with("SlackReviewers", SAM);
    let app = TestApp::start(World::default(), options).await;
    let id = submit(&app, &app.key, &full_form()).await;
    for action in ["approve", "reject"] {
        let refused = click(&app, ROBIN, &newest(&app), action).await;
        assert!(refused.notes[0].starts_with("You are not among those who may decide"), "{refused:?}");
        assert_eq!(refused.view, None);
    }
    assert_eq!(stored(&app, &id).await.status(), Status::Submitted);
    assert_eq!(click(&app, SAM, &newest(&app), "approve").await, closed());
}

/// Approves and rejects one submission at once, both in Slack, and checks that there is one outcome, everywhere.
async fn race_in_slack(app: &TestApp) -> Status {
    let key = app.stranger(World::default()).await;
    let row = app.post(SUBMIT, &full_form()).key(&key).send().await.ok();
    app.bundle.notifications.settled().await;
    let id = KybId::parse(row["id"].as_str().unwrap()).unwrap();
    let organization = OrganizationId::parse(row["organizationId"].as_str().unwrap()).unwrap();
    let message = newest(app);
    let opened = click(app, SAM, &message, "reject").await;
    let (approval, rejection) =
        tokio::join!(click(app, ROBIN, &message, "approve"), fill_in(app, SAM, &opened, "No", &[]));

    let table = &app.bundle.table;
    let decided = table.submission(&organization, &id).await.unwrap().unwrap();
    let hold = table.organization(&organization).await.unwrap().hold.map(|hold| hold.reason);
    let told = rejection.view.as_ref().map(|opened| opened.view.to_string());
    match decided.status() {
        Status::Approved => {
            assert_eq!((approval, hold), (closed(), None));
            assert!(told.unwrap().contains("*Approved* by <@U0ROBIN>"));
        }
        Status::Rejected => {
            assert_eq!((told, hold), (None, Some(HoldReason::Rejected)));
            assert!(approval.notes[0].contains("*Rejected* by <@U0SAM>"), "{approval:?}");
        }
        other => panic!("{other:?}"),
    }
    let page = EventPage { after: None, limit: 10 };
    let events = table.events(&organization, id.as_str(), &page).await.unwrap();
    let actions: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, [decided.status().as_str(), "submitted"], "one decision leaves one event");
    let shown = newest(app).text;
    assert!(shown.contains(decided.status().as_str()), "the message says what is so: {shown}");
    decided.status()
}

#[tokio::test]
async fn an_approval_and_a_rejection_at_once_have_one_outcome_and_the_loser_is_told_who_won() {
    let app = TestApp::empty().await;
    for _ in 0..100 {
        race_in_slack(&app).await;
    }
}

#[tokio::test]
async fn a_race_has_one_outcome_also_under_conflicts_and_lost_answers() {
    for weather in [Weather::Contended, Weather::Forgetful] {
        for _ in 0..10 {
            let app = TestApp::empty().await;
            let id = submit(&app, &app.key, &full_form()).await;
            app.dynamo.set(weather);
            let reject = rejection("No");
            let outcomes: [_; 2] =
                tokio::join!(decide(&app, &id, &Decision::Approve), decide(&app, &id, &reject)).into();
            app.dynamo.set(Weather::Fair);
            let decided = stored(&app, &id).await;
            let hold = app.bundle.table.organization(&app.organization).await.unwrap().hold;
            assert_eq!(hold.is_some(), decided.status() == Status::Rejected);
            assert_eq!(events(&app, &id).await.len(), usize::from(decided.status() != Status::Submitted) + 1);
            let mut won = 0;
            for outcome in outcomes {
                match outcome {
                    Ok(own) => {
                        assert_eq!(own.status(), decided.status());
                        won += 1;
                    }
                    Err(Error::KybNotUnderReview(status)) => assert_eq!(status, decided.status().as_str()),
                    // Contention that outlasts the retries is told as such.
                    Err(error) => assert!(matches!(error, Error::Busy(_)), "{error:?}"),
                }
            }
            assert!(won <= 1, "one winner");
        }
    }
}

#[tokio::test]
async fn each_decision_is_taken_in_just_one_state_of_just_that_submission() {
    let app = TestApp::empty().await;
    let outcome = |result: domain::Result<Submission>| match result {
        Ok(submission) => submission.status().as_str(),
        Err(Error::NotFound) => "unknown",
        Err(Error::KybNotUnderReview(status) | Error::KybNotApproved(status)) => match status {
            "draft" => "is a draft",
            "submitted" => "is submitted",
            "approved" => "is approved",
            "rejected" => "is rejected",
            _ => "is revoked",
        },
        Err(error) => panic!("{error:?}"),
    };
    let reject = rejection("No");
    let revoke = revocation();
    let draft = app.put("/v1/phone-numbers/kyb/draft", &full_form()).send().await.ok();
    let first = KybId::parse(draft["id"].as_str().unwrap()).unwrap();
    let unknown = KybId::new(app.clock.now(), 7);
    for decision in [&Decision::Approve, &reject, &revoke] {
        assert_eq!(outcome(decide(&app, &first, decision).await), "is a draft");
        assert_eq!(outcome(decide(&app, &unknown, decision).await), "unknown");
    }
    assert_eq!(submit(&app, &app.key, &full_form()).await, first);
    assert_eq!(outcome(decide(&app, &first, &revoke).await), "is submitted");
    assert_eq!(outcome(decide(&app, &first, &reject).await), "rejected");
    for decision in [&Decision::Approve, &reject, &revoke] {
        assert_eq!(outcome(decide(&app, &first, decision).await), "is rejected");
    }
    let second = submit(&app, &app.key, &full_form()).await;
    for decision in [&Decision::Approve, &reject, &revoke] {
        assert_eq!(outcome(decide(&app, &first, decision).await), "is rejected", "history is told as what it is");
    }
    let hold = async || app.bundle.table.organization(&app.organization).await.unwrap().hold.map(|hold| hold.reason);
    assert_eq!(hold().await, Some(HoldReason::Rejected), "a new submission lifts no hold");
    assert_eq!(outcome(decide(&app, &second, &Decision::Approve).await), "approved");
    assert_eq!(hold().await, None, "an approval does");
    assert_eq!(outcome(decide(&app, &second, &reject).await), "is approved");
    assert_eq!(outcome(decide(&app, &second, &revoke).await), "revoked");
    assert_eq!(hold().await, Some(HoldReason::Revoked));
    assert_eq!(outcome(decide(&app, &second, &Decision::Approve).await), "is revoked");
    assert_eq!(events(&app, &second).await, ["revoked", "approved", "submitted"]);

    let stranger = app.stranger(World::default()).await;
    let theirs = submit(&app, &stranger, &full_form()).await;
    assert_eq!(outcome(decide(&app, &theirs, &Decision::Approve).await), "unknown", "another organization's");
}

#[tokio::test]
async fn a_decision_whose_answer_is_lost_is_recognised_as_our_own() {
    for _ in 0..10 {
        let app = TestApp::empty().await;
        let id = submit(&app, &app.key, &full_form()).await;
        app.dynamo.set(Weather::Forgetful);
        let issue = RejectionIssue::parse("businessProfile.website", "Down").unwrap();
        let decision = Decision::Reject { reason: Prose::parse("No").unwrap(), issues: vec![issue] };
        assert_eq!(decide(&app, &id, &decision).await.unwrap().status(), Status::Rejected);
        app.dynamo.set(Weather::Fair);
        assert_eq!(events(&app, &id).await, ["rejected", "submitted"]);
    }
}

#[tokio::test]
async fn a_purchase_that_has_passed_the_gates_loses_against_a_rejection() {
    let options = Options::with("PurchasePolicy", "submitted");
    let app = TestApp::start(World { approved: false, ..tests::approved() }, options).await;
    let id = submit(&app, &app.key, &full_form()).await;
    let table = &app.bundle.table;
    let (e164, now) = (E164::parse("+14155550142").unwrap(), app.clock.now());
    let dollar = MicroUsd::from_micros(1_000_000);
    let prices = Prices { upfront: dollar, monthly: dollar };
    let gates = table.purchase_gates(&app.organization, &e164, None).await.unwrap();
    gates.judge(prices, PurchasePolicy::Submitted).unwrap();

    decide(&app, &id, &rejection("No")).await.unwrap();
    let routing = Routing::default();
    let number =
        PhoneNumber::ordering(PhoneNumberId::new(now, 1), app.organization.clone(), e164, routing, prices, now);
    let actor = Actor::System("tests");
    let refused = table.begin_purchase(&gates.organization, &number, PurchasePolicy::Submitted, None, &actor).await;
    assert!(matches!(refused, Err(Error::KybSuspended)), "{refused:?}");
    assert_eq!(app.balance().await, 100_000_000);
    app.check_books().await;
}

#[tokio::test]
async fn purchases_at_the_time_of_a_revocation_are_refused_or_suspended() {
    for _ in 0..10 {
        let app = TestApp::approved().await;
        let id = app.bundle.table.verification(&app.organization).await.unwrap().current.unwrap().id;
        let revoke = revocation();
        let (bought, revoked) = tokio::join!(app.buy("+14155550142").send(), decide(&app, &id, &revoke));
        revoked.unwrap();
        if bought.status != 200 {
            bought.refused(403, "PHONE_NUMBER_KYB_SUSPENDED");
        }
        for row in app.get("/v1/phone-numbers").send().await.ok().as_array().unwrap() {
            assert_eq!(
                (&row["suspensionReason"], &row["setupStatus"]["status"]),
                (&json!("compliance"), &json!("suspended"))
            );
        }
        app.buy("+14155550143").send().await.refused(403, "PHONE_NUMBER_KYB_SUSPENDED");
        app.check_books().await;
    }
}

/// Makes `many` more rows of a number, by the engine's own interface: buying that many would take minutes.
async fn multiply(app: &TestApp, id: &str, many: u128) {
    let table = app.bundle.table_name;
    let key = json!({"PK": {"S": format!("ORG#{}", app.organization)}, "SK": {"S": format!("NUMBER#{id}")}});
    let item = app.dynamo.ask("GetItem", &json!({"TableName": table, "Key": key})).await["Item"].clone();
    let now = app.clock.now();
    let copies: Vec<Value> = (0..many)
        .map(|copy| {
            let (id, mut item) = (PhoneNumberId::new(now, copy), item.clone());
            item["SK"] = json!({"S": format!("NUMBER#{id}")});
            item["id"] = json!({"S": id.as_str()});
            json!({"PutRequest": {"Item": item}})
        })
        .collect();
    for batch in copies.chunks(25) {
        let answer = app.dynamo.ask("BatchWriteItem", &json!({"RequestItems": {table: batch}})).await;
        assert_eq!(answer["UnprocessedItems"], json!({}), "{answer}");
    }
}

#[tokio::test]
async fn a_hold_over_five_thousand_numbers_costs_one_write() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    multiply(&app, row["id"].as_str().unwrap(), 4_999).await;
    let id = app.bundle.table.verification(&app.organization).await.unwrap().current.unwrap().id;
    let before = app.dynamo.seen().len();
    decide(&app, &id, &revocation()).await.unwrap();
    let writes: Vec<_> =
        app.dynamo.seen().split_off(before).into_iter().filter(|operation| operation != "GetItem").collect();
    assert_eq!(writes, ["TransactWriteItems"]);

    let (mut suspended, mut cursor) = (0, String::new());
    loop {
        let page = app.get(&format!("/v1/phone-numbers?limit=200{cursor}")).send().await;
        let next = page.header("x-next-cursor").to_owned();
        let rows = page.ok();
        let rows = rows.as_array().unwrap();
        assert!(rows.iter().all(|row| row["suspensionReason"] == "compliance"));
        suspended += rows.len();
        if next.is_empty() {
            break;
        }
        cursor = format!("&cursor={next}");
    }
    assert_eq!(suspended, 5_000);
}
