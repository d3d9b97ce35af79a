//! The built binary, run as Lambda runs it.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::Clock;
use domain::audit::Actor;
use domain::carrier::CarrierNumberId;
use serde_json::{Value, json};
use tests::TestApp;
use tests::deployed::Deployed;
use tests::faults::Faults;
use tests::hostile::Hostile;
use tests::lambda::{Lambda, anonymous, environment, event, quiet, refusal, with_body, with_method};

const BINARY: &str = env!("CARGO_BIN_EXE_numbers");

fn buy(app: &TestApp) -> Value {
    event("numbers-buy", &[("API_KEY", &app.key), ("AGENT_ID", "agent_1")])
}

fn list(app: &TestApp) -> Value {
    event("numbers-list", &[("API_KEY", &app.key)])
}

/// One of the events about one number.
fn one(name: &str, app: &TestApp, number: &Value) -> Value {
    event(name, &[("API_KEY", &app.key), ("NUMBER_ID", number["id"].as_str().unwrap())])
}

#[tokio::test]
async fn a_number_is_bought_listed_read_changed_and_released() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;

    let bought = lambda.call(&buy(&app)).await;
    assert_eq!(bought.header("etag"), "\"2\"");
    let number = bought.ok();
    assert_eq!((&number["e164"], &number["agentId"]), (&json!("+14155550142"), &json!("agent_1")));
    assert_eq!(number["dispatchMetadataTemplate"], json!({ "queue": "reception" }));
    assert_eq!(number["setupStatus"]["status"], "ready");
    assert_eq!(app.bundle.carrier.numbers().len(), 1);
    app.check_books().await;

    assert_eq!(lambda.call(&list(&app)).await.ok(), json!([number]));
    let read = lambda.call(&one("numbers-get", &app, &number)).await;
    assert_eq!(read.header("etag"), "\"2\"");
    assert_eq!(read.ok(), number);

    let update = one("numbers-update", &app, &number);
    let changed = lambda.call(&update).await;
    assert_eq!(changed.header("etag"), "\"3\"");
    let changed = changed.ok();
    assert_eq!((&changed["label"], &changed["agentId"]), (&json!("Night line"), &Value::Null));
    lambda.call(&update).await.refused(412, "PRECONDITION_FAILED");

    let released = lambda.call(&one("numbers-release", &app, &number)).await.ok();
    assert_eq!(released, json!({ "released": true }));
    assert!(app.bundle.carrier.numbers().is_empty());
    lambda.call(&one("numbers-get", &app, &number)).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    for e164 in ["+14155550143", "+14155550144"] {
        app.buy(e164).send().await.ok();
    }
    let mut page = list(&app);
    page["rawQueryString"] = "limit=1".into();
    let first = lambda.call(&page).await;
    let cursor = first.header("x-next-cursor").to_owned();
    assert_eq!(first.header("link"), format!("</v1/phone-numbers?limit=1&cursor={cursor}>; rel=\"next\""));
    assert_eq!(first.ok()[0]["e164"], "+14155550144");
    page["rawQueryString"] = format!("limit=1&cursor={cursor}").into();
    let last = lambda.call(&page).await;
    assert_eq!(last.header("x-next-cursor"), "");
    assert_eq!(last.ok()[0]["e164"], "+14155550143");
}

#[tokio::test]
async fn a_body_that_comes_as_base64_is_read_all_the_same() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let body = json!({ "e164": "+14155550142", "label": "Empfang Süd" });
    let mut buy = with_body(&buy(&app), &BASE64_STANDARD.encode(body.to_string()));
    buy["isBase64Encoded"] = true.into();
    assert_eq!(lambda.call(&buy).await.ok()["label"], "Empfang Süd");
}

#[tokio::test]
async fn a_path_that_no_route_has_is_not_found() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let unknown = event("numbers-unknown-path", &[("API_KEY", &app.key)]);
    lambda.call(&unknown).await.refused(404, "NOT_FOUND");
    lambda.call(&anonymous(&unknown)).await.refused(404, "NOT_FOUND");
    // API Gateway hands a path over decoded.
    let odd_paths = ["/v1/phone-numbers/a b/ü", "/v1/phone-numbers/%", "/", "//", "/v1/\"<>\\^`{|}", "/v1/\u{1f4de}"];
    for path in odd_paths {
        let mut odd = unknown.clone();
        odd["rawPath"] = path.into();
        odd["requestContext"]["http"]["path"] = path.into();
        lambda.call(&odd).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_query_that_no_uri_may_hold_is_answered_all_the_same() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    for value in ["b c", "<b>", "\"b\"", "#b", "%", "%zz", "ü", "{|}^`\\[]", "\u{7f}", "\0"] {
        let mut odd = list(&app);
        odd["rawQueryString"] = format!("limit={value}").into();
        lambda.call(&odd).await.invalid(&["limit"]);
    }
}

#[tokio::test]
async fn a_host_or_a_scheme_that_no_uri_may_hold_is_answered_all_the_same() {
    let app = TestApp::empty().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    for value in
        ["", " ", "a b", "<b>", "[::1", "a:b:c", "host:99999", "@", "/", "\\\\", "ü", "%zz", "http", "ftp", "1:"]
    {
        for header in ["host", "x-forwarded-proto"] {
            let mut odd = list(&app);
            odd["headers"][header] = value.into();
            lambda.call(&odd).await.ok();
        }
        let mut odd = list(&app);
        odd["requestContext"]["domainName"] = value.into();
        lambda.call(&odd).await.ok();
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_in_the_form_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let (list, buy, nobodys) = (list(&app), buy(&app), json!({ "id": "pn_01jz0000000000000000000000" }));
    let about_one = ["numbers-get", "numbers-update", "numbers-release"].map(|name| one(name, &app, &nobodys));
    for request in [&list, &buy].into_iter().chain(&about_one) {
        lambda.call(&anonymous(request)).await.refused(401, "UNAUTHORIZED");
    }
    for request in &about_one {
        lambda.call(request).await.refused(404, "NOT_FOUND");
    }
    for (request, allow) in [(&list, "GET,HEAD,POST"), (&about_one[0], "GET,HEAD,PATCH,DELETE")] {
        let answer = lambda.call(&with_method(request, "PUT")).await;
        assert_eq!(answer.header("allow"), allow);
        answer.refused(405, "METHOD_NOT_ALLOWED");
    }
    lambda.call(&with_body(&buy, "{")).await.refused(400, "VALIDATION_ERROR");
    lambda.call(&with_body(&buy, r#"{"e164":"+442071838750","direction":1}"#)).await.invalid(&["direction", "e164"]);
    lambda.call(&with_body(&buy, &" ".repeat(70_000))).await.refused(413, "PAYLOAD_TOO_LARGE");
    // The sandbox carrier is down for calls about this number.
    let down = lambda.call(&with_body(&buy, r#"{"e164":"+14155550503"}"#)).await;
    down.refused(503, "CARRIER_UNAVAILABLE");
}

#[tokio::test]
async fn a_missing_variable_is_named_when_the_binary_refuses_to_start() {
    let app = TestApp::empty().await;
    let required = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "TABLE_NAME", "SIP_HOST"];
    let required = required.map(|name| (name, name)).into_iter();
    for (missing, named) in required.chain([("TELNYX_SECRET", "TELNYX_SECRET_ARN")]) {
        let mut environment = environment(&app);
        environment.remove(missing);
        assert_eq!(refusal(BINARY, &environment), format!("Error: environment variable {named} is not set\n"));
    }
}

#[tokio::test]
async fn logs_are_json_lines_that_hold_neither_keys_nor_numbers_nor_what_customers_write() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &environment(&app)).await;
    let buy = buy(&app);
    lambda.call(&buy).await.ok();
    lambda.call(&buy).await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    lambda.call(&with_body(&buy, r#"{"e164":"+14155550503"}"#)).await.refused(503, "CARRIER_UNAVAILABLE");
    lambda.call(&with_body(&buy, r#"{"e164":"+14155550500"}"#)).await.ok();
    let mut filtered = list(&app);
    filtered["rawQueryString"] = "e164=%2B14155550142&limit=x".into();
    lambda.call(&filtered).await.invalid(&["limit"]);
    let by_number = event("numbers-get", &[("API_KEY", &app.key), ("NUMBER_ID", "+14155550142")]);
    lambda.call(&by_number).await.refused(404, "NOT_FOUND");

    let log = lambda.log(&[&app.key, "4155550142", "4155550503", "4155550500", "Front desk", "reception"]);
    let answered = log.iter().find(|line| line["http.response.status_code"] == 200).unwrap();
    assert_eq!(answered["span"]["http.request.id"], buy["requestContext"]["requestId"]);
    assert_eq!(answered["span"]["http.request.method"], "POST");
    assert_eq!(answered["span"]["organization.id"], app.organization.as_str());
    assert!(answered["span"]["api_key.id"].as_str().unwrap().starts_with("key_"));
    let failed = log.iter().find(|line| line["error.code"] == "CARRIER_UNAVAILABLE").unwrap();
    assert_eq!(failed["level"], "WARN");
}

/// The carrier no longer holds any number of this deployment.
async fn lose_all(app: &TestApp) {
    for number in app.bundle.carrier.numbers() {
        app.reconciler.carrier.release(&CarrierNumberId::parse(&number.id).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn it_may_do_what_it_does_and_nothing_else() {
    let faults = Faults::default();
    let app = TestApp::struck_by(&faults).await;
    let imported = app.import("+12125550142").send().await.ok();
    let lambda = Deployed::start("numbers", app).await;
    let app = &lambda.app;
    let path = |row: &Value| format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    // Whether a number that the carrier does not know was the last one is looked for in every partition of the index.
    let last = app.buy("+14155550145").send().await.ok();
    lose_all(app).await;
    app.delete(&path(&last)).send().await.ok();
    let body = json!({ "e164": "+14155550142", "agentId": "agent_1" });
    let bought = app.post("/v1/phone-numbers", &body).header("idempotency-key", "bought").send().await.ok();
    app.buy("+14155550410").header("idempotency-key", "gone").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    app.buy("+14155550409").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    app.buy("+14155550500").send().await.ok();
    app.resumed(|| app.buy("+14155550143")).await.ok();
    // What a run that died has paid for may be refunded by then.
    let refunded = || app.buy("+14155550144").header("idempotency-key", "refunded");
    faults.die_after("table TransactWriteItems", refunded()).await;
    let number = app.stored_number("+14155550144").await;
    app.bundle.table.refund_purchase(number, &Actor::System("tests"), app.clock.now()).await.unwrap();
    app.clock.advance(Duration::from_mins(10));
    let anew = refunded().send().await.ok();
    app.get("/v1/phone-numbers").send().await.ok();
    app.get("/v1/phone-numbers?limit=1").send().await.ok();
    app.tell_low().await;
    app.get("/v1/phone-numbers").send().await.ok();
    app.delete(&path(&anew)).send().await.ok();
    app.get(&path(&bought)).send().await.ok();
    for change in [json!({ "label": "Desk" }), json!({ "agentId": "agent_2" }), json!({ "agentId": null })] {
        app.patch(&path(&bought), &change).send().await.ok();
    }
    app.patch(&path(&imported), &json!({ "agentId": "agent_1" })).send().await.ok();
    app.delete(&path(&imported)).send().await.ok();
    lose_all(app).await;
    app.delete(&path(&bought)).send().await.refused(503, "CARRIER_UNAVAILABLE");
    lambda.check_policy();
}

#[tokio::test]
async fn hostile_bodies_queries_and_headers_get_answers_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &quiet(&app)).await;
    let mut hostile = Hostile::new();
    let number = app.buy("+14155550143").send().await.ok();
    let change = one("numbers-update", &app, &number);
    let requests = [buy(&app), change, list(&app), one("numbers-get", &app, &number)];
    hostile.send_spoiled(&lambda, &requests).await;
    app.check_books().await;
    assert!(lambda.log(&[]).iter().all(|line| line["level"] != "ERROR"), "seed {}", hostile.seed);
}

#[tokio::test]
async fn hostile_paths_get_answers_of_the_contract() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &quiet(&app)).await;
    let mut hostile = Hostile::new();
    let mut statuses = BTreeSet::new();
    let unknown = event("numbers-unknown-path", &[("API_KEY", &app.key)]);
    for _ in 0..Hostile::requests() {
        let (mut request, path) = (unknown.clone(), hostile.path());
        request["rawPath"] = path.clone().into();
        request["requestContext"]["http"]["path"] = path.into();
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"][hostile.below(7)];
        request["requestContext"]["http"]["method"] = method.into();
        let answer = lambda.invoke(&request).await;
        // HEAD has no body to judge.
        if method != "HEAD" {
            statuses.insert(hostile.judge(&request, &answer));
        }
    }
    assert!(statuses.contains(&404), "seed {}: only {statuses:?}", hostile.seed);
    assert!(lambda.log(&[]).iter().all(|line| line["level"] != "ERROR"), "seed {}", hostile.seed);
}

#[tokio::test]
async fn hostile_credentials_open_nothing_and_cost_at_most_one_call_to_the_table() {
    let app = TestApp::approved().await;
    let lambda = Lambda::start(BINARY, &quiet(&app)).await;
    let mut hostile = Hostile::new();
    let before = stored(&app).await;
    let requests = [buy(&app), list(&app)];
    // The connection is warm from here on.
    lambda.call(&anonymous(&requests[1])).await.refused(401, "UNAUTHORIZED");
    let first = app.dynamo.calls();
    for _ in 0..Hostile::requests() {
        let mut request = requests[hostile.below(requests.len())].clone();
        let credentials: String = hostile.credentials(&app.key).chars().filter(|letter| !letter.is_control()).collect();
        request["headers"]["authorization"] = credentials.into();
        let calls = app.dynamo.calls();
        assert_eq!(hostile.judge(&request, &lambda.invoke(&request).await), 401, "seed {}", hostile.seed);
        assert!(app.dynamo.calls() <= calls + 1, "seed {}: {request}", hostile.seed);
    }
    assert!(app.dynamo.calls() > first, "well-formed keys are looked up");
    assert_eq!(stored(&app).await, before);
    let log = lambda.log(&[&app.key]);
    assert!(log.iter().all(|line| line["level"] != "ERROR"), "seed {}", hostile.seed);
}

async fn stored(app: &TestApp) -> Vec<String> {
    let mut items: Vec<String> = app.items().await.iter().map(Value::to_string).collect();
    items.sort();
    items
}
