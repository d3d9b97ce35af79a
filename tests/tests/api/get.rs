//! `GET /v1/phone-numbers/{id}`

use serde_json::json;
use tests::{TestApp, approved};

const FIELDS: [&str; 27] = [
    "id",
    "organizationId",
    "e164",
    "source",
    "providerResourceId",
    "telnyxPhoneNumberId",
    "sipTrunkId",
    "sipConnectionInstallationId",
    "sipProviderName",
    "direction",
    "dispatchMetadataTemplate",
    "agentId",
    "label",
    "sms10dlcProfileId",
    "smsCampaignId",
    "smsAssignmentStatus",
    "smsAssignmentUpdatedAt",
    "setupStatus",
    "nextChargeAt",
    "lastChargedAt",
    "suspendedAt",
    "suspensionReason",
    "billingSuspendedAt",
    "complianceSuspendedAt",
    "scheduledReleaseAt",
    "createdAt",
    "updatedAt",
];

#[tokio::test]
async fn a_number_is_answered_with_every_field_and_its_version() {
    let app = TestApp::approved().await;
    let bought = app.buy("+14155550142").send().await.ok();
    let path = format!("/v1/phone-numbers/{}", bought["id"].as_str().unwrap());
    let answer = app.get(&path).send().await;
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_eq!(answer.header("content-type"), "application/json");
    let row = answer.ok();
    assert_eq!(row, bought);
    let mut fields: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = FIELDS;
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert!(row["nextChargeAt"].is_string(), "a published client's type is a plain string");
    let created = row["createdAt"].as_str().unwrap();
    assert!(created.len() == 24 && created.ends_with('Z'), "{created}");
}

#[tokio::test]
async fn another_organizations_number_and_a_malformed_id_do_not_exist() {
    let app = TestApp::approved().await;
    let bought = app.buy("+14155550142").send().await.ok();
    let path = format!("/v1/phone-numbers/{}", bought["id"].as_str().unwrap());
    let stranger = app.stranger(approved()).await;
    app.get(&path).key(&stranger).send().await.refused(404, "NOT_FOUND");
    for id in ["pn_", "1", "pn_01kwdfkd000000000000000001", "..%2f..", "%ff", "pn_%00", &"x".repeat(2000)] {
        app.get(&format!("/v1/phone-numbers/{id}")).send().await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_hold_shows_on_managed_numbers_and_not_on_imported_ones() {
    let app = TestApp::approved().await;
    let managed = app.buy("+14155550142").send().await.ok();
    let imported = app.import("+12125550142").send().await.ok();
    let at = domain::Timestamp::parse("2026-07-01T00:00:00.000Z").unwrap();
    let hold = domain::organization::Hold { at, reason: domain::organization::HoldReason::Rejected };
    app.bundle.table.set_hold(&app.organization, Some(&hold)).await.unwrap();
    let row = app.get(&format!("/v1/phone-numbers/{}", managed["id"].as_str().unwrap())).send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "suspended");
    assert_eq!(row["setupStatus"]["outboundReady"], false);
    assert_eq!(row["suspensionReason"], "compliance");
    assert_eq!(row["suspendedAt"], "2026-07-01T00:00:00.000Z");
    assert_eq!(row["complianceSuspendedAt"], "2026-07-01T00:00:00.000Z");
    let row = app.get(&format!("/v1/phone-numbers/{}", imported["id"].as_str().unwrap())).send().await.ok();
    assert_eq!((&row["suspendedAt"], &row["setupStatus"]["status"]), (&json!(null), &json!("ready")));
}
