//! `DELETE /v1/phone-numbers/{id}`

use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::{TestApp, approved};

fn path(row: &Value) -> String {
    format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_managed_number_goes_back_to_the_carrier_and_its_agent_is_free() {
    let app = TestApp::approved().await;
    let body = json!({ "e164": "+14155550142", "agentId": "agent_1" });
    let row = app.post("/v1/phone-numbers", &body).send().await.ok();
    assert_eq!(app.delete(&path(&row)).send().await.ok(), json!({ "released": true }));
    assert!(app.bundle.carrier.numbers().is_empty());
    app.delete(&path(&row)).send().await.refused(404, "NOT_FOUND");
    app.get(&path(&row)).send().await.refused(404, "NOT_FOUND");
    app.post("/v1/phone-numbers", &body).send().await.ok();
    assert_eq!(app.balance().await, 96_000_000, "a release pays nothing back");
    app.check_books().await;
}

#[tokio::test]
async fn an_imported_number_is_only_forgotten_here() {
    let app = TestApp::approved().await;
    let row = app.import("+12125550142").send().await.ok();
    app.delete(&path(&row)).send().await.ok();
    app.import("+12125550142").send().await.ok();
    assert!(app.bundle.carrier.requests().is_empty());
}

#[tokio::test]
async fn a_carrier_that_fails_leaves_the_number_out_of_use_and_delete_again_continues() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550523").send().await.ok();
    app.delete(&path(&row)).send().await.refused(503, "CARRIER_UNAVAILABLE");
    let stuck = app.get(&path(&row)).send().await.ok();
    assert_eq!(stuck["setupStatus"]["status"], "action_required");
    assert_eq!(stuck["setupStatus"]["outboundReady"], false);
    for patch in [json!({ "label": "x" }), json!({})] {
        app.patch(&path(&row), &patch).send().await.refused(409, "PHONE_NUMBER_BUSY");
    }
    app.delete(&path(&row)).send().await.ok();
    app.check_books().await;
}

#[tokio::test]
async fn a_carrier_that_refuses_a_release_for_good_is_told_apart_from_one_that_fails() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550422").send().await.ok();
    let answer = app.delete(&path(&row)).send().await.refused(409, "PHONE_NUMBER_RELEASE_REFUSED");
    assert_eq!(answer["retryable"], false);
    let sentence = answer["error"].as_str().unwrap();
    assert!(sentence.contains("operator has been told") && !sentence.contains("charged"), "{sentence}");
    let refused = app.get(&path(&row)).send().await.ok();
    assert_eq!(refused["setupStatus"]["outboundReady"], false);
    let issue = refused["setupStatus"]["issues"][0].as_str().unwrap();
    assert!(issue.contains("refuses to release"), "{issue}");
    assert_eq!(app.bundle.carrier.numbers().len(), 1);
    // Once the lock is gone, DELETE again goes on, and so does the reconciler.
    app.clock.advance(std::time::Duration::from_mins(2));
    assert_eq!(app.reconciler.run().await.unwrap().released, 1);
    app.get(&path(&row)).send().await.refused(404, "NOT_FOUND");
    assert!(app.bundle.carrier.numbers().is_empty());
    app.check_books().await;
}

#[tokio::test]
async fn only_a_purchase_says_that_nothing_was_charged() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550523").send().await.ok();
    let released = app.delete(&path(&row)).send().await.refused(503, "CARRIER_UNAVAILABLE");
    assert!(!released["error"].as_str().unwrap().contains("charged"), "{released}");
    for number in ["+14155550503", "+14155550402", "+14155550429"] {
        let bought = app.buy(number).send().await.refused(503, "CARRIER_UNAVAILABLE");
        assert!(bought["error"].as_str().unwrap().contains("nothing was charged"), "{bought}");
    }
}

/// Deletes a number at the carrier, past this service.
async fn delete_at_the_carrier(app: &TestApp, row: &Value) {
    let resource = row["providerResourceId"].as_str().unwrap();
    let url = format!("{}/phone_numbers/{resource}", app.bundle.carrier_url);
    let gone = reqwest::Client::new().delete(url).bearer_auth("sandbox").send().await.unwrap();
    assert_eq!(gone.status(), 200);
}

#[tokio::test]
async fn the_last_number_counts_as_released_when_the_carrier_no_longer_has_it() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    // Neither is at the carrier under this service's account.
    app.import("+12125550142").send().await.ok();
    delete_at_the_carrier(&app, &row).await;
    app.delete(&path(&row)).send().await.ok();
    app.check_books().await;
}

#[tokio::test]
async fn a_number_counts_as_released_when_the_account_shows_another_one_of_ours() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    let stranger = app.stranger(approved()).await;
    app.buy("+14155550143").key(&stranger).send().await.ok();
    delete_at_the_carrier(&app, &row).await;
    app.delete(&path(&row)).send().await.ok();
    app.check_books().await;
}

#[tokio::test]
async fn an_account_that_knows_none_of_our_numbers_proves_no_release() {
    let app = TestApp::approved().await;
    let mut rows = Vec::new();
    for number in ["+14155550142", "+14155550143"] {
        rows.push(app.buy(number).send().await.ok());
    }
    // From here on the carrier answers like another account, which holds none of our numbers.
    for row in &rows {
        delete_at_the_carrier(&app, row).await;
    }
    for row in &rows {
        app.delete(&path(row)).send().await.refused(503, "CARRIER_UNAVAILABLE");
        app.clock.advance(std::time::Duration::from_mins(2));
        assert_eq!(app.reconciler.run().await.unwrap().released, 0);
        assert_eq!(app.get(&path(row)).send().await.ok()["setupStatus"]["outboundReady"], false);
    }
    // The account proves to be ours: it shows a number of this deployment.
    app.buy("+14155550144").send().await.ok();
    for row in &rows {
        app.delete(&path(row)).send().await.ok();
    }
    app.check_books().await;
}

#[tokio::test]
async fn another_organizations_number_is_not_released() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    let stranger = app.stranger(approved()).await;
    app.delete(&path(&row)).key(&stranger).send().await.refused(404, "NOT_FOUND");
    assert_eq!(app.bundle.carrier.numbers().len(), 1);
    app.delete("/v1/phone-numbers/nonsense").send().await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_release_whose_last_write_fails_is_finished_by_the_next_delete() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    app.dynamo.set(Weather::NoRemovals);
    app.delete(&path(&row)).send().await.refused(503, "BUSY");
    assert!(app.bundle.carrier.numbers().is_empty(), "the carrier has it back already");
    app.dynamo.set(Weather::Fair);
    assert_eq!(app.get(&path(&row)).send().await.ok()["setupStatus"]["outboundReady"], false);
    app.delete(&path(&row)).send().await.ok();
    app.check_books().await;
}
