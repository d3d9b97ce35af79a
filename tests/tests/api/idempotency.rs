//! `Idempotency-Key` on the three POST routes.

use std::sync::Arc;
use std::time::Duration;

use domain::audit::Actor;
use domain::idempotency::{IdempotencyKey, KeyedRequest, Made};
use domain::kyb::{Decision, Review};
use domain::number::{PhoneNumber, Routing};
use domain::{Clock, E164, Error, KybId, PhoneNumberId, Prose};
use serde_json::{Value, json};
use table::{Begun, Lease};
use tests::dynamo::Weather;
use tests::faults::Faults;
use tests::{Call, TestApp, approved, full_form};

const NUMBER: &str = "+14155550142";

/// Each route with a body that succeeds once and would be refused or do something else the second time.
fn routes() -> [(&'static str, Value); 3] {
    [
        ("/v1/phone-numbers", json!({ "e164": NUMBER, "agentId": "agent_1" })),
        ("/v1/phone-numbers/import", json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_up" })),
        ("/v1/phone-numbers/kyb/submit", full_form()),
    ]
}

fn keyed(app: &TestApp, path: &str, body: &Value, key: &str) -> Call {
    app.post(path, body).header("idempotency-key", key)
}

/// An organization that may do everything in [`routes`]: approved to buy on submission only, so that it may submit.
async fn app() -> TestApp {
    let options = local::Options::with("PurchasePolicy", "submitted");
    TestApp::start(local::seed::World { approved: false, ..approved() }, options).await
}

#[tokio::test]
async fn a_success_is_given_again_byte_for_byte() {
    let app = app().await;
    for (path, body) in routes().iter().rev() {
        let first = keyed(&app, path, body, "key-1").send().await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (200, ""), "{path}: {}", first.text);
        let again = keyed(&app, path, body, "key-1").send().await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (200, "true"), "{path}");
        assert_eq!((&again.text, again.header("etag")), (&first.text, first.header("etag")), "{path}");
        assert_eq!(again.header("content-type"), "application/json");
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
        app.bundle.notifications.settled().await;
    }
    assert_eq!(app.balance().await, 98_000_000, "one debit");
    assert_eq!(app.bundle.carrier.orders().len(), 1);
    assert_eq!(app.bundle.slack.messages().len(), 1);
    app.check_books().await;
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let app = TestApp::approved().await;
    let (path, body) = &routes()[1];
    keyed(&app, path, body, "key-1").send().await.ok();
    let other = json!({ "e164": "+12125550143", "sipConnectionInstallationId": "sip_up" });
    keyed(&app, path, &other, "key-1").send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    // Another order of the same fields is another body: the raw bytes count.
    let bytes = format!(" {body}");
    let call = app.call(reqwest::Method::POST, path).text(bytes).header("idempotency-key", "key-1");
    call.send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_key_belongs_to_one_organization_and_one_route() {
    let app = TestApp::approved().await;
    let (path, body) = &routes()[1];
    keyed(&app, path, body, "key-1").send().await.ok();
    let buy = keyed(&app, "/v1/phone-numbers", &json!({ "e164": NUMBER }), "key-1").send().await;
    assert_eq!((buy.status, buy.header("idempotency-replayed")), (200, ""));
    let stranger = app.stranger(approved()).await;
    let answer = keyed(&app, path, body, "key-1").key(&stranger).send().await;
    answer.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
}

#[tokio::test]
async fn failures_are_not_kept() {
    let app = TestApp::with(local::seed::World { credits: domain::MicroUsd::ZERO, ..approved() }).await;
    let body = json!({ "e164": NUMBER });
    keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await.refused(402, "INSUFFICIENT_CREDITS");
    app.grant("late", 2_000_000).await;
    let answer = keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await;
    assert_eq!(answer.header("idempotency-replayed"), "");
    answer.ok();
    keyed(&app, "/v1/phone-numbers", &json!({}), "key-2").send().await.invalid(&["e164"]);
    keyed(&app, "/v1/phone-numbers", &json!({ "e164": "+1" }), "key-2").send().await.invalid(&["e164"]);
}

#[tokio::test]
async fn a_malformed_key_is_refused_and_get_routes_do_not_read_it() {
    let app = TestApp::approved().await;
    for bad in ["", "a b", "a#b", "\"", "\"\"", "\"a", &"k".repeat(256)] {
        let body = keyed(&app, "/v1/phone-numbers", &json!({ "e164": NUMBER }), bad).send().await;
        let body = body.refused(400, "VALIDATION_ERROR");
        assert_eq!(body["issues"][0]["path"], "Idempotency-Key", "{bad}");
    }
    app.get("/v1/phone-numbers").header("idempotency-key", "a b").send().await.ok();
}

#[tokio::test]
async fn a_key_in_double_quotes_is_the_same_key() {
    let app = TestApp::approved().await;
    let (path, body) = &routes()[1];
    let row = keyed(&app, path, body, "8e03978e/a.b+c=").send().await.ok();
    let again = keyed(&app, path, body, "\"8e03978e/a.b+c=\"").send().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(), row);
}

#[tokio::test]
async fn answers_are_given_again_for_a_day() {
    let app = TestApp::approved().await;
    let (path, body) = &routes()[1];
    let row = keyed(&app, path, body, "key-1").send().await.ok();
    app.clock.advance(Duration::from_hours(24) - Duration::from_mins(1));
    assert_eq!(keyed(&app, path, body, "key-1").send().await.ok(), row);
    app.clock.advance(Duration::from_mins(2));
    keyed(&app, path, body, "key-1").send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
}

/// Starts a purchase whose order the carrier takes but never answers, and returns once it is there.
async fn stuck_purchase(app: &Arc<TestApp>, body: &Value) -> tokio::task::JoinHandle<tests::Answer> {
    let running = {
        let (app, body) = (app.clone(), body.clone());
        tokio::spawn(async move { keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await })
    };
    while app.bundle.carrier.orders().is_empty() {
        tokio::task::yield_now().await;
    }
    running
}

#[tokio::test]
async fn a_request_that_is_still_running_asks_to_come_again() {
    let app = Arc::new(TestApp::approved().await);
    let body = json!({ "e164": "+14155550504" });
    let running = stuck_purchase(&app, &body).await;
    let answer = keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await;
    assert_eq!(answer.header("retry-after"), "35", "by then it has been answered, or its key is free");
    answer.refused(409, "IDEMPOTENCY_IN_PROGRESS");
    let first = running.await.unwrap();
    let again = keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await;
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
}

#[tokio::test]
async fn after_a_crash_the_same_key_answers_the_row_and_orders_nothing() {
    let app = Arc::new(TestApp::approved().await);
    let body = json!({ "e164": "+14155550504" });
    // The server drops a request whose caller is gone, as a crash would.
    stuck_purchase(&app, &body).await.abort();
    keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await.refused(409, "IDEMPOTENCY_IN_PROGRESS");
    app.clock.advance(Duration::from_secs(36));
    let row = keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required");
    assert_eq!(app.bundle.carrier.orders().len(), 1);
    assert_eq!(app.balance().await, 98_000_000);
    let again = keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok()["id"], row["id"]);
    app.check_books().await;
}

async fn a_hundred_with_one_key(weather: Weather, carrier_delay: Duration) {
    let options = local::Options { carrier_delay, ..local::Options::default() };
    let app = Arc::new(TestApp::start(approved(), options).await);
    app.get("/v1/phone-numbers").send().await.ok();
    app.dynamo.set(weather);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let app = app.clone();
            let body = json!({ "e164": NUMBER });
            tokio::spawn(async move { keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await })
        })
        .collect();
    let mut successes = Vec::new();
    for call in calls {
        let answer = call.await.unwrap();
        match answer.status {
            200 => successes.push(answer.text),
            409 => drop(answer.refused(409, "IDEMPOTENCY_IN_PROGRESS")),
            _ => drop(answer.refused(503, "BUSY")),
        }
    }
    app.dynamo.set(Weather::Fair);
    successes.dedup();
    assert!(successes.len() <= 1, "every success is the same answer");
    // Whoever had the right to run may have lost the answer that said so; then the key waits for its lease to end.
    app.clock.advance(Duration::from_secs(36));
    let row = keyed(&app, "/v1/phone-numbers", &json!({ "e164": NUMBER }), "key-1").send().await.ok();
    for success in successes {
        assert_eq!(serde_json::from_str::<Value>(&success).unwrap(), row);
    }
    assert_eq!(app.bundle.carrier.order_attempts().into_values().collect::<Vec<_>>(), [1]);
    let rows = app.get("/v1/phone-numbers").send().await.ok();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(app.balance().await, 98_000_000);
    app.check_books().await;
}

#[tokio::test]
async fn a_hundred_requests_with_one_key_have_one_effect() {
    for weather in [Weather::Fair, Weather::Contended, Weather::Forgetful] {
        a_hundred_with_one_key(weather, Duration::ZERO).await;
    }
}

#[tokio::test]
async fn a_hundred_requests_with_one_key_have_one_effect_at_a_slow_carrier() {
    for weather in [Weather::Fair, Weather::Contended, Weather::Forgetful] {
        a_hundred_with_one_key(weather, Duration::from_millis(100)).await;
    }
}

/// A request under `key-1` whose process dies right after this call was carried out.
async fn dies_after(step: &'static str, path: &'static str, body: &Value) -> TestApp {
    let faults = Faults::default();
    let app = TestApp::struck_by(&faults).await;
    // The process knows its caller, so that the first transaction is the one that matters.
    app.get("/v1/phone-numbers").send().await.ok();
    faults.die_after(step, keyed(&app, path, body, "key-1")).await;
    app.clock.advance(Duration::from_mins(2));
    app
}

#[tokio::test]
async fn a_key_whose_purchase_was_refunded_buys_anew_under_a_fresh_id() {
    let body = json!({ "e164": "+14155550409" });
    let app = dies_after("carrier POST /number_orders", "/v1/phone-numbers", &body).await;
    assert_eq!(app.reconciler.run().await.unwrap().refunded, 1);
    // The carrier takes this order too, and fails it: were it under the same id, nobody could tell the two apart.
    for tries in 2..4 {
        keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
        let attempts = app.bundle.carrier.order_attempts();
        assert_eq!(attempts.into_values().collect::<Vec<_>>(), vec![1; tries], "each order has an id of its own");
    }
    assert_eq!(app.balance().await, 100_000_000);
    app.check_books().await;
}

#[tokio::test]
async fn a_key_whose_number_was_released_never_buys_again_and_names_the_number() {
    let body = json!({ "e164": "+14155550142", "agentId": "agent_1" });
    let app = dies_after("carrier POST /number_orders", "/v1/phone-numbers", &body).await;
    assert_eq!(app.reconciler.run().await.unwrap().adopted, 1);
    let row = app.get("/v1/phone-numbers").send().await.ok()[0].clone();
    app.delete(&format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())).send().await.ok();
    for _ in 0..2 {
        let answer = keyed(&app, "/v1/phone-numbers", &body, "key-1").send().await;
        let refusal = answer.refused(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!((&refusal["phoneNumberId"], &refusal["retryable"]), (&row["id"], &json!(false)));
        assert!(refusal["error"].as_str().unwrap().contains(row["id"].as_str().unwrap()), "{refusal}");
    }
    assert_eq!(app.bundle.carrier.order_attempts().len(), 1);
    assert_eq!(app.balance().await, 98_000_000, "paid once");
    app.check_books().await;
}

#[tokio::test]
async fn a_key_whose_imported_number_was_removed_never_imports_again() {
    let (path, body) = routes()[1].clone();
    let app = dies_after("table TransactWriteItems", path, &body).await;
    let row = app.get("/v1/phone-numbers").send().await.ok()[0].clone();
    assert_eq!(keyed(&app, path, &body, "key-1").send().await.ok()["id"], row["id"], "the key finds what was made");
    let app = dies_after("table TransactWriteItems", path, &body).await;
    let row = app.get("/v1/phone-numbers").send().await.ok()[0].clone();
    app.delete(&format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())).send().await.ok();
    let refusal = keyed(&app, path, &body, "key-1").send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(refusal["phoneNumberId"], row["id"]);
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    app.check_books().await;
}

#[tokio::test]
async fn a_key_answers_its_submission_even_after_staff_have_decided_it() {
    let (path, body) = ("/v1/phone-numbers/kyb/submit", full_form());
    let faults = Faults::default();
    let app = TestApp::struck_by(&faults).await;
    let key = app.stranger(local::seed::World::default()).await;
    faults.die_after("table TransactWriteItems", keyed(&app, path, &body, "key-1").key(&key)).await;
    app.clock.advance(Duration::from_mins(2));
    let overview = app.get("/v1/phone-numbers/kyb").key(&key).send().await.ok();
    let submission = &overview["submission"];
    let id = KybId::parse(submission["id"].as_str().unwrap()).unwrap();
    let organization = domain::OrganizationId::parse(submission["organizationId"].as_str().unwrap()).unwrap();
    let actor = Actor::System("tests");
    let review = Review { at: app.clock.now(), reviewer_id: "U1".to_owned(), reviewer_email: None };
    let rejected = Decision::Reject { reason: Prose::parse("No.").unwrap(), issues: Vec::new() };
    app.bundle.table.decide(&organization, &id, &rejected, &review, &actor).await.unwrap();
    let again = keyed(&app, path, &body, "key-1").key(&key).send().await.ok();
    assert_eq!((&again["id"], &again["status"]), (&submission["id"], &json!("rejected")));
    // A new key files a new one, as ever.
    let new = keyed(&app, path, &body, "key-2").key(&key).send().await.ok();
    assert_ne!(new["id"], submission["id"]);
    let late = keyed(&app, path, &body, "key-1").key(&key).send().await;
    assert_eq!(late.header("idempotency-replayed"), "true");
    assert_eq!(late.ok()["id"], submission["id"]);
    app.bundle.notifications.settled().await;
}

/// Begins the request under a key, as one run of it.
async fn begin(app: &TestApp) -> Lease {
    let request = KeyedRequest {
        organization: app.organization.clone(),
        route: "POST /v1/phone-numbers".to_owned(),
        key: IdempotencyKey::parse("key-1").unwrap(),
        body: "hash".to_owned(),
    };
    match app.bundle.table.begin_request(&request, app.clock.now()).await.unwrap() {
        Begun::Run(lease) => lease,
        Begun::Replay(answer, _) => panic!("answered already: {answer:?}"),
    }
}

#[tokio::test]
async fn a_run_that_was_taken_over_makes_nothing() {
    for weather in [Weather::Fair, Weather::Forgetful, Weather::Contended] {
        let app = TestApp::approved().await;
        let table = &app.bundle.table;
        let slow = begin(&app).await;
        app.clock.advance(Duration::from_secs(36));
        let fast = begin(&app).await;
        assert_eq!(fast.made, None);
        let prices = tests::usual_prices();
        let now = app.clock.now();
        let owner = table.organization(&app.organization).await.unwrap();
        let policy = domain::organization::PurchasePolicy::Approved;
        let actor = Actor::System("tests");
        let buy = async |lease: &Lease| {
            let (organization, e164) = (app.organization.clone(), E164::parse(NUMBER).unwrap());
            let number = PhoneNumber::ordering(
                PhoneNumberId::new(now, rand::random()),
                organization,
                e164,
                Routing::default(),
                prices,
                now,
            );
            table.begin_purchase(&owner, &number, policy, Some(lease), &actor).await
        };
        buy(&fast).await.unwrap();
        app.dynamo.set(weather);
        let late = buy(&slow).await;
        assert!(matches!(late, Err(Error::IdempotencyInProgress { .. } | Error::Busy(_))), "{weather:?}: {late:?}");
    }
}

#[tokio::test]
async fn a_renewal_that_arrives_again_late_wipes_out_nothing() {
    let app = TestApp::approved().await;
    let table = &app.bundle.table;
    let (owner, actor) = (table.organization(&app.organization).await.unwrap(), Actor::System("tests"));
    let buy = async |lease: &Lease| {
        let (organization, e164) = (app.organization.clone(), E164::parse(NUMBER).unwrap());
        let (prices, policy) = (tests::usual_prices(), domain::organization::PurchasePolicy::Approved);
        let now = app.clock.now();
        let id = PhoneNumberId::new(now, rand::random());
        let number = PhoneNumber::ordering(id, organization, e164, Routing::default(), prices, now);
        table.begin_purchase(&owner, &number, policy, Some(lease), &actor).await.unwrap();
        number
    };
    let first = buy(&begin(&app).await).await;
    table.refund_purchase(first.clone(), &actor, app.clock.now()).await.unwrap();
    app.clock.advance(Duration::from_secs(36));
    let second = begin(&app).await;
    assert_eq!(second.made, Some(Made::Number(first.id)));
    let renewed = table.renew_request(&second).await.unwrap();
    let bought = buy(&renewed).await;
    // The very same write once more, as a network does that has held a copy back.
    assert!(matches!(table.renew_request(&second).await, Err(Error::IdempotencyInProgress { .. })));
    app.clock.advance(Duration::from_secs(36));
    assert_eq!(begin(&app).await.made, Some(Made::Number(bought.id)));
}
