//! Drives each function through everything it does.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use clients::slack::{SIGNATURE, TIMESTAMP, sign};
use domain::audit::Actor;
use domain::kyb::{Decision, Review, Status};
use domain::number::Routing;
use domain::{Clock, OrganizationId, PhoneNumberId, SystemClock};
use kyb_notifier::Notifier;
use local::seed::World;
use reconciler::sweep::SweepOrder;
use reconciler::{Reconciler, Report};
use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::faults::Faults;
use tests::permission::Permission;
use tests::{Answer, Call, TestApp};
use tokio::time::Instant;

use crate::deployed::{Started, Surroundings, environment, settings, start};
use crate::gate::{Gate, serve};
use crate::stack::{Function, Stack};

const ACTOR: Actor = Actor::System("tests");
const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

/// Starts a function as the template does and drives it. Returns what it called.
pub(crate) async fn drive(stack: &Stack, function: &Function<'_>) -> BTreeSet<Permission> {
    let faults = Faults::default();
    let app = match function.name.as_str() {
        "imports" => TestApp::struck_by(&faults).await,
        kyb if kyb.starts_with("kyb") => TestApp::empty().await,
        _ => TestApp::approved().await,
    };
    let gate = Gate::start(&app).await;
    let around = Surroundings {
        table_name: app.bundle.table_name.to_owned(),
        aws_url: gate.url.clone(),
        carrier_url: app.bundle.carrier_url.clone(),
        slack_url: format!("{}/api", app.bundle.slack_url),
    };
    let started = start(&function.name, &settings(environment(stack, function, &around)).0).unwrap();
    match (function.name.as_str(), started) {
        ("available", Started::Http(routes)) => available(function_at(app, routes).await).await,
        ("imports", Started::Http(routes)) => imports(function_at(app, routes).await, &faults).await,
        ("kyb", Started::Http(routes)) => kyb(function_at(app, routes).await).await,
        ("kyb-review", Started::Http(routes)) => {
            let told = [announced(&app, &app.key).await, announced(&app, &app.stranger(World::default()).await).await];
            kyb_review(function_at(app, routes).await, &told).await;
        }
        ("numbers", Started::Http(routes)) => {
            let imported = app.import("+12125550142").send().await.ok();
            numbers(function_at(app, routes).await, &imported).await;
        }
        ("kyb-notifier", Started::Notifier(notifier)) => kyb_notifier(&app, &notifier).await,
        ("reconciler", Started::Reconciler(reconciler)) => Box::pin(reconcile(&app, reconciler)).await,
        (unknown, _) => panic!("{} does not say how {unknown} is driven", file!()),
    }
    gate.needed()
}

/// The world, whose calls go to this function from now on.
async fn function_at(mut app: TestApp, routes: axum::Router) -> TestApp {
    app.bundle.base_url = serve(web::serve(routes)).await;
    app
}

async fn available(app: TestApp) {
    app.get("/v1/phone-numbers/available?areaCode=415").send().await.ok();
}

async fn imports(app: TestApp, faults: &Faults) {
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_up", "agentId": "agent_1" });
    let import = |key: &str| app.post("/v1/phone-numbers/import", &body).header("idempotency-key", key);
    import("first").send().await.ok();
    import("first").send().await.ok();
    import("second").send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    let another: Value =
        serde_json::from_str(&body.to_string().replace("0142", "0143").replace("agent_1", "agent_2")).unwrap();
    resumed(&app, || app.post("/v1/phone-numbers/import", &another)).await.ok();
    // A run that dies leaves its work to the next one, which looks for it.
    let third: Value = json!({ "e164": "+12125550144", "sipConnectionInstallationId": "sip_up" });
    let import = || app.post("/v1/phone-numbers/import", &third).header("idempotency-key", "third");
    faults.die_after("table TransactWriteItems", import()).await;
    end_lease(&app, "IDEMPOTENCY#POST#/v1/phone-numbers/import#third").await;
    import().send().await.ok();
}

/// Ends the lease of a run that has died. A deployed function's clock is the machine's, which a test cannot move.
async fn end_lease(app: &TestApp, record: &str) {
    let change = json!({
        "TableName": app.bundle.table_name,
        "Key": { "PK": { "S": format!("ORG#{}", app.organization) }, "SK": { "S": record } },
        "UpdateExpression": "SET leaseUntil = :ended",
        "ExpressionAttributeValues": { ":ended": { "N": "0" } },
    });
    app.dynamo.ask("UpdateItem", &change).await;
}

/// Sends a request whose writes fail, and sends it again with the same key: it looks for what it may have made.
async fn resumed(app: &TestApp, call: impl Fn() -> Call) -> Answer {
    let call = || call().header("idempotency-key", "resumed");
    app.dynamo.set(Weather::NoTransactions);
    call().send().await.refused(503, "BUSY");
    app.dynamo.set(Weather::Fair);
    call().send().await
}

async fn numbers(app: TestApp, imported: &Value) {
    let body = json!({ "e164": "+14155550142", "agentId": "agent_1" });
    let bought = app.post("/v1/phone-numbers", &body).header("idempotency-key", "bought").send().await.ok();
    app.buy("+14155550410").header("idempotency-key", "gone").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    app.buy("+14155550409").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    app.buy("+14155550500").send().await.ok();
    resumed(&app, || app.buy("+14155550143")).await.ok();
    app.get("/v1/phone-numbers").send().await.ok();
    app.get("/v1/phone-numbers?limit=1").send().await.ok();
    let path = |row: &Value| format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    app.get(&path(&bought)).send().await.ok();
    for change in [json!({ "label": "Desk" }), json!({ "agentId": "agent_2" }), json!({ "agentId": null })] {
        app.patch(&path(&bought), &change).send().await.ok();
    }
    app.patch(&path(imported), &json!({ "agentId": "agent_1" })).send().await.ok();
    app.delete(&path(imported)).send().await.ok();
    // The carrier no longer holds any number of this deployment.
    for number in app.bundle.carrier.numbers() {
        let url = format!("{}/phone_numbers/{}", app.bundle.carrier_url, number.id);
        reqwest::Client::new().delete(url).bearer_auth("sandbox").send().await.unwrap();
    }
    app.delete(&path(&bought)).send().await.refused(503, "CARRIER_UNAVAILABLE");
}

fn short_form() -> Value {
    json!({
        "declaration": { "businessName": "Maple Dental", "useCase": "Appointments" }, "attestationAccepted": true,
    })
}

async fn kyb(app: TestApp) {
    app.get("/v1/phone-numbers/kyb").send().await.ok();
    let draft = json!({
        "businessProfile": {
            "legalName": "Maple Dental Inc", "displayName": "Maple", "entityType": "corporation", "country": "US",
            "registrationId": "98-7654321", "website": "https://maple.example.com",
            "address": {
                "street": "1 Main St", "city": "Springfield", "state": "IL", "postalCode": "62701", "country": "US",
            },
            "useCase": "Appointments", "expectedUsage": "100 calls a day",
        },
        "authorizedRepresentative": {
            "name": "Ada Park", "title": "CEO", "email": "ada@maple.example.com", "phone": "+12015551234",
        },
        "attestationAccepted": true,
    });
    app.put("/v1/phone-numbers/kyb/draft", &draft).send().await.ok();
    let submit = |key: &str| app.post(SUBMIT, &short_form()).header("idempotency-key", key);
    submit("first").send().await.ok();
    app.bundle.queue.settled().await;
    submit("second").send().await.refused(409, "KYB_UNDER_REVIEW");
    // What was turned down is kept beside its successor.
    let current = app.bundle.table.verification(&app.organization).await.unwrap().current.unwrap();
    let review = Review { at: app.clock.now(), reviewer_id: "U1".to_owned(), reviewer_email: None };
    let reject = Decision::Reject { reason: domain::Prose::parse("The name is wrong.").unwrap(), issues: Vec::new() };
    app.bundle.table.decide(&app.organization, &current.id, &reject, &review, &ACTOR).await.unwrap();
    resumed(&app, || app.post(SUBMIT, &short_form())).await.ok();
    app.bundle.queue.settled().await;
}

/// Files a verification that the queue has lost.
async fn unannounced(app: &TestApp) -> Value {
    app.bundle.queue.set_down(true);
    let submission = app.post(SUBMIT, &short_form()).send().await.ok();
    app.bundle.queue.set_down(false);
    submission
}

async fn kyb_notifier(app: &TestApp, notifier: &Notifier) {
    let submission = unannounced(app).await;
    let body = json!({ "organizationId": app.organization.as_str(), "submissionId": submission["id"] }).to_string();
    let batch = || -> SqsEvent {
        let record = json!({ "messageId": "1", "body": body, "attributes": {}, "messageAttributes": {} });
        serde_json::from_value(json!({ "Records": [record] })).unwrap()
    };
    for _ in 0..2 {
        assert!(notifier.handle(batch()).await.batch_item_failures.is_empty());
    }
    assert_eq!(app.bundle.slack.messages().len(), 1);
}

/// Submits a verification and returns its id once staff have been told.
async fn announced(app: &TestApp, key: &str) -> String {
    let submission = app.post(SUBMIT, &short_form()).key(key).send().await.ok();
    app.bundle.queue.settled().await;
    let value = json!({ "organizationId": submission["organizationId"], "submissionId": submission["id"] });
    value.to_string()
}

async fn kyb_review(app: TestApp, told: &[String; 2]) {
    let messages = app.bundle.slack.messages();
    let (channel, ts) = (&messages[0].channel, &messages[0].ts);
    let click = |user: &str, action: &str, value: &str| {
        json!({
            "type": "block_actions", "user": { "id": user }, "trigger_id": "1.2", "channel": { "id": channel },
            "container": { "type": "message", "channel_id": channel, "message_ts": ts },
            "actions": [{ "block_id": "verification", "action_id": action, "value": value }],
        })
    };
    for user in ["U1", "U2"] {
        interact(&app, &click(user, "approve", &told[0])).await;
    }
    interact(&app, &click("U1", "reject", &told[1])).await;
    let mut place: Value = serde_json::from_str(&told[1]).unwrap();
    (place["channel"], place["ts"]) = (json!(channel), json!(ts));
    let reason = json!({ "reason": { "reason": { "type": "plain_text_input", "value": "The name is wrong." } } });
    let view = json!({
        "type": "modal", "callback_id": "rejection", "private_metadata": place.to_string(), "state": { "values": reason },
    });
    interact(&app, &json!({ "type": "view_submission", "user": { "id": "U1" }, "view": view })).await;
    for (value, status) in told.iter().zip([Status::Approved, Status::Rejected]) {
        let ids: Value = serde_json::from_str(value).unwrap();
        let organization = OrganizationId::parse(ids["organizationId"].as_str().unwrap()).unwrap();
        let current = app.bundle.table.verification(&organization).await.unwrap().current.unwrap();
        assert_eq!(current.status(), status);
    }
}

/// Calls as Slack does, with the signing secret that the gate gives out.
async fn interact(app: &TestApp, payload: &Value) {
    let body: String =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let now = SystemClock.now().seconds().to_string();
    let call = app.call(reqwest::Method::POST, "/slack/interactions").text(body.clone());
    call.header(SIGNATURE, &sign("sandbox", &now, body.as_bytes())).header(TIMESTAMP, &now).send().await.ok();
}

async fn reconcile(app: &TestApp, reconciler: Reconciler) {
    let reconciler = Reconciler { clock: app.clock.clone(), ..reconciler };
    let strange = TestApp::stranger(app, local::seed::World::default()).await;
    app.bundle.queue.set_down(true);
    app.post(SUBMIT, &short_form()).key(&strange).send().await.ok();
    app.bundle.queue.set_down(false);
    app.buy("+14155550500").send().await.ok();
    app.buy("+14155550505").send().await.ok();
    order_that_fails(app).await;
    let sticky = app.buy("+14155550523").send().await.ok();
    let path = format!("/v1/phone-numbers/{}", sticky["id"].as_str().unwrap());
    app.delete(&path).send().await.refused(503, "CARRIER_UNAVAILABLE");

    app.clock.advance(Duration::from_mins(10));
    let report = reconciler.run().await.unwrap();
    let all = Report { adopted: 1, given_back: 1, waiting: 1, released: 1, queued: 1, ..Report::default() };
    assert_eq!(report, all, "everything that it does has been done");
    app.bundle.queue.settled().await;
    let order = SweepOrder { apply: true, ..SweepOrder::default() };
    let report = reconciler.sweep(&order, Instant::now() + Duration::from_mins(1)).await;
    assert_eq!(serde_json::to_value(&report).unwrap()["complete"], true);
}

/// A purchase whose order fails at the carrier, and which died before it heard.
async fn order_that_fails(app: &TestApp) {
    let id = PhoneNumberId::new(app.clock.now(), rand::random());
    let number = app.begin_purchase(&id, "+14155550409", Routing::default()).await;
    let body = json!({
        "phone_numbers": [{ "phone_number": number.e164.as_str() }], "customer_reference": number.id.as_str(),
    });
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let order = http.post(format!("{}/number_orders", app.bundle.carrier_url)).bearer_auth("sandbox").json(&body);
    assert_eq!(order.send().await.unwrap().status(), 200);
}
