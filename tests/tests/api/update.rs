//! `PATCH /v1/phone-numbers/{id}`

use serde_json::{Value, json};
use tests::{TestApp, approved};

const NUMBER: &str = "+14155550142";

async fn bought(app: &TestApp) -> (String, Value) {
    let row = app.buy(NUMBER).send().await.ok();
    (format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap()), row)
}

#[tokio::test]
async fn absent_fields_stay_null_clears_and_values_set() {
    let app = TestApp::approved().await;
    let (path, _) = bought(&app).await;
    let set = json!({
        "direction": "both", "label": "Desk", "agentId": "agent_1", "dispatchMetadataTemplate": { "a": { "b": 1 } },
    });
    let row = app.patch(&path, &set).send().await.ok();
    for field in ["direction", "label", "agentId", "dispatchMetadataTemplate"] {
        assert_eq!(row[field], set[field], "{field}");
    }
    let row = app.patch(&path, &json!({ "dispatchMetadataTemplate": { "c": 2 } })).send().await.ok();
    assert_eq!(row["dispatchMetadataTemplate"], json!({ "c": 2 }), "a template is replaced whole");
    assert_eq!(row["label"], "Desk");
    let clear = json!({ "label": null, "agentId": null, "dispatchMetadataTemplate": null });
    let row = app.patch(&path, &clear).send().await.ok();
    for field in ["label", "agentId", "dispatchMetadataTemplate"] {
        assert_eq!(row[field], Value::Null, "{field}");
    }
    assert_eq!(row["direction"], "both");
    assert_eq!(row["setupStatus"]["status"], "action_required", "the last inbound target is gone");
    assert_eq!(app.get(&path).send().await.ok(), row);
}

#[tokio::test]
async fn an_empty_patch_changes_nothing_and_answers_the_row() {
    let app = TestApp::approved().await;
    let (path, row) = bought(&app).await;
    let answer = app.patch(&path, &json!({})).send().await;
    assert_eq!(answer.header("etag"), "\"2\"");
    assert_eq!(answer.ok(), row);
}

#[tokio::test]
async fn fields_that_a_caller_may_not_set_are_ignored() {
    let app = TestApp::approved().await;
    let (path, row) = bought(&app).await;
    let body = json!({
        "status": "suspended", "organizationId": "org_x", "suspendedAt": "2026-01-01T00:00:00Z", "e164": "+12015550100",
        "source": "sip_trunk", "version": 99, "nextChargeAt": "2099-01-01T00:00:00Z", "providerResourceId": "9",
    });
    assert_eq!(app.patch(&path, &body).send().await.ok(), row);
}

#[tokio::test]
async fn every_failing_field_is_named_at_once() {
    let app = TestApp::approved().await;
    let (path, row) = bought(&app).await;
    let empty = app.patch(&path, &json!({ "agentId": "" })).send().await;
    assert!(empty.text.contains("null unlinks the agent"), "{}", empty.text);
    empty.invalid(&["agentId"]);
    let body = json!({ "direction": null, "label": 5, "agentId": "", "dispatchMetadataTemplate": "{}" });
    app.patch(&path, &body).send().await.invalid(&["direction", "label", "agentId", "dispatchMetadataTemplate"]);
    app.patch(&path, &json!({ "direction": "Both" })).send().await.invalid(&["direction"]);
    assert_eq!(app.get(&path).send().await.ok(), row);
}

#[tokio::test]
async fn if_match_guards_a_version() {
    let app = TestApp::approved().await;
    let (path, _) = bought(&app).await;
    let tag = app.get(&path).send().await.header("etag").to_owned();
    let relabel = |label: &str, tag: &str| app.patch(&path, &json!({ "label": label })).header("if-match", tag);
    let answer = relabel("one", &tag).send().await;
    assert_ne!(answer.header("etag"), tag);
    answer.ok();
    relabel("two", &tag).send().await.refused(412, "PRECONDITION_FAILED");
    relabel("two", "\"no version of ours\"").send().await.refused(412, "PRECONDITION_FAILED");
    for bad in ["W/\"3\"", "3", "\"\"", "\"3\", \"4\""] {
        let body = relabel("two", bad).send().await.refused(400, "VALIDATION_ERROR");
        assert_eq!(body["issues"][0]["path"], "If-Match", "{bad}");
    }
    let row = relabel("three", "*").send().await.ok();
    assert_eq!(row["label"], "three");
}

#[tokio::test]
async fn an_agent_moves_only_after_it_was_unlinked() {
    let app = TestApp::approved().await;
    let (path, _) = bought(&app).await;
    let other = app.import("+12125550142").send().await.ok();
    let other = format!("/v1/phone-numbers/{}", other["id"].as_str().unwrap());
    app.patch(&path, &json!({ "agentId": "agent_1" })).send().await.ok();
    app.patch(&path, &json!({ "agentId": "agent_1", "label": "again" })).send().await.ok();
    app.patch(&other, &json!({ "agentId": "agent_1" })).send().await.refused(409, "AGENT_ALREADY_LINKED");
    app.patch(&other, &json!({ "agentId": "agent_none" })).send().await.invalid(&["agentId"]);
    app.patch(&path, &json!({ "agentId": "agent_2" })).send().await.ok();
    app.patch(&other, &json!({ "agentId": "agent_1" })).send().await.ok();
    app.patch(&path, &json!({ "agentId": null })).send().await.ok();
    app.patch(&other, &json!({ "agentId": "agent_2" })).send().await.ok();
}

#[tokio::test]
async fn another_organizations_number_is_not_changed() {
    let app = TestApp::approved().await;
    let (path, row) = bought(&app).await;
    let stranger = app.stranger(approved()).await;
    app.patch(&path, &json!({ "label": "mine" })).key(&stranger).send().await.refused(404, "NOT_FOUND");
    assert_eq!(app.get(&path).send().await.ok(), row);
}

#[tokio::test]
async fn another_organizations_agent_cannot_be_linked() {
    let app = TestApp::approved().await;
    let stranger = app.stranger(local::seed::World { agents: vec!["agent_foreign"], ..approved() }).await;
    let (path, _) = bought(&app).await;
    app.patch(&path, &json!({ "agentId": "agent_foreign" })).send().await.invalid(&["agentId"]);
    drop(stranger);
}
