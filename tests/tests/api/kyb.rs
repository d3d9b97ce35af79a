//! `/v1/phone-numbers/kyb`, `/v1/phone-numbers/kyb/draft`, `/v1/phone-numbers/kyb/submit`

use domain::audit::Actor;
use domain::kyb::{Decision, RejectionIssue, Review};
use domain::{Clock, KybId, Prose};
use local::seed::World;
use serde_json::{Value, json};
use tests::{TestApp, approved, full_form, short_form};

const KYB: &str = "/v1/phone-numbers/kyb";
const DRAFT: &str = "/v1/phone-numbers/kyb/draft";
const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

/// Decides the submission under review, as staff would.
async fn decide(app: &TestApp, decision: &Decision) {
    let table = &app.bundle.table;
    let current = table.verification(&app.organization).await.unwrap().current.unwrap();
    let email = Some("staff@example.com".to_owned());
    let review = Review { at: app.clock.now(), reviewer_id: "U1".into(), reviewer_email: email.clone() };
    let actor = Actor::Reviewer { id: "U1".into(), email };
    table.decide(&app.organization, &current.id, decision, &review, &actor).await.unwrap();
}

#[tokio::test]
async fn nothing_is_missing_until_something_is_saved() {
    let app = TestApp::empty().await;
    let overview = app.get(KYB).send().await.ok();
    assert_eq!(overview, json!({ "status": "missing", "submission": null, "prefill": null }));
}

#[tokio::test]
async fn a_draft_is_saved_changed_and_submitted_under_one_id() {
    let app = TestApp::empty().await;
    let mut form = full_form();
    form["attestationAccepted"] = json!(null);
    let draft = app.put(DRAFT, &form).send().await.ok();
    assert_eq!((&draft["status"], &draft["attestationAccepted"]), (&json!("draft"), &json!(false)));
    assert_eq!(draft["businessProfile"], form["businessProfile"]);
    assert_eq!(draft["authorizedRepresentative"], form["authorizedRepresentative"]);
    assert_eq!(draft["slackNotificationStatus"], "not_queued");
    for absent in ["attestedAt", "submittedAt", "submittedByApiKeyId", "rejectionReason", "declaration", "reviewedAt"] {
        assert_eq!(draft[absent], Value::Null, "{absent}");
    }
    form["businessProfile"]["displayName"] = json!("Acme Two");
    let changed = app.put(DRAFT, &form).send().await.ok();
    assert_eq!((&changed["id"], &changed["createdAt"]), (&draft["id"], &draft["createdAt"]));
    let submitted = app.post(SUBMIT, &full_form()).send().await.ok();
    assert_eq!((&submitted["id"], &submitted["status"]), (&draft["id"], &json!("submitted")));
    assert_eq!(submitted["slackNotificationStatus"], "queued");
    assert!(submitted["slackNotificationJobId"].is_string());
    assert!(submitted["submittedByApiKeyId"].as_str().unwrap().starts_with("key_"));
    assert!(submitted["attestationText"].is_string() && submitted["attestedAt"].is_string());
    app.bundle.notifications.settled().await;
    let overview = app.get(KYB).send().await.ok();
    assert_eq!(overview["status"], "submitted");
    assert_eq!(overview["submission"], submitted);
}

#[tokio::test]
async fn the_short_form_is_answered_with_its_declaration_and_without_a_profile() {
    let app = TestApp::empty().await;
    let mut form = short_form();
    form["attestationVersion"] = json!("anything");
    let row = app.post(SUBMIT, &form).send().await.ok();
    assert_eq!(row["declaration"], form["declaration"]);
    assert_eq!((&row["businessProfile"], &row["authorizedRepresentative"]), (&Value::Null, &Value::Null));
    assert_ne!(row["attestationVersion"], "anything", "the server says which wording was agreed to");
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn both_forms_or_neither_are_refused() {
    let app = TestApp::empty().await;
    let mut both = full_form();
    both["declaration"] = short_form()["declaration"].clone();
    app.post(SUBMIT, &both).send().await.invalid(&["declaration"]);
    let neither = json!({ "attestationAccepted": true });
    app.post(SUBMIT, &neither).send().await.invalid(&["businessProfile", "authorizedRepresentative"]);
    app.put(DRAFT, &short_form()).send().await.invalid(&["businessProfile", "authorizedRepresentative"]);
}

#[tokio::test]
async fn the_attestation_must_be_exactly_true() {
    let app = TestApp::empty().await;
    for bad in [json!(false), json!(null), json!("true"), json!(1)] {
        let mut form = full_form();
        form["attestationAccepted"] = bad.clone();
        let answer = app.post(SUBMIT, &form).send().await;
        let paths: Vec<_> =
            answer.body["issues"].as_array().unwrap().iter().map(|issue| issue["path"].clone()).collect();
        assert!(paths.iter().all(|path| path == "attestationAccepted"), "{bad}: {paths:?}");
        answer.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn every_failing_field_is_named_with_its_whole_path() {
    let app = TestApp::empty().await;
    let form = json!({
        "businessProfile": {
            "legalName": "  ", "displayName": "x".repeat(201), "entityType": 5, "country": "USA", "registrationId": [],
            "website": "acme", "address": { "street": "1", "country": "ZZ" }, "useCase": "y".repeat(2001),
        },
        "authorizedRepresentative": { "name": null, "title": "CEO", "email": "ada", "phone": "123" },
        "attestationAccepted": "yes",
    });
    app.put(DRAFT, &form).send().await.invalid(&[
        "businessProfile.legalName",
        "businessProfile.displayName",
        "businessProfile.entityType",
        "businessProfile.country",
        "businessProfile.registrationId",
        "businessProfile.website",
        "businessProfile.address.city",
        "businessProfile.address.state",
        "businessProfile.address.postalCode",
        "businessProfile.address.country",
        "businessProfile.useCase",
        "businessProfile.expectedUsage",
        "authorizedRepresentative.name",
        "authorizedRepresentative.email",
        "authorizedRepresentative.phone",
        "attestationAccepted",
    ]);
}

#[tokio::test]
async fn what_is_under_review_or_approved_cannot_be_changed() {
    let app = TestApp::empty().await;
    app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.notifications.settled().await;
    app.put(DRAFT, &full_form()).send().await.refused(409, "KYB_UNDER_REVIEW");
    app.post(SUBMIT, &short_form()).send().await.refused(409, "KYB_UNDER_REVIEW");
    decide(&app, &Decision::Approve).await;
    app.put(DRAFT, &full_form()).send().await.refused(409, "KYB_ALREADY_APPROVED");
    app.post(SUBMIT, &full_form()).send().await.refused(409, "KYB_ALREADY_APPROVED");
    let overview = app.get(KYB).send().await.ok();
    assert_eq!(overview["submission"]["reviewerUserId"], "U1");
    assert_eq!(overview["submission"]["reviewerEmail"], "staff@example.com");
}

#[tokio::test]
async fn a_rejected_submission_gets_a_successor_and_stays_in_history() {
    let app = TestApp::empty().await;
    let first = app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.notifications.settled().await;
    let reason = Prose::parse("No such company").unwrap();
    let issue = RejectionIssue::parse("businessProfile.legalName", "The register has no such name").unwrap();
    decide(&app, &Decision::Reject { reason, issues: vec![issue] }).await;
    let rejected = app.get(KYB).send().await.ok();
    assert_eq!(rejected["status"], "rejected");
    assert_eq!(rejected["submission"]["rejectionReason"], "No such company");
    let issues = json!([{ "path": "businessProfile.legalName", "message": "The register has no such name" }]);
    assert_eq!(rejected["submission"]["rejectionIssues"], issues);
    assert_eq!(rejected["submission"]["accessHoldReason"], "rejected");
    let draft = app.put(DRAFT, &full_form()).send().await.ok();
    assert_ne!(draft["id"], first["id"]);
    assert_eq!(draft["rejectionIssues"], json!([]), "they belong to the submission that was rejected");
    let id = KybId::parse(first["id"].as_str().unwrap()).unwrap();
    let past = app.bundle.table.submission(&app.organization, &id).await.unwrap().unwrap();
    assert_eq!((past.status(), past.rejection_issues().len()), (domain::kyb::Status::Rejected, 1));
    assert_eq!(app.get(KYB).send().await.ok()["status"], "draft");
}

#[tokio::test]
async fn a_hold_shows_until_it_is_lifted() {
    let app = TestApp::empty().await;
    let at = domain::Timestamp::parse("2026-07-01T00:00:00.000Z").unwrap();
    let hold = domain::organization::Hold { at, reason: domain::organization::HoldReason::Rejected };
    app.bundle.table.set_hold(&app.organization, Some(&hold)).await.unwrap();
    let draft = app.put(DRAFT, &full_form()).send().await.ok();
    assert_eq!(draft["accessHoldAt"], "2026-07-01T00:00:00.000Z");
    assert_eq!(draft["accessHoldReason"], "rejected");
}

#[tokio::test]
async fn the_sms_brand_prefills_the_form_and_what_it_lacks_is_empty() {
    let brand = domain::kyb::Brand {
        company_name: "Acme LLC".into(),
        ein: "12-3456789".into(),
        first_name: "Ada".into(),
        last_name: "Park".into(),
        country: "US".into(),
        ..domain::kyb::Brand::default()
    };
    let app = TestApp::with(World { brand: Some(brand), ..World::default() }).await;
    let prefill = &app.get(KYB).send().await.ok()["prefill"];
    assert_eq!(prefill["businessProfile"]["legalName"], "Acme LLC");
    assert_eq!(prefill["businessProfile"]["registrationId"], "12-3456789");
    assert_eq!(prefill["authorizedRepresentative"]["name"], "Ada Park");
    for empty in ["displayName", "entityType", "website", "useCase", "expectedUsage"] {
        assert_eq!(prefill["businessProfile"][empty], "", "{empty}");
    }
    for empty in ["street", "city", "state", "postalCode"] {
        assert_eq!(prefill["businessProfile"]["address"][empty], "", "{empty}");
    }
    assert_eq!(prefill["authorizedRepresentative"]["title"], "");
    assert_eq!(prefill["authorizedRepresentative"]["email"], "");
}

#[tokio::test]
async fn a_verification_is_its_organizations_own() {
    let app = TestApp::empty().await;
    app.put(DRAFT, &full_form()).send().await.ok();
    let stranger = app.stranger(approved()).await;
    let overview = app.get(KYB).key(&stranger).send().await.ok();
    assert_eq!(overview["status"], "approved");
    assert!(!overview.to_string().contains("Acme Voice Inc"));
}

#[tokio::test]
async fn racing_submissions_make_one_and_the_rest_are_told_it_is_under_review() {
    let app = std::sync::Arc::new(TestApp::empty().await);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.post(SUBMIT, &full_form()).send().await })
        })
        .collect();
    let mut accepted = 0;
    for call in calls {
        let answer = call.await.unwrap();
        if answer.status == 200 {
            accepted += 1;
        } else {
            answer.refused(409, "KYB_UNDER_REVIEW");
        }
    }
    assert_eq!(accepted, 1);
    app.bundle.notifications.settled().await;
    assert_eq!(app.bundle.slack.messages().len(), 1);
}
