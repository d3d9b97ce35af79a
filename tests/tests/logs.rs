//! What is logged: at the most talkative level that there is, and whatever fails, no secret and nothing that a customer
//! or a reviewer has written.
//!
//! OWASP API8:2023 Security Misconfiguration and API3:2023 Broken Object Property Level Authorization (exposure).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::io;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use clients::slack::{SIGNATURE, SigningSecret, Slack, TIMESTAMP, sign};
use clients::telnyx::Telnyx;
use domain::api_key::ApiKey;
use domain::carrier::CarrierNumberId;
use domain::{Clock, E164, OrganizationId, PhoneNumberId};
use local::sandbox::slack::{Failure, Message};
use local::seed::World;
use reqwest::Method;
use runtime::Secret;
use runtime::aws::Account;
use serde_json::{Value, json};
use tests::TestApp;
use tests::dynamo::Weather;
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;

/// All that this process has logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Ear;

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs as the functions do with `LOG_LEVEL=debug`, the libraries beneath them included; on every thread and in every
/// task, the servers' too.
fn listen() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| runtime::logs::start_into(LevelFilter::DEBUG, || Ear));
}

fn log() -> String {
    String::from_utf8(LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
}

/// The lines that tell one of `canaries`: as it is, or as a list of bytes, as Rust shows what is not text.
fn telling(canaries: &[&str]) -> Vec<String> {
    let forms: Vec<_> = canaries
        .iter()
        .flat_map(|canary| [(*canary).to_owned(), format!("{:?}", canary.as_bytes()).replace(['[', ']'], "")])
        .collect();
    let tells = |line: &&str| forms.iter().any(|form| line.contains(form));
    log().lines().filter(tells).map(str::to_owned).collect()
}

#[track_caller]
fn nothing_tells(canaries: &[&str]) {
    let lines = telling(canaries);
    assert!(lines.is_empty(), "{} lines tell a secret, such as {:#?}", lines.len(), lines.first());
}

#[track_caller]
fn was_logged(messages: &[&str]) {
    let log = log();
    let silent: Vec<_> = messages.iter().filter(|message| !log.contains(&format!("\"message\":\"{message}"))).collect();
    assert!(silent.is_empty(), "never logged: {silent:#?}");
}

/// The proof that the tests below can fail.
#[tokio::test]
async fn whatever_is_logged_anywhere_is_heard() {
    listen();
    tokio::spawn(async { tracing::debug!(control.text = "canaryfromatask", "a control") }).await.unwrap();
    std::thread::spawn(|| tracing::info!(control.text = ?Some("canaryfromathread"), "a control")).join().unwrap();
    tracing::warn!(control.bytes = ?b"canaryinbytes".as_slice(), "a control");
    for canary in ["canaryfromatask", "canaryfromathread", "canaryinbytes"] {
        let lines = telling(&[canary]);
        assert_eq!(lines.len(), 1, "{canary}");
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["message"], "a control");
    }
    assert!(std::panic::catch_unwind(|| nothing_tells(&["canaryfromatask"])).is_err());
    nothing_tells(&["canarythatstayssilent"]);
}

const ROBIN: &str = "U0ROBIN";
const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

/// What customers and staff write, in every field that takes text of theirs.
const WRITTEN: [&str; 18] = [
    "CanaryLabel",
    "canarytemplatekey",
    "CanaryTemplateValue",
    "CanaryTrunk",
    "CanaryProvider",
    "CanaryLegalName",
    "CanaryDisplayName",
    "98-7654321",
    "canary-website",
    "CanaryStreet",
    "CanaryCity",
    "CanaryUseCase",
    "CanaryUsage",
    "CanaryPerson",
    "canary.person",
    "CanaryReason",
    "canary-idempotency-key",
    "CanaryInjected",
];

/// The numbers that are bought, imported, searched and written in forms, as far as nobody may know them.
const NUMBERS: [&str; 14] = [
    "4155550142",
    "4155550144",
    "4155550402",
    "4155550404",
    "4155550409",
    "4155550429",
    "4155550500",
    "4155550503",
    "4155550523",
    "2125550177",
    "2125550178",
    "2125550188",
    "2015551239",
    "2125550199",
];

fn form() -> Value {
    json!({
        "businessProfile": {
            "legalName": "CanaryLegalName Inc", "displayName": "CanaryDisplayName", "entityType": "corporation",
            "country": "US", "registrationId": "98-7654321", "website": "https://canary-website.example.com",
            "address": {
                "street": "1 CanaryStreet", "city": "CanaryCity", "state": "IL", "postalCode": "62701", "country": "US",
            },
            "useCase": "CanaryUseCase", "expectedUsage": "CanaryUsage",
        },
        "authorizedRepresentative": {
            "name": "CanaryPerson", "title": "CEO", "email": "canary.person@example.com", "phone": "+12015551239",
        },
        "attestationAccepted": true,
    })
}

fn order(e164: &str) -> Value {
    json!({
        "e164": e164, "label": "CanaryLabel", "direction": "both",
        "dispatchMetadataTemplate": { "canarytemplatekey": "CanaryTemplateValue" },
    })
}

/// Texts where ids, numbers and words belong.
const HOSTILE: [&str; 4] = ["CanaryInjected\n{\"level\":\"ERROR\"}", "+12125550199", "CanaryInjected\u{1b}[31m\0", "%"];

/// Percent-encoded, every byte.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

/// Everything a customer can do, well and badly. What comes of it depends on the weather, and does not matter here.
async fn be_a_customer(app: &TestApp, newcomer: &str, nth: usize) {
    for last in ["0142", "0402", "0404", "0409", "0429", "0500", "0503", "0523"] {
        let call = app.post("/v1/phone-numbers", &order(&format!("+1415555{last}")));
        call.header("idempotency-key", &format!("canary-idempotency-key-{nth}-{last}")).send().await;
    }
    let mut import = order("+12125550177");
    import["sipConnectionInstallationId"] = "sip_up".into();
    import["sipProviderName"] = "CanaryProvider".into();
    app.post("/v1/phone-numbers/import", &import).send().await;
    let legacy = json!({ "e164": "+12125550178", "sipTrunkId": "CanaryTrunk", "sipProviderName": "CanaryProvider" });
    app.post("/v1/phone-numbers/import", &legacy).send().await;
    let listed = app.get("/v1/phone-numbers?e164=%2B12125550188&limit=x&cursor=CanaryInjected").send().await;
    assert!(listed.status >= 400);
    let rows = app.get("/v1/phone-numbers").send().await.body;
    for row in rows.as_array().into_iter().flatten() {
        let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
        let change = json!({ "label": "CanaryLabel", "dispatchMetadataTemplate": { "canarytemplatekey": 1 } });
        app.patch(&path, &change).header("if-match", "\"CanaryInjected\"").send().await;
        app.patch(&path, &change).send().await;
        app.delete(&path).send().await;
    }
    for hostile in HOSTILE {
        let escaped = escaped(hostile);
        for path in ["phone-numbers/", "phone-numbers/available?areaCode=", "phone-numbers?agentId=", ""] {
            app.get(&format!("/v1/{path}{escaped}")).send().await;
        }
        app.call(Method::from_bytes(b"CANARYINJECTED").unwrap(), "/v1/phone-numbers").send().await;
        let body =
            json!({ "e164": hostile, "agentId": hostile, "label": hostile, "sipConnectionInstallationId": hostile });
        app.post("/v1/phone-numbers", &body).send().await;
        app.post("/v1/phone-numbers/import", &body).send().await;
        app.post("/v1/phone-numbers", &body).key(&format!("{}CanaryInjected", app.key)).send().await;
        app.call(Method::POST, "/v1/phone-numbers").text(format!("{{\"CanaryInjected\": {hostile}")).send().await;
    }
    app.get("/v1/phone-numbers/available?areaCode=415&locality=CanaryCity").send().await;
    let key = format!("canary-idempotency-key-{nth}");
    app.put("/v1/phone-numbers/kyb/draft", &form()).key(newcomer).send().await;
    app.post(SUBMIT, &form()).key(newcomer).header("idempotency-key", &key).send().await;
    app.clock.advance(Duration::from_hours(1));
    let _ = app.reconciler.run().await;
}

/// A click, as Slack would sign it now.
async fn interact(app: &TestApp, interaction: &Value, secret: &str) {
    let (body, time) =
        (format!("payload={}", escaped(&interaction.to_string())), app.clock.now().seconds().to_string());
    let signature = sign(secret, &time, body.as_bytes());
    let call = app.call(Method::POST, "/slack/interactions").authorization(None).text(body);
    call.header(TIMESTAMP, &time).header(SIGNATURE, &signature).send().await;
}

/// Everything staff can do with the message, well and badly.
async fn be_staff(app: &TestApp, message: &Message, ids: &[(&str, &str)]) {
    let secret: Value = serde_json::from_str(&app.bundle.slack_secret).unwrap();
    let secret = secret["signingSecret"].as_str().unwrap();
    for (organization, submission) in ids {
        let handle = json!({ "organizationId": organization, "submissionId": submission });
        let click = json!({
            "type": "block_actions", "user": { "id": ROBIN, "name": "CanaryPerson" }, "trigger_id": "CanaryInjected",
            "container": { "type": "message", "channel_id": message.channel, "message_ts": message.ts },
            "actions": [{ "action_id": "reject", "block_id": "verification", "value": handle.to_string() }],
        });
        let mut ticket = handle.clone();
        ticket["channel"] = message.channel.clone().into();
        ticket["ts"] = message.ts.clone().into();
        let reason = json!({ "reason": { "reason": { "value": "CanaryReason" } } });
        let view = json!({
            "callback_id": "rejection", "private_metadata": ticket.to_string(), "state": { "values": reason },
        });
        let form = json!({ "type": "view_submission", "user": { "id": ROBIN, "name": "CanaryPerson" }, "view": view });
        for secret in [secret, "canary-wrong-secret"] {
            interact(app, &json!({ "type": "block_actions", "CanaryInjected": "CanaryInjected" }), secret).await;
            interact(app, &click, secret).await;
            interact(app, &form, secret).await;
        }
    }
}

/// A day of customers and staff under a weather, and what must not be read in its log.
async fn live_through(nth: usize, weather: Weather) {
    let app = TestApp::approved().await;
    app.bundle.slack.fail_next(Failure::Down);
    app.bundle.slack.fail_next(Failure::Error("channel_not_found".to_owned()));
    app.bundle.slack.fail_next(Failure::Error("CanaryInjected said Slack".to_owned()));
    // Keys that were used just now, and something to change, so that a bad weather does not end each call at once.
    let newcomer = app.stranger(World::default()).await;
    app.get("/v1/phone-numbers/kyb").key(&newcomer).send().await.ok();
    app.buy("+14155550144").send().await.ok();
    let unsettled = app.buy("+14155550500").send().await.ok();
    assert_eq!(unsettled["setupStatus"]["status"], "action_required");
    // One submission that staff read in good weather, so that there is something to decide in bad weather.
    let other = app.stranger(World::default()).await;
    let row = app.post(SUBMIT, &form()).key(&other).send().await.ok();
    app.bundle.notifications.settled().await;
    let message = app.bundle.slack.messages().remove(0);

    app.dynamo.set(weather);
    app.bundle.notifications.set_down(nth == 0);
    be_a_customer(&app, &newcomer, nth).await;
    app.bundle.notifications.set_down(false);
    app.bundle.notifications.push(r#"{"organizationId":"CanaryInjected","submissionId":"CanaryInjected"}"#.to_owned());
    app.bundle.notifications.push("CanaryInjected".to_owned());
    app.bundle.notifications.settled().await;
    app.bundle.slack.set_down(nth == 0);
    let own = (row["organizationId"].as_str().unwrap(), row["id"].as_str().unwrap());
    be_staff(&app, &message, &[own, ("CanaryInjected", "CanaryInjected"), ("org_nobody", own.1)]).await;
    app.dynamo.set(Weather::Fair);
    app.bundle.slack.set_down(false);
    app.bundle.notifications.settled().await;

    for key in [&app.key, &other, &newcomer] {
        let hash = ApiKey::parse(key).unwrap().hash().to_string();
        nothing_tells(&[&key[8..40], &key[40..], &hash]);
    }
    nothing_tells(&["CANARYINJECTED", "canaryinjected"]);
    nothing_tells(&WRITTEN);
    nothing_tells(&NUMBERS);
    nothing_tells(&["xoxb-sandbox", "sandbox-signing-secret", "canary-wrong-secret", "Bearer "]);
}

#[tokio::test]
async fn no_secret_and_nothing_that_customers_or_staff_write_is_logged_whatever_fails() {
    listen();
    let weathers = [Weather::Fair, Weather::Contended, Weather::Forgetful, Weather::Down, Weather::Throttled];
    let days = weathers.into_iter().enumerate().map(|(nth, weather)| Box::pin(live_through(nth, weather)));
    futures_util::future::join_all(days).await;
    // Every kind of failure was met, or silence would prove nothing.
    was_logged(&[
        "request answered",
        "beginning attempt #1",
        "request failed: temporary",
        "an order is in doubt",
        "an order in doubt was confirmed by the carrier",
        "the carrier refuses our account: key, permission or money",
        "a submission could not be queued for staff",
        "verification posted to Slack",
        "a verification could not be posted to Slack",
        "Slack refuses to post a verification",
        "a queue message cannot be read",
        "a message went to the dead-letter queue",
        "an interaction from Slack cannot be read",
        "verification decided",
        "a decision may not have been saved",
        "a submission could not be read",
        "the form for a rejection could not be opened",
        "a reviewer could not be told why a click came to nothing",
    ]);
    only_we_log_errors();
}

/// A line at this level calls a person, so no library may log a failure that passes as one. Spans of ours have fields with
/// dotted names only.
#[track_caller]
fn only_we_log_errors() {
    let lines = log();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for line in lines.filter(|line| line["level"] == "ERROR") {
        let within = line["span"].as_object();
        let ours = within.is_none_or(|span| span.keys().all(|name| name == "name" || name.contains('.')));
        assert!(ours, "{line}");
    }
}

/// A service that repeats whatever it is told, in all the places where its answers have text, with any status.
async fn repeater(status: u16, json: bool) -> String {
    async fn repeat(
        State((status, is_json)): State<(u16, bool)>,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let said = format!("CanaryRepeated {uri} {headers:?} {}", String::from_utf8_lossy(&body));
        let text = if is_json {
            let problem = json!({ "code": said, "title": said, "detail": said, "meta": { "url": said } });
            json!({
                "errors": [problem], "data": said, "ok": false, "error": said, "__type": said, "message": said,
                "SecretString": said, "Message": said,
            })
            .to_string()
        } else {
            said
        };
        let status = StatusCode::from_u16(status).unwrap();
        (status, [(header::CONTENT_TYPE, "application/json"), (header::RETRY_AFTER, "CanaryRepeated")], text)
            .into_response()
    }
    serve(Router::new().fallback(repeat).with_state((status, json))).await
}

/// A service that keeps a secret, and hands it out with any status, whole or cut off.
async fn keeper(status: u16, whole: bool) -> String {
    let text = json!({ "Name": "CanarySecretName", "SecretString": "CanarySecretText" }).to_string();
    let text = if whole { text } else { text[..text.len() - 1].to_owned() };
    let answer = move || async move { (StatusCode::from_u16(status).unwrap(), text.clone()) };
    serve(Router::new().fallback(answer)).await
}

async fn serve(service: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// The outcome of a call, logged with all that it holds, as callers of the clients log failures.
fn log_outcome<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: &Result<T, E>) {
    if let Err(error) = outcome {
        tracing::warn!(error.cause = ?error, "a call outside has failed");
    }
}

/// Every status that means something else to one of the clients.
const STATUSES: [u16; 13] = [200, 201, 302, 400, 401, 402, 403, 404, 409, 422, 429, 500, 503];

#[tokio::test]
async fn no_secret_and_no_number_is_logged_when_the_other_side_repeats_them() {
    listen();
    let number = E164::parse("+14155550166").unwrap();
    let (reference, owner) =
        (PhoneNumberId::new(domain::SystemClock.now(), 1), OrganizationId::parse("org_1").unwrap());
    let resource = CarrierNumberId::parse("1293384261075731499").unwrap();
    for (status, is_json) in STATUSES.into_iter().flat_map(|status| [(status, true), (status, false)]) {
        let url = repeater(status, is_json).await;

        let carrier =
            Telnyx::new(&url, Secret::given(r#"{"apiKey":"CanaryCarrierKey","connectionId":"1"}"#), "phone-numbers");
        let search = domain::carrier::Search {
            area_code: Some("415".to_owned()),
            locality: Some("CanaryLocality".to_owned()),
            limit: 1,
        };
        let limits = domain::carrier::PriceLimits { upfront: domain::MicroUsd::ZERO, monthly: domain::MicroUsd::ZERO };
        log_outcome(&carrier.search(&search, limits).await);
        log_outcome(&carrier.still_sells(&number, limits).await);
        log_outcome(&carrier.still_offers(&number).await);
        log_outcome(&carrier.configure(&resource, &owner).await);
        log_outcome(&carrier.standing(&reference, None).await);
        log_outcome(&carrier.find(&number, &reference).await);
        log_outcome(&carrier.find_late(&number, &reference).await);
        log_outcome(&carrier.release(&resource).await);
        log_outcome::<(), _>(&Err(carrier.order(&number, &reference, &owner).await));

        let secret = r#"{"botToken":"xoxb-CanaryToken","channel":"C1","signingSecret":"CanarySigning"}"#;
        let slack = Slack::new(&url, Secret::given(secret));
        log_outcome(&slack.post("CanaryMessage", &json!([{ "text": "CanaryMessage" }])).await);
        log_outcome(&slack.open_view("CanaryTrigger", &json!({ "title": "CanaryMessage" })).await);
        log_outcome(&slack.post_ephemeral("C1", ROBIN, "CanaryMessage").await);

        // It holds the secrets, and what it says of a failure is for whoever runs this: it repeats nothing.
        let account = Account {
            secret_access_key: "CanarySecretAccessKey".to_owned(),
            session_token: Some("CanarySessionToken".to_owned()),
            ..Account::local(keeper(status, is_json).await)
        };
        let secrets = aws_sdk_secretsmanager::Client::new(&account.sdk_config());
        log_outcome(&Secret::stored(secrets, "CanarySecretName".to_owned()).read().await);
    }
    // None of these is what it should be, and each is shown when it is read.
    for secret in ["CanarySecretText", r#"{"apiKey": 7, "botToken": "CanarySecretText", "signingSecret": "CanaryS"#] {
        log_outcome(&Telnyx::new("http://127.0.0.1:9", Secret::given(secret), "t").still_offers(&number).await);
        log_outcome(&Slack::new("http://127.0.0.1:9", Secret::given(secret)).post("CanaryMessage", &json!([])).await);
        let mut headers = HeaderMap::new();
        let now = domain::SystemClock.now();
        headers.insert(TIMESTAMP, now.seconds().into());
        headers.insert(SIGNATURE, sign("CanarySigning", &now.seconds().to_string(), b"").parse().unwrap());
        log_outcome(&SigningSecret::new(Secret::given(secret)).verify(&headers, b"", now).await);
    }
    was_logged(&["a call outside has failed", "the carrier refuses our account: key, permission or money"]);
    nothing_tells(&[
        "CanaryCarrierKey",
        "4155550166",
        "CanaryLocality",
        "CanaryToken",
        "CanarySigning",
        "CanaryMessage",
        "CanaryTrigger",
        "CanarySecretAccessKey",
        "CanarySessionToken",
        "CanarySecretText",
        "CanaryRepeated",
    ]);
}
