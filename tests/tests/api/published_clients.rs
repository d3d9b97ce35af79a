//! What clients that were generated from the published description send, and what they need to find in each answer:
//! newer ones send more than we know, some send null for what is not set, and all of them decode strictly.

use domain::Timestamp;
use local::seed::World;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tests::{Answer, Call, TestApp, approved};

const NUMBERS: &str = "/v1/phone-numbers";
const AVAILABLE: &str = "/v1/phone-numbers/available";
const IMPORT: &str = "/v1/phone-numbers/import";
const KYB: &str = "/v1/phone-numbers/kyb";
const DRAFT: &str = "/v1/phone-numbers/kyb/draft";
const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";
const MANAGED: &str = "+14155550142";
const OWN: &str = "+442071838750";

#[tokio::test]
async fn a_purchase_with_only_what_is_required_is_a_whole_row() {
    let app = TestApp::approved().await;
    let row: PhoneNumber = decode(send(&app, Method::POST, NUMBERS, &json!({ "e164": MANAGED })).await);
    assert_eq!((row.source, row.direction), (Source::Managed, Direction::Outbound));
    assert_eq!((row.e164.0.as_str(), row.label, row.agent_id), (MANAGED, None, None));
    assert!(row.provider_resource_id.is_some() && row.telnyx_phone_number_id == row.provider_resource_id);
    assert!(row.last_charged_at.is_some() && row.suspended_at.is_none());
}

#[tokio::test]
async fn optional_fields_of_a_purchase_may_be_null_and_unknown_ones_are_ignored() {
    let app = TestApp::approved().await;
    let nulls = json!({
        "e164": MANAGED, "direction": null, "dispatchMetadataTemplate": null, "label": null, "agentId": null,
        "smsAutomationEnabled": true, "voice": { "ring": [1, 2] },
    });
    let row: PhoneNumber = decode(send(&app, Method::POST, NUMBERS, &nulls).await);
    assert_eq!((row.direction, row.dispatch_metadata_template), (Direction::Outbound, None));
    let template = json!({ "intent": { "language": "en" }, "systemPrompt": "You answer for {{company}}." });
    let full = json!({
        "e164": "+14155550143", "direction": "both", "dispatchMetadataTemplate": template, "label": "Sales line",
        "agentId": "agent_1",
    });
    let row: PhoneNumber = decode(send(&app, Method::POST, NUMBERS, &full).await);
    assert_eq!(row.dispatch_metadata_template, template.as_object().cloned());
    assert_eq!((row.label.as_deref(), row.agent_id.as_deref()), (Some("Sales line"), Some("agent_1")));
    assert_eq!(row.setup_status.status, SetupState::Ready);
}

#[tokio::test]
async fn an_import_may_leave_out_or_null_either_trunk() {
    let app = TestApp::approved().await;
    let connection = json!({
        "e164": OWN, "sipConnectionInstallationId": "sip_up", "sipTrunkId": null, "sipProviderName": null,
        "direction": "inbound", "dispatchMetadataTemplate": null, "label": null, "agentId": null, "region": "eu",
    });
    let row: PhoneNumber = decode(send(&app, Method::POST, IMPORT, &connection).await);
    assert_eq!((row.source, row.sip_trunk_id), (Source::SipTrunk, None));
    assert_eq!(row.sip_connection_installation_id.as_deref(), Some("sip_up"));
    assert!(row.setup_status.forwarding_required && !row.setup_status.issues.is_empty());
    assert_eq!(row.last_charged_at, None, "it is free, and yet the next charge is a time");
    let legacy = json!({ "e164": "+442071838751", "sipConnectionInstallationId": null, "sipTrunkId": "ST_9" });
    let row: PhoneNumber = decode(send(&app, Method::POST, IMPORT, &legacy).await);
    assert_eq!((row.sip_trunk_id.as_deref(), row.sip_connection_installation_id), (Some("ST_9"), None));
}

#[tokio::test]
async fn the_list_is_a_bare_array_of_whole_rows() {
    let app = TestApp::approved().await;
    let none: Vec<PhoneNumber> = decode(send(&app, Method::GET, NUMBERS, &Value::Null).await);
    assert!(none.is_empty());
    app.buy(MANAGED).send().await.ok();
    app.import(OWN).send().await.ok();
    let in_doubt: PhoneNumber = decode(app.buy("+14155550202").send().await);
    assert_eq!(in_doubt.setup_status.status, SetupState::ActionRequired);
    let rows: Vec<PhoneNumber> = decode(send(&app, Method::GET, NUMBERS, &Value::Null).await);
    assert_eq!(rows.len(), 3);
    for row in rows {
        let again: PhoneNumber = decode(send(&app, Method::GET, &path(&row.id), &Value::Null).await);
        assert_eq!(again.id, row.id);
    }
}

#[tokio::test]
async fn a_suspended_number_is_still_a_whole_row() {
    let app = TestApp::approved().await;
    app.buy(MANAGED).send().await.ok();
    let at = Timestamp::parse("2026-07-01T00:00:00.000Z").unwrap();
    let hold = domain::organization::Hold { at, reason: domain::organization::HoldReason::Rejected };
    app.bundle.table.set_hold(&app.organization, Some(&hold)).await.unwrap();
    let rows: Vec<PhoneNumber> = decode(send(&app, Method::GET, NUMBERS, &Value::Null).await);
    assert_eq!(rows[0].setup_status.status, SetupState::Suspended);
    assert!(rows[0].suspended_at.is_some());
}

#[tokio::test]
async fn an_update_sets_clears_and_ignores_what_it_does_not_know() {
    let app = TestApp::approved().await;
    let row: PhoneNumber = decode(app.buy(MANAGED).send().await);
    let link = json!({ "direction": "inbound", "label": "Desk", "agentId": "agent_1", "smsAutomationEnabled": null });
    let row: PhoneNumber = decode(send(&app, Method::PATCH, &path(&row.id), &link).await);
    assert_eq!((row.direction, row.agent_id.as_deref()), (Direction::Inbound, Some("agent_1")));
    let unlink = json!({ "agentId": null, "label": null, "dispatchMetadataTemplate": null });
    let row: PhoneNumber = decode(send(&app, Method::PATCH, &path(&row.id), &unlink).await);
    assert_eq!((row.direction, row.agent_id, row.label), (Direction::Inbound, None, None));
}

#[tokio::test]
async fn a_release_reads_released() {
    let app = TestApp::approved().await;
    let bought: PhoneNumber = decode(app.buy(MANAGED).send().await);
    let imported: PhoneNumber = decode(app.import(OWN).send().await);
    for row in [bought, imported] {
        let answer = send(&app, Method::DELETE, &path(&row.id), &Value::Null).await;
        assert_eq!(answer.body, json!({ "released": true }));
        let released: Released = decode(answer);
        assert!(released.released);
    }
}

#[tokio::test]
async fn a_search_is_a_bare_array_of_whole_offers() {
    let app = TestApp::approved().await;
    for query in ["", "?areaCode=415", "?areaCode=415&limit=3", "?locality=San+Francisco", "?locality=San%20Francisco"]
    {
        let offers: Vec<Offer> = decode(send(&app, Method::GET, &format!("{AVAILABLE}{query}"), &Value::Null).await);
        assert!(!offers.is_empty(), "{query}");
        assert!(offers.iter().all(|offer| offer.monthly_cost_usd > 0.0 && offer.upfront_cost_usd > 0.0), "{query}");
    }
}

#[tokio::test]
async fn the_overview_is_whole_with_and_without_a_submission_or_a_brand() {
    let app = TestApp::empty().await;
    let overview: Overview = decode(send(&app, Method::GET, KYB, &Value::Null).await);
    assert_eq!(overview.status, OverviewStatus::Missing);
    assert!(overview.submission.is_none() && overview.prefill.is_none());
    // A brand of which nothing is known: every text is there all the same.
    let branded = app.stranger(World { brand: Some(domain::kyb::Brand::default()), ..World::default() }).await;
    let overview: Overview = decode(app.get(KYB).key(&branded).send().await);
    let prefill = overview.prefill.expect("a prefill");
    assert_eq!(prefill.business_profile.address.postal_code, "");
    assert_eq!(prefill.authorized_representative.email, "");
    assert_eq!(prefill.authorized_representative.phone, None);
    // A short form that was approved.
    let verified = app.stranger(approved()).await;
    let overview: Overview = decode(app.get(KYB).key(&verified).send().await);
    assert_eq!(overview.status, OverviewStatus::Approved);
    assert!(overview.submission.expect("a submission").business_profile.is_none());
}

#[tokio::test]
async fn a_draft_may_leave_the_attestation_and_every_optional_field_out() {
    let app = TestApp::empty().await;
    for attestation in [None, Some(Value::Null), Some(json!(false)), Some(json!(true))] {
        let mut form = full_form();
        let accepted = attestation == Some(json!(true));
        match attestation {
            Some(value) => form["attestationAccepted"] = value,
            None => drop(form.as_object_mut().and_then(|form| form.remove("attestationAccepted"))),
        }
        let draft: Submission = decode(send(&app, Method::PUT, DRAFT, &form).await);
        assert_eq!((draft.status, draft.attestation_accepted), (SubmissionStatus::Draft, accepted));
        assert_eq!(draft.slack_notification_status, NotificationStatus::NotQueued);
        assert_eq!((draft.attested_at, draft.submitted_at), (None, None));
        assert_eq!(draft.business_profile.expect("a profile").legal_name, "Acme Voice Inc");
    }
    let overview: Overview = decode(send(&app, Method::GET, KYB, &Value::Null).await);
    assert_eq!(overview.status, OverviewStatus::Draft);
}

#[tokio::test]
async fn the_full_form_may_carry_nulls_and_fields_of_newer_clients() {
    let app = TestApp::empty().await;
    let mut form = full_form();
    form["attestationVersion"] = Value::Null;
    form["declaration"] = Value::Null;
    form["attestor"] = json!({ "kind": "user", "userId": "user_1" });
    let submission: Submission = decode(send(&app, Method::POST, SUBMIT, &form).await);
    assert_eq!((submission.status, submission.attestation_accepted), (SubmissionStatus::Submitted, true));
    assert!(submission.attested_at.is_some() && submission.submitted_at.is_some());
    assert_eq!(submission.slack_notification_status, NotificationStatus::Queued);
    assert!(submission.slack_notification_job_id.is_some());
    let representative = submission.authorized_representative.expect("a representative");
    assert_eq!((representative.name.as_str(), representative.phone), ("Ada Park", None));
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn the_short_form_of_newer_clients_is_taken_with_the_version_that_they_were_shown() {
    let app = TestApp::empty().await;
    let shown: Value = decode(send(&app, Method::GET, KYB, &Value::Null).await);
    let form = json!({
        "declaration": { "businessName": "Acme Voice Inc", "useCase": "Opted-in reminders" },
        "attestationAccepted": true, "attestationVersion": shown["requiredAttestation"]["version"],
    });
    let submission: Submission = decode(send(&app, Method::POST, SUBMIT, &form).await);
    assert_eq!(submission.status, SubmissionStatus::Submitted);
    assert!(submission.business_profile.is_none() && submission.authorized_representative.is_none());
    app.bundle.notifications.settled().await;
    let overview: Overview = decode(send(&app, Method::GET, KYB, &Value::Null).await);
    assert_eq!(overview.submission.expect("a submission").id, submission.id);
}

#[tokio::test]
async fn failures_have_a_sentence_and_a_code_at_the_top() {
    let app = TestApp::empty().await;
    let unknown = path("pn_01kwdfkd000000000000000001");
    let calls = [
        (app.get(NUMBERS).authorization(None), 401, "UNAUTHORIZED"),
        (app.post(NUMBERS, &json!({ "e164": "x" })), 400, "VALIDATION_ERROR"),
        (app.buy(MANAGED), 403, "PHONE_NUMBER_KYB_REQUIRED"),
        (app.get(&unknown), 404, "NOT_FOUND"),
        (app.get("/v1/phone-numbers/%2E%2E%2Fkyb"), 404, "NOT_FOUND"),
        (app.patch(&unknown, &json!({})), 404, "NOT_FOUND"),
        (app.delete(&unknown), 404, "NOT_FOUND"),
        (app.get(&format!("{AVAILABLE}?areaCode=1")), 400, "VALIDATION_ERROR"),
    ];
    for (call, status, code) in calls {
        let answer = call.send().await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let failure: Failure = serde_json::from_str(&answer.text).expect("an error");
        assert!(failure.code == code && !failure.error.is_empty(), "{}", answer.text);
    }
}

/// Calls as a client does: with a content type even where there is no body, and a name of its own.
async fn send(app: &TestApp, method: Method, path: &str, body: &Value) -> Answer {
    let call: Call = app.call(method, path).header("user-agent", "published-client/0.5.4");
    let call = if body.is_null() { call.header("content-type", "application/json") } else { call.json(body) };
    call.send().await
}

/// What a strict client makes of a success.
#[track_caller]
fn decode<T: DeserializeOwned>(answer: Answer) -> T {
    assert!(answer.header("content-type").starts_with("application/json"));
    let text = answer.text.clone();
    answer.ok();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn path(id: &str) -> String {
    format!("{NUMBERS}/{id}")
}

/// The full form with every optional field null.
fn full_form() -> Value {
    let mut form = tests::full_form();
    form["businessProfile"]["registrationId"] = Value::Null;
    form["authorizedRepresentative"]["phone"] = Value::Null;
    form
}

/// Must be there, and may be null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// A time as clients parse it.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Moment(Timestamp);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let at = Timestamp::parse(&text).map_err(|_| format!("not a time: {text}"))?;
        let exact = at.to_string() == text && text.len() == "2026-07-01T00:00:00.000Z".len() && text.ends_with('Z');
        if exact { Ok(Self(at)) } else { Err(format!("not in UTC with milliseconds: {text}")) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct E164(String);

impl TryFrom<String> for E164 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix('+').map(str::as_bytes) {
            Some([b'1'..=b'9', rest @ ..]) if (6..=14).contains(&rest.len()) && rest.iter().all(u8::is_ascii_digit) => {
                Ok(Self(text))
            }
            _ => Err(format!("not in E.164 form: {text}")),
        }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Managed,
    SipTrunk,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Inbound,
    Outbound,
    Both,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SetupState {
    Ready,
    ActionRequired,
    Suspended,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SmsAssignmentStatus {
    FailedAssignment,
    PendingAssignment,
    Assigned,
    PendingUnassignment,
    FailedUnassignment,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that they decode is the check")]
struct PhoneNumber {
    id: String,
    organization_id: String,
    e164: E164,
    source: Source,
    #[serde(deserialize_with = "nullable")]
    provider_resource_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    telnyx_phone_number_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    sip_trunk_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    sip_connection_installation_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    sip_provider_name: Option<String>,
    direction: Direction,
    #[serde(deserialize_with = "nullable")]
    dispatch_metadata_template: Option<serde_json::Map<String, Value>>,
    #[serde(deserialize_with = "nullable")]
    agent_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    label: Option<String>,
    #[serde(deserialize_with = "nullable")]
    sms10dlc_profile_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    sms_campaign_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    sms_assignment_status: Option<SmsAssignmentStatus>,
    #[serde(deserialize_with = "nullable")]
    sms_assignment_updated_at: Option<Moment>,
    setup_status: SetupStatus,
    next_charge_at: Moment,
    #[serde(deserialize_with = "nullable")]
    last_charged_at: Option<Moment>,
    #[serde(deserialize_with = "nullable")]
    suspended_at: Option<Moment>,
    created_at: Moment,
    updated_at: Moment,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, clippy::struct_excessive_bools, reason = "that they decode is the check")]
struct SetupStatus {
    status: SetupState,
    inbound_ready: bool,
    outbound_ready: bool,
    agent_ready: bool,
    forwarding_required: bool,
    sip_connection_ready: bool,
    issues: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that they decode is the check")]
struct Offer {
    e164: E164,
    friendly_name: String,
    monthly_cost_usd: f64,
    upfront_cost_usd: f64,
    features: Vec<String>,
    region: Region,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that they decode is the check")]
struct Region {
    #[serde(deserialize_with = "nullable")]
    state: Option<String>,
    #[serde(deserialize_with = "nullable")]
    locality: Option<String>,
    #[serde(deserialize_with = "nullable")]
    rate_center: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Released {
    released: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OverviewStatus {
    Missing,
    Draft,
    Submitted,
    Approved,
    Rejected,
    Revoked,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubmissionStatus {
    Draft,
    Submitted,
    Approved,
    Rejected,
    Revoked,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NotificationStatus {
    NotQueued,
    Queued,
    EnqueueFailed,
}

#[derive(Debug, Deserialize)]
struct Overview {
    status: OverviewStatus,
    #[serde(deserialize_with = "nullable")]
    submission: Option<Submission>,
    #[serde(deserialize_with = "nullable")]
    prefill: Option<Prefill>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prefill {
    business_profile: BusinessProfile,
    authorized_representative: Representative,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that they decode is the check")]
struct Submission {
    id: String,
    organization_id: String,
    status: SubmissionStatus,
    #[serde(deserialize_with = "nullable")]
    business_profile: Option<BusinessProfile>,
    #[serde(deserialize_with = "nullable")]
    authorized_representative: Option<Representative>,
    attestation_accepted: bool,
    #[serde(deserialize_with = "nullable")]
    attested_at: Option<Moment>,
    #[serde(deserialize_with = "nullable")]
    submitted_at: Option<Moment>,
    #[serde(deserialize_with = "nullable")]
    rejection_reason: Option<String>,
    slack_notification_status: NotificationStatus,
    #[serde(deserialize_with = "nullable")]
    slack_notification_job_id: Option<String>,
    #[serde(deserialize_with = "nullable")]
    slack_notification_error: Option<String>,
    created_at: Moment,
    updated_at: Moment,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that they decode is the check")]
struct BusinessProfile {
    legal_name: String,
    display_name: String,
    entity_type: String,
    country: String,
    #[serde(deserialize_with = "nullable")]
    registration_id: Option<String>,
    website: String,
    address: Address,
    use_case: String,
    expected_usage: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "that they decode is the check")]
struct Address {
    street: String,
    city: String,
    state: String,
    postal_code: String,
    country: String,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "that they decode is the check")]
struct Representative {
    name: String,
    title: String,
    email: String,
    #[serde(deserialize_with = "nullable")]
    phone: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    error: String,
    code: String,
}
