//! Floods, keys that end, and what is written down of a key's use.

use std::time::Duration;

use domain::api_key::{ApiKey, Grant, Scope};
use domain::audit::Actor;
use domain::{ApiKeyId, Clock, Timestamp};
use serde_json::{Value, json};
use tests::faults::Faults;
use tests::{TestApp, full_form};

const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

/// A key that ends at this time.
async fn key_until(app: &TestApp, end: Timestamp) -> (String, ApiKeyId) {
    let (key, now) = (ApiKey::new(rand::random()), app.clock.now());
    let id = ApiKeyId::new(now, rand::random());
    let grant = Grant {
        id: id.clone(),
        organization: app.organization.clone(),
        name: None,
        scopes: Scope::ALL.to_vec(),
        created_at: now,
        expires_at: Some(end),
        revoked_at: None,
    };
    app.bundle.table.create_api_key(&key.hash(), &grant, &Actor::System("tests")).await.unwrap();
    (key.reveal().to_owned(), id)
}

#[tokio::test]
async fn searches_and_purchases_are_counted_together_and_the_61st_within_a_minute_waits() {
    let faults = Faults::default();
    let app = TestApp::struck_by(&faults).await;
    app.wait_for_a_full_minute();
    let search = || app.get("/v1/phone-numbers/available?areaCode=415&limit=1");
    for _ in 0..30 {
        search().send().await.ok();
        app.buy("+14155550409").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    }
    faults.arm(None);
    let answer = app.buy("+14155550409").send().await;
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    answer.refused(429, "RATE_LIMITED");
    assert!((1..=60).contains(&wait), "{wait}");
    search().send().await.refused(429, "RATE_LIMITED");
    let steps = faults.spare();
    assert!(
        !steps.is_empty() && steps.iter().all(|step| step.starts_with("table ")),
        "the carrier is not asked: {steps:?}"
    );
    // The gates that need no carrier still answer first.
    app.post("/v1/phone-numbers", &json!({ "e164": "+14155550143", "agentId": "agent_9" }))
        .send()
        .await
        .invalid(&["agentId"]);
    app.clock.advance(Duration::from_secs(wait));
    app.buy("+14155550142").send().await.ok();
    app.check_books().await;
}

#[tokio::test]
async fn the_301st_change_of_numbers_within_a_minute_waits() {
    let app = TestApp::approved().await;
    app.wait_for_a_full_minute();
    let id = app.import("+12125550142").send().await.ok()["id"].as_str().unwrap().to_owned();
    let change = async |label: u32| {
        let path = format!("/v1/phone-numbers/{id}");
        app.patch(&path, &json!({ "label": format!("Desk {label}") })).send().await
    };
    for label in 0..300 {
        change(label).await.ok();
    }
    change(300).await.refused(429, "RATE_LIMITED");
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(change(301).await.ok()["label"], "Desk 301");
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_costs_no_write_whatever_its_idempotency_key() {
    let app = TestApp::approved().await;
    app.get("/v1/phone-numbers").send().await.ok();
    app.get("/v1/phone-numbers/kyb").send().await.ok();
    app.import("no number").send().await.invalid(&["e164"]);
    app.dynamo.count_rounds();
    for (path, bad) in [
        ("/v1/phone-numbers", json!({ "e164": "no number" })),
        ("/v1/phone-numbers/import", json!({ "e164": "+12125550142" })),
        (SUBMIT, json!({ "attestationAccepted": false })),
    ] {
        app.post(path, &bad).header("idempotency-key", "fresh").send().await.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(app.dynamo.seen(), Vec::<String>::new());
    // The key was not spent.
    app.buy("+14155550142").header("idempotency-key", "fresh").send().await.ok();
}

#[tokio::test]
async fn a_well_formed_key_that_nobody_was_given_is_looked_up_once_in_five_seconds() {
    let app = TestApp::approved().await;
    let unknown = ApiKey::new(rand::random());
    let ask = async || app.get("/v1/phone-numbers").key(unknown.reveal()).send().await.refused(401, "UNAUTHORIZED");
    app.dynamo.count_rounds();
    for _ in 0..20 {
        ask().await;
    }
    assert_eq!(app.dynamo.seen(), ["GetItem"]);
    app.clock.advance(Duration::from_secs(5));
    ask().await;
    assert_eq!(app.dynamo.seen(), ["GetItem", "GetItem"]);
}

#[tokio::test]
async fn a_key_works_until_it_expires_and_not_a_moment_longer() {
    let app = TestApp::approved().await;
    let (key, _) = key_until(&app, app.clock.now().plus(Duration::from_secs(30))).await;
    app.get("/v1/phone-numbers").key(&key).send().await.ok();
    // It is still remembered as valid then.
    app.clock.advance(Duration::from_secs(30));
    app.get("/v1/phone-numbers").key(&key).send().await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_keys_last_use_is_written_down_at_most_once_an_hour() {
    let app = TestApp::approved().await;
    let (key, id) = key_until(&app, app.clock.now().plus(Duration::from_hours(24))).await;
    let used_at = async || app.bundle.table.key_used_at(&id).await.unwrap();
    assert_eq!(used_at().await, None);
    app.get("/v1/phone-numbers").key(&key).send().await.ok();
    let first = used_at().await.unwrap();
    // Another function does not know yet, and asks the table, which does.
    app.clock.advance(Duration::from_mins(58));
    app.get("/v1/phone-numbers").key(&key).send().await.ok();
    app.get("/v1/credits/balance").key(&key).send().await.ok();
    assert_eq!(used_at().await, Some(first));
    app.clock.advance(Duration::from_mins(12));
    app.get("/v1/credits/balance").key(&key).send().await.ok();
    assert!(used_at().await.unwrap() >= first.plus(Duration::from_hours(1)));
}

#[tokio::test]
async fn if_match_holds_for_a_release_too() {
    let app = TestApp::approved().await;
    for number in [app.buy("+14155550142").send().await, app.import("+12125550142").send().await] {
        let row = number.ok();
        let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
        let seen = app.get(&path).send().await.header("etag").to_owned();
        app.patch(&path, &json!({ "label": "Desk" })).send().await.ok();
        let release = |tag: &str| app.delete(&path).header("if-match", tag).send();
        release(&seen).await.refused(412, "PRECONDITION_FAILED");
        release("W/\"1\"").await.refused(400, "VALIDATION_ERROR");
        let now = app.get(&path).send().await.header("etag").to_owned();
        assert_eq!(release(&now).await.ok(), json!({ "released": true }));
    }
    app.check_books().await;
}

#[tokio::test]
async fn a_draft_that_nobody_changes_for_ninety_days_is_gone_and_another_one_begins() {
    let app = TestApp::empty().await;
    let draft = json!({ "businessProfile": { "legalName": "Acme" } });
    let save = async || app.put("/v1/phone-numbers/kyb/draft", &draft).send().await.ok();
    let first = save().await;
    let status = async || app.get("/v1/phone-numbers/kyb").send().await.ok()["status"].clone();
    app.clock.advance(Duration::from_hours(90 * 24) - Duration::from_mins(1));
    assert_eq!(status().await, "draft");
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(status().await, "missing", "whether or not DynamoDB has deleted it");
    let second = save().await;
    assert_ne!(second["id"], first["id"]);
    app.check_books().await;
}

#[tokio::test]
async fn a_record_of_a_keyed_submission_holds_no_registration_id_and_its_replay_does() {
    let app = TestApp::empty().await;
    let submit = async || app.post(SUBMIT, &full_form()).header("idempotency-key", "once").send().await;
    let filed = submit().await;
    let id = full_form()["businessProfile"]["registrationId"].as_str().unwrap().to_owned();
    assert!(filed.text.contains(&id));
    let records: Vec<Value> = app.items_with("bodyHash").await;
    assert_eq!(records.len(), 1);
    assert!(records[0].to_string().contains("legalName") && !records[0].to_string().contains(&id), "{records:?}");
    let again = submit().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.text, filed.text, "byte for byte");
}
