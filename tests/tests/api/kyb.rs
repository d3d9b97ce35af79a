//! `/v1/phone-numbers/kyb`, `/v1/phone-numbers/kyb/draft`, `/v1/phone-numbers/kyb/submit`

use domain::api_key::Scope;
use domain::audit::Actor;
use domain::kyb::{Brand, Decision, RejectionIssue, Review};
use domain::organization::PurchasePolicy;
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
    let mut overview = app.get(KYB).send().await.ok();
    let attestation = overview["requiredAttestation"].take();
    assert_eq!(
        overview,
        json!({
            "status": "missing", "submission": null, "prefill": null, "declarationPrefill": null,
            "requiredAttestation": null, "attestationRequired": true, "complianceAccess": "awaiting_attestation",
        })
    );
    assert!(attestation["text"].as_str().is_some_and(|text| text.contains("authorized")));
    assert_eq!((&attestation["termsVersion"], &attestation["termsUrl"]), (&json!(""), &json!("")));
}

#[tokio::test]
async fn the_overview_names_the_operators_terms_and_what_the_verification_allows() {
    let parameters = [("TermsVersion", "2026-09"), ("TermsUrl", "https://example.com/terms")];
    let parameters = parameters.map(|(name, value)| (name, value.to_owned())).into();
    let app = TestApp::start(World::default(), local::Options { parameters, ..local::Options::default() }).await;
    let access = async || app.get(KYB).send().await.ok()["complianceAccess"].as_str().unwrap().to_owned();
    let attestation = app.get(KYB).send().await.ok()["requiredAttestation"].clone();
    assert_eq!(attestation["termsUrl"], "https://example.com/terms");
    assert_eq!(attestation["termsVersion"], "2026-09");
    assert_eq!(access().await, "awaiting_attestation");
    let submitted = app.post(SUBMIT, &full_form()).send().await.ok();
    assert_eq!(submitted["attestor"], json!({ "kind": "api_key", "apiKeyId": submitted["submittedByApiKeyId"] }));
    app.bundle.notifications.settled().await;
    assert_eq!(access().await, "awaiting_attestation");
    app.bundle.table.set_purchase_policy(&app.organization, Some(PurchasePolicy::Submitted)).await.unwrap();
    assert_eq!(access().await, "enabled", "the operator trusts this organization first");
    app.bundle.table.set_purchase_policy(&app.organization, None).await.unwrap();
    decide(&app, &Decision::Approve).await;
    let overview = app.get(KYB).send().await.ok();
    assert_eq!((&overview["complianceAccess"], &overview["attestationRequired"]), (&json!("enabled"), &json!(false)));
    decide(&app, &Decision::Revoke { reason: Prose::parse("No").unwrap() }).await;
    let overview = app.get(KYB).send().await.ok();
    assert_eq!((&overview["complianceAccess"], &overview["attestationRequired"]), (&json!("suspended"), &json!(true)));
}

#[tokio::test]
async fn whoever_was_turned_down_and_submitted_anew_is_told_to_wait() {
    let app = TestApp::empty().await;
    app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.notifications.settled().await;
    decide(&app, &Decision::Reject { reason: Prose::parse("No").unwrap(), issues: Vec::new() }).await;
    let told = async || app.buy("+14155550142").send().await.refused(403, "PHONE_NUMBER_KYB_SUSPENDED");
    assert!(told().await["error"].as_str().unwrap().contains("submit a new one"));
    app.post(SUBMIT, &full_form()).send().await.ok();
    app.bundle.notifications.settled().await;
    let sentence = told().await["error"].as_str().unwrap().to_owned();
    assert!(sentence.contains("wait for its outcome") && !sentence.contains("submit a new"), "{sentence}");
}

#[tokio::test]
async fn a_draft_may_be_incomplete_and_a_submission_may_not() {
    let app = TestApp::empty().await;
    let draft = app.put(DRAFT, &json!({ "businessProfile": { "legalName": "Acme" } })).send().await.ok();
    let profile = json!({
        "legalName": "Acme", "displayName": "", "entityType": "", "country": "", "registrationId": null, "website": "",
        "address": { "street": "", "city": "", "state": "", "postalCode": "", "country": "" },
        "useCase": "", "expectedUsage": "",
    });
    assert_eq!(draft["businessProfile"], profile);
    let nobody = json!({ "name": "", "title": "", "email": "", "phone": null });
    assert_eq!(draft["authorizedRepresentative"], nobody);
    assert_eq!(app.get(KYB).send().await.ok()["submission"], draft, "the overview shows what is missing");
    let mut form = json!({ "businessProfile": profile, "authorizedRepresentative": nobody });
    let again = app.put(DRAFT, &form).send().await.ok();
    assert_eq!((&again["businessProfile"], &again["updatedAt"]), (&draft["businessProfile"], &draft["updatedAt"]));
    for empty in [json!({}), json!({ "businessProfile": {} }), json!({ "authorizedRepresentative": null })] {
        assert_eq!(app.put(DRAFT, &empty).send().await.ok()["businessProfile"]["legalName"], "");
    }
    form["attestationAccepted"] = json!(true);
    form["businessProfile"]["address"]["country"] = json!("US");
    app.post(SUBMIT, &form).send().await.invalid(&[
        "businessProfile.displayName",
        "businessProfile.entityType",
        "businessProfile.country",
        "businessProfile.website",
        "businessProfile.address.street",
        "businessProfile.address.city",
        "businessProfile.address.state",
        "businessProfile.address.postalCode",
        "businessProfile.useCase",
        "businessProfile.expectedUsage",
        "authorizedRepresentative.name",
        "authorizedRepresentative.title",
        "authorizedRepresentative.email",
    ]);
    let submitted = app.post(SUBMIT, &full_form()).send().await.ok();
    assert_eq!(submitted["id"], draft["id"]);
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn what_the_overview_prefills_can_be_saved_and_submitted_once_the_rest_is_filled_in() {
    let brand = Brand {
        company_name: "Acme LLC".into(),
        display_name: "Acme".into(),
        entity_type: "PRIVATE_PROFIT".into(),
        ein: "123456789".into(),
        website: "www.example.org".into(),
        street: "1 Main St\r\nSuite 5".into(),
        city: "Springfield".into(),
        state: "IL".into(),
        postal_code: "62701".into(),
        country: "us".into(),
        email: "ada@example.org".into(),
        phone: "(415) 555-0100".into(),
        ..Brand::default()
    };
    let app = TestApp::with(World { brand: Some(brand), ..World::default() }).await;
    let overview = app.get(KYB).send().await.ok();
    assert_eq!(overview["declarationPrefill"], json!({ "businessName": "Acme LLC", "useCase": "" }));
    let mut form = overview["prefill"].clone();
    // Where the published description has a phone, it has an E.164 number; no form would take what the brand has.
    assert_eq!(form["authorizedRepresentative"]["phone"], Value::Null);
    let draft = app.put(DRAFT, &form).send().await.ok();
    assert_eq!(draft["businessProfile"]["website"], "https://www.example.org");
    assert_eq!(draft["businessProfile"]["address"]["street"], "1 Main St, Suite 5");
    assert_eq!(draft["businessProfile"]["address"]["country"], "US");
    assert_eq!(draft["authorizedRepresentative"]["phone"], Value::Null);
    for (object, field) in [("businessProfile", "useCase"), ("businessProfile", "expectedUsage")] {
        form[object][field] = json!("Reminders");
    }
    for field in ["name", "title"] {
        form["authorizedRepresentative"][field] = json!("Ada Park");
    }
    app.put(DRAFT, &form).send().await.ok();
    form["attestationAccepted"] = json!(true);
    assert_eq!(app.post(SUBMIT, &form).send().await.ok()["status"], "submitted");
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn an_address_is_as_its_country_has_them() {
    let app = TestApp::empty().await;
    let submit = async |country: &str, state: Value, postal_code: Value| {
        let key = app.stranger(World::default()).await;
        let mut form = full_form();
        form["businessProfile"]["address"] = json!({
            "street": "1 Queen's Road\nFloor 5", "city": "City", "state": state, "postalCode": postal_code, "country": country,
        });
        app.post(SUBMIT, &form).key(&key).send().await
    };
    for (country, state, postal_code) in [
        ("HK", json!(""), json!("")),
        ("AE", json!(""), Value::Null),
        (" sg ", json!(" "), json!("018956")),
        ("DE", json!("\u{200b}"), json!("10115")),
    ] {
        let address = submit(country, state, postal_code.clone()).await.ok()["businessProfile"]["address"].clone();
        assert_eq!(address["state"], "", "{country}");
        assert_eq!(address["postalCode"], postal_code.as_str().unwrap_or_default(), "{country}");
        assert_eq!(address["street"], "1 Queen's Road, Floor 5");
    }
    for (country, missing) in
        [("US", vec!["state", "postalCode"]), ("SG", vec!["postalCode"]), ("DE", vec!["postalCode"])]
    {
        let paths: Vec<_> = missing.iter().map(|part| format!("businessProfile.address.{part}")).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        submit(country, json!(""), json!("")).await.invalid(&paths);
    }
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn a_text_of_which_nothing_is_seen_is_blank() {
    let app = TestApp::empty().await;
    let mut form = full_form();
    form["businessProfile"]["legalName"] = json!("\u{200b}");
    form["businessProfile"]["useCase"] = json!("\u{feff}\u{2060}");
    form["businessProfile"]["registrationId"] = json!("\u{ad}");
    form["authorizedRepresentative"]["phone"] = json!("");
    app.post(SUBMIT, &form).send().await.invalid(&["businessProfile.legalName", "businessProfile.useCase"]);
    let draft = app.put(DRAFT, &form).send().await.ok();
    assert_eq!(
        (&draft["businessProfile"]["legalName"], &draft["businessProfile"]["registrationId"]),
        (&json!(""), &Value::Null)
    );
}

#[tokio::test]
async fn nobody_agrees_to_a_wording_that_was_not_shown() {
    let app = TestApp::empty().await;
    let current = app.get(KYB).send().await.ok()["requiredAttestation"]["version"].as_str().unwrap().to_owned();
    for form in [full_form(), short_form()] {
        for version in [json!("1999-01-01"), json!("anything"), json!("")] {
            let mut outdated = form.clone();
            outdated["attestationVersion"] = version;
            let answer = app.post(SUBMIT, &outdated).send().await;
            assert!(answer.body["error"].as_str().unwrap().contains(&current), "{}", answer.text);
            assert!(answer.body["issues"][0]["message"].as_str().unwrap().contains(&current), "{}", answer.text);
            answer.invalid(&["attestationVersion"]);
        }
    }
    let mut form = full_form();
    form["attestationVersion"] = json!(current);
    assert_eq!(app.post(SUBMIT, &form).send().await.ok()["attestationVersion"], current.as_str());
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn a_registration_id_is_masked_for_a_key_without_compliance() {
    let brand = Brand { ein: "98-7654321".into(), ..Brand::default() };
    let app = TestApp::with(World { brand: Some(brand), ..World::default() }).await;
    app.put(DRAFT, &full_form()).send().await.ok();
    let reader = app.key_with(&[Scope::Read]).await;
    let ids = async |key: &str| {
        let overview = app.get(KYB).key(key).send().await.ok();
        let id = |form: &Value| form["businessProfile"]["registrationId"].as_str().unwrap().to_owned();
        (id(&overview["submission"]), id(&overview["prefill"]))
    };
    assert_eq!(ids(&app.key).await, ("12-3456789".to_owned(), "98-7654321".to_owned()));
    assert_eq!(ids(&reader).await, ("••••6789".to_owned(), "••••4321".to_owned()));
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
    form["attestationVersion"] = app.get(KYB).send().await.ok()["requiredAttestation"]["version"].clone();
    let row = app.post(SUBMIT, &form).send().await.ok();
    assert_eq!(row["declaration"], form["declaration"]);
    assert_eq!((&row["businessProfile"], &row["authorizedRepresentative"]), (&Value::Null, &Value::Null));
    assert_eq!(row["attestationVersion"], form["attestationVersion"]);
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
        "businessProfile.displayName",
        "businessProfile.entityType",
        "businessProfile.country",
        "businessProfile.registrationId",
        "businessProfile.website",
        "businessProfile.address.country",
        "businessProfile.useCase",
        "authorizedRepresentative.email",
        "authorizedRepresentative.phone",
        "attestationAccepted",
    ]);
    let mut form = form;
    form["businessProfile"]["address"]["country"] = json!("US");
    form["attestationAccepted"] = json!(true);
    app.post(SUBMIT, &form).send().await.invalid(&[
        "businessProfile.legalName",
        "businessProfile.displayName",
        "businessProfile.entityType",
        "businessProfile.country",
        "businessProfile.registrationId",
        "businessProfile.website",
        "businessProfile.address.city",
        "businessProfile.address.state",
        "businessProfile.address.postalCode",
        "businessProfile.useCase",
        "businessProfile.expectedUsage",
        "authorizedRepresentative.name",
        "authorizedRepresentative.email",
        "authorizedRepresentative.phone",
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
