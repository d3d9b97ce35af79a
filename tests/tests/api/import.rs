//! `POST /v1/phone-numbers/import`

use local::Options;
use serde_json::json;
use tests::{TestApp, approved};

const PATH: &str = "/v1/phone-numbers/import";
const NUMBER: &str = "+442071838750";

#[tokio::test]
async fn a_number_is_imported_through_an_installed_connection() {
    let app = TestApp::empty().await;
    let key = app.stranger(local::seed::World { approved: false, ..approved() }).await;
    let body =
        json!({ "e164": NUMBER, "sipConnectionInstallationId": "sip_up", "direction": "both", "agentId": "agent_1" });
    let row = app.post(PATH, &body).key(&key).send().await.ok();
    assert_eq!(row["source"], "sip_trunk");
    assert_eq!(row["sipConnectionInstallationId"], "sip_up");
    assert_eq!(row["sipProviderName"], "Example Trunks");
    assert_eq!((&row["sipTrunkId"], &row["providerResourceId"]), (&json!(null), &json!(null)));
    assert_eq!(row["setupStatus"]["status"], "ready", "{row}");
    assert_eq!(row["setupStatus"]["forwardingRequired"], true);
    assert_eq!(row["setupStatus"]["forwardingSipUri"], format!("sip:{NUMBER}@sip.example.com"));
    assert!(row["nextChargeAt"].is_string());
    assert_eq!(row["lastChargedAt"], json!(null));
}

#[tokio::test]
async fn a_legacy_trunk_counts_as_connected_and_a_connection_wins_over_it() {
    let app = TestApp::approved().await;
    let row = app.post(PATH, &json!({ "e164": NUMBER, "sipTrunkId": "trunk 1" })).send().await.ok();
    assert_eq!((&row["sipTrunkId"], &row["sipConnectionInstallationId"]), (&json!("trunk 1"), &json!(null)));
    assert_eq!(row["setupStatus"]["sipConnectionReady"], true);
    assert_eq!(row["sipProviderName"], json!(null));
    let body = json!({
        "e164": "+442071838751", "sipTrunkId": "trunk 1", "sipConnectionInstallationId": "sip_up", "sipProviderName": "Mine",
    });
    let row = app.post(PATH, &body).send().await.ok();
    assert_eq!((&row["sipTrunkId"], &row["sipConnectionInstallationId"]), (&json!(null), &json!("sip_up")));
    assert_eq!(row["sipProviderName"], "Mine");
}

#[tokio::test]
async fn a_disconnected_connection_imports_but_asks_for_action() {
    let app = TestApp::approved().await;
    let body = json!({ "e164": NUMBER, "sipConnectionInstallationId": "sip_down" });
    let row = app.post(PATH, &body).send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required");
    assert_eq!(row["setupStatus"]["sipConnectionReady"], false);
    assert_eq!(row["setupStatus"]["outboundReady"], false);
}

#[tokio::test]
async fn every_failing_field_is_named_at_once() {
    let app = TestApp::approved().await;
    app.post(PATH, &json!({})).send().await.invalid(&["e164", "sipConnectionInstallationId"]);
    let body = json!({ "e164": 5, "sipConnectionInstallationId": "a#b", "direction": 1, "sipProviderName": " " });
    let paths = ["e164", "sipConnectionInstallationId", "direction", "sipProviderName"];
    app.post(PATH, &body).send().await.invalid(&paths);
    let body = json!({ "e164": NUMBER, "sipConnectionInstallationId": "sip_none", "agentId": "agent_none" });
    app.post(PATH, &body).send().await.invalid(&["sipConnectionInstallationId", "agentId"]);
    app.post(PATH, &json!({ "e164": "+123456", "sipTrunkId": "t" })).send().await.invalid(&["e164"]);
}

#[tokio::test]
async fn another_organizations_connection_is_unknown() {
    let app = TestApp::empty().await;
    let owner = app.stranger(approved()).await;
    let body = json!({ "e164": NUMBER, "sipConnectionInstallationId": "sip_up" });
    app.post(PATH, &body).send().await.invalid(&["sipConnectionInstallationId"]);
    app.post(PATH, &body).key(&owner).send().await.ok();
}

#[tokio::test]
async fn a_registered_number_is_refused_and_only_its_owner_learns_which_it_is() {
    let app = TestApp::approved().await;
    let own = app.import(NUMBER).send().await.ok();
    let again = app.import(NUMBER).send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    assert_eq!(again["phoneNumberId"], own["id"]);
    let stranger = app.stranger(approved()).await;
    let body = app.import(NUMBER).key(&stranger).send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    assert!(body.get("phoneNumberId").is_none());
}

#[tokio::test]
async fn a_linked_agent_is_a_conflict() {
    let app = TestApp::approved().await;
    let body = |number: &str| json!({ "e164": number, "sipTrunkId": "t", "agentId": "agent_1" });
    app.post(PATH, &body(NUMBER)).send().await.ok();
    app.post(PATH, &body("+442071838751")).send().await.refused(409, "AGENT_ALREADY_LINKED");
}

#[tokio::test]
async fn imports_are_capped_and_a_deleted_one_makes_room() {
    let app = TestApp::start(approved(), Options::with("ImportLimit", "2")).await;
    let first = app.import("+442071838751").send().await.ok();
    app.import("+442071838752").send().await.ok();
    app.import("+442071838753").send().await.refused(403, "IMPORT_LIMIT_REACHED");
    app.delete(&format!("/v1/phone-numbers/{}", first["id"].as_str().unwrap())).send().await.ok();
    app.import("+442071838753").send().await.ok();
    app.import("+442071838754").send().await.refused(403, "IMPORT_LIMIT_REACHED");
}

#[tokio::test]
async fn racing_imports_never_pass_the_cap() {
    let app = std::sync::Arc::new(TestApp::start(approved(), Options::with("ImportLimit", "5")).await);
    let calls: Vec<_> = (0..20)
        .map(|at| {
            let app = app.clone();
            tokio::spawn(async move { app.import(&format!("+44207183{:04}", 8000 + at)).send().await.status })
        })
        .collect();
    let mut imported = 0;
    for call in calls {
        imported += usize::from(call.await.unwrap() == 200);
    }
    assert_eq!(imported, 5);
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok().as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_monthly_fee_is_due_a_month_later_and_not_at_once() {
    let fee = domain::MicroUsd::from_micros(500_000);
    let app = TestApp::start(approved(), Options::with("ImportMonthlyFeeUsd", &fee.to_string())).await;
    let row = app.import(NUMBER).send().await.ok();
    let time = |field: &str| domain::Timestamp::parse(row[field].as_str().unwrap()).unwrap();
    assert_eq!(time("nextChargeAt"), time("createdAt").months_later(1));
    assert_eq!(app.balance().await, 100_000_000);
}
