//! The risks of the OWASP API Security Top 10 (2023) that apply here, each by name.
//!
//! Routes, their parameters, scopes and fields are read from the description, which its own test holds to the code: a
//! route that is added is covered here, or fails until somebody says what a good request to it is.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use domain::api_key::{ApiKey, Scope};
use domain::audit::Actor;
use domain::{Clock, OrganizationId};
use local::seed::World;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tests::dynamo::Weather;
use tests::routes::{NOBODYS_NUMBER, Route, description, resolved, routes, routes_with_a_body};
use tests::{Answer, TestApp, approved, full_form};

const TEMPLATE: &str = include_str!("../../../template.yaml");

const NUMBERS: &str = "/v1/phone-numbers";
const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";
const SLACK: &str = "/slack/interactions";

/// The largest body that is read, in bytes.
const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// Ids of the right form that nobody has.
const NOBODYS_AGENT: &str = "agent_nobody";
const NOBODYS_CONNECTION: &str = "sip_nobody";

/// What the other organization has, under ids that the caller's has not.
fn owner() -> World {
    World { agents: vec!["agent_theirs"], connections: vec![("sip_theirs", true)], ..approved() }
}

/// Everything that is stored, in an order of its own, except what counts calls: any call may do that.
pub(crate) async fn stored(app: &TestApp) -> BTreeSet<String> {
    let counts =
        |item: &&Value| ["RATE#", "USE#"].iter().any(|kind| item["PK"]["S"].as_str().unwrap().starts_with(kind));
    app.items().await.iter().filter(|item| !counts(item)).map(Value::to_string).collect()
}

/// The organization that a key opens.
pub(crate) async fn organization_of(app: &TestApp, key: &str) -> OrganizationId {
    let hash = ApiKey::parse(key).unwrap().hash();
    app.bundle.table.api_key(&hash).await.unwrap().unwrap().organization
}

pub(crate) fn id(row: &Value) -> &str {
    row["id"].as_str().unwrap()
}

/// API9:2023 Improper Inventory Management: what is deployed is what is described, and nothing beside it.
#[test]
fn every_deployed_path_is_a_described_one_or_slacks() {
    let described: BTreeSet<_> = routes().into_iter().map(|route| route.path).collect();
    let deployed: BTreeSet<_> = TEMPLATE
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Path: ").map(str::to_owned))
        .filter(|path| path.starts_with('/') && path != SLACK)
        .collect();
    assert_eq!(deployed, described);
}

/// API1:2023 Broken Object Level Authorization: another organization's id is as good as one that nobody has.
#[tokio::test]
async fn another_organizations_id_in_a_path_is_answered_as_one_that_nobody_has() {
    let app = TestApp::approved().await;
    let theirs = app.stranger(owner()).await;
    let bought = app.buy("+14155550142").key(&theirs).send().await.ok();
    let imported = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_theirs" });
    let imported = app.post("/v1/phone-numbers/import", &imported).key(&theirs).send().await.ok();
    let (before, ours) = (stored(&app).await, app.bundle.carrier.numbers().len());
    let mut tried = 0;
    for route in routes().into_iter().filter(|route| !route.parameters.is_empty()) {
        let ask = async |number: &str| {
            let call = app.call(route.method.clone(), &route.about(number));
            let call = if route.request.is_some() { call.json(&route.body(0)) } else { call };
            let answer = call.send().await;
            (answer.text.clone(), answer.refused(404, "NOT_FOUND"))
        };
        let nobodys = ask(NOBODYS_NUMBER).await;
        for number in [&bought, &imported] {
            assert_eq!(ask(id(number)).await, nobodys, "{} tells that the number exists", route.name());
            tried += 1;
        }
    }
    assert!(tried >= 6);
    assert_eq!((stored(&app).await, app.bundle.carrier.numbers().len()), (before, ours));
    app.get(&format!("{NUMBERS}/{}", id(&bought))).key(&theirs).send().await.ok();
}

/// API1:2023 Broken Object Level Authorization: ids in bodies are looked up among the caller's own.
#[tokio::test]
async fn another_organizations_id_in_a_body_is_answered_as_one_that_nobody_has() {
    let app = TestApp::approved().await;
    let theirs = app.stranger(owner()).await;
    // Their agent is free, so nothing but its owner stands against it.
    let own = app.buy("+14155550142").send().await.ok();
    app.buy("+14155550143").key(&theirs).send().await.ok();
    let before = stored(&app).await;
    let mut tried = 0;
    let fields = |route: &Route| route.fields().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let routes: Vec<_> = routes_with_a_body().map(|route| (fields(&route), route)).collect();
    let ids = routes.iter().flat_map(|(fields, route)| fields.iter().map(move |field| (route, field)));
    for (route, field) in ids.filter(|(_, field)| field.ends_with("Id")) {
        let (foreign, nobodys) = match field.as_str() {
            "agentId" => ("agent_theirs", NOBODYS_AGENT),
            "sipConnectionInstallationId" => ("sip_theirs", NOBODYS_CONNECTION),
            // Names a trunk of the caller's own, which nobody here knows.
            "sipTrunkId" => continue,
            other => panic!("{}: say whose ids {other} takes", route.name()),
        };
        let ask = async |value: &str| {
            let mut body = route.body(0);
            body[field] = value.into();
            let answer = app.call(route.method.clone(), &route.about(id(&own))).json(&body).send().await;
            assert!((400..500).contains(&answer.status), "{} took {field}: {}", route.name(), answer.text);
            (answer.status, answer.body)
        };
        assert_eq!(ask(foreign).await, ask(nobodys).await, "{} tells that {field} exists", route.name());
        tried += 1;
    }
    assert_eq!(tried, 4, "agents in three bodies, connections in one");
    assert_eq!(stored(&app).await, before);
    assert_eq!(app.bundle.carrier.numbers().len(), 2);
}

/// API1:2023 Broken Object Level Authorization: filters and cursors find among the caller's own only.
#[tokio::test]
async fn another_organizations_agent_number_and_cursor_find_nothing_in_a_list() {
    let app = TestApp::approved().await;
    let theirs = app.stranger(owner()).await;
    for (e164, agent) in [("+14155550142", json!("agent_theirs")), ("+14155550143", Value::Null)] {
        let body = json!({ "e164": e164, "agentId": agent });
        app.post(NUMBERS, &body).key(&theirs).send().await.ok();
        app.buy(&e164.replace("+1415", "+1212")).send().await.ok();
    }
    for query in ["agentId=agent_theirs", "e164=%2B14155550142"] {
        let path = format!("{NUMBERS}?{query}");
        assert_eq!(app.get(&path).key(&theirs).send().await.ok().as_array().unwrap().len(), 1, "{query}");
        assert_eq!(app.get(&path).send().await.ok(), json!([]), "{query}");
    }
    let page = app.get(&format!("{NUMBERS}?limit=1")).key(&theirs).send().await;
    let cursor = page.header("x-next-cursor").to_owned();
    assert!(!cursor.is_empty());
    app.get(&format!("{NUMBERS}?limit=1&cursor={cursor}")).key(&theirs).send().await.ok();
    app.get(&format!("{NUMBERS}?limit=1&cursor={cursor}")).send().await.invalid(&["cursor"]);
}

/// API1:2023 Broken Object Level Authorization: a remembered answer belongs to the one who was answered.
#[tokio::test]
async fn another_organizations_idempotency_key_repeats_none_of_its_answers() {
    let app = TestApp::approved().await;
    let theirs = app.stranger(owner()).await;
    let body = json!({ "e164": "+14155550142", "label": "Theirs" });
    let key = "4f9c3a52-7c39-4f7e-9d62-0f2f6b6f1c10";
    app.post(NUMBERS, &body).key(&theirs).header("idempotency-key", key).send().await.ok();
    let answer = app.post(NUMBERS, &body).header("idempotency-key", key).send().await;
    assert!(!answer.text.contains("Theirs") && !answer.text.contains("pn_"), "{}", answer.text);
    answer.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
}

/// What a caller could hope to set a field to.
fn hopes(schema: &Value, rival: &Value) -> Vec<Value> {
    let document = description();
    let forms: Vec<_> = match schema["oneOf"].as_array() {
        Some(forms) => forms.iter().map(|form| resolved(&document, form).clone()).collect(),
        None => vec![resolved(&document, schema).clone()],
    };
    let words = forms.iter().filter_map(|form| form["enum"].as_array()).flatten();
    let mut hopes: Vec<_> = words.cloned().collect();
    hopes.extend([rival.clone(), json!("1999-01-01T00:00:00.000Z"), json!(true), json!({}), Value::Null]);
    hopes
}

/// Everything a body may not set, each field with its `round`th hope.
fn unasked(route: &Route, rival: &Value, round: usize) -> Map<String, Value> {
    let read_only = route.answer.iter().filter(|(name, _)| !route.request.as_ref().unwrap().contains_key(*name));
    let mut unasked: Map<_, _> = read_only
        .map(|(name, schema)| {
            let hopes = hopes(schema, &rival[name]);
            (name.clone(), hopes[round % hopes.len()].clone())
        })
        .collect();
    // What is stored beside a row but never shown, and what other services have been talked into.
    for name in ["version", "PK", "SK", "state", "price", "monthlyFee", "upfrontCostUsd", "hold", "__proto__"] {
        unasked.insert(name.to_owned(), json!(0));
    }
    unasked
}

const ROUNDS: usize = 11;

/// API3:2023 Broken Object Property Level Authorization (mass assignment): a body sets what it may set and nothing else.
#[tokio::test]
async fn fields_that_a_body_may_not_set_stay_as_they_would_be_without_it() {
    let app = TestApp::approved().await;
    let rivals = app.stranger(owner()).await;
    let number = app.buy("+14155550142").key(&rivals).send().await.ok();
    let filed = app.post(SUBMIT, &full_form()).key(&app.stranger(World::default()).await).send().await.ok();
    let own = app.buy("+14155550143").send().await.ok();
    let mut seen = 0;
    for route in routes_with_a_body() {
        let rival = if route.files() { &filed } else { &number };
        let honest = [send_with(&app, &route, &own, Map::new(), 0).await, {
            app.clock.advance(Duration::from_secs(1));
            send_with(&app, &route, &own, Map::new(), 1).await
        }];
        for round in 0..ROUNDS {
            app.clock.advance(Duration::from_secs(1));
            let sent = unasked(&route, rival, round);
            assert!(sent.len() > 15, "{}: rows have more fields than that", route.name());
            let row = send_with(&app, &route, &own, sent.clone(), round + 2).await;
            for (name, hoped) in &sent {
                let varies = honest[0][name] != honest[1][name];
                if varies {
                    assert_ne!(&row[name], hoped, "{}: {name} was set", route.name());
                } else {
                    assert_eq!(row[name], honest[0][name], "{}: {name} was set by {hoped}", route.name());
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 500);
    app.bundle.notifications.settled().await;
    app.check_books().await;
    let shown = app.get(&format!("{NUMBERS}/{}", id(&number))).key(&rivals).send().await.ok();
    assert_eq!(shown, number, "the rival's own row stays");
}

/// Sends a good body with more in it, and returns the row. Every filing is another organization's, because it is made
/// once.
async fn send_with(app: &TestApp, route: &Route, own: &Value, more: Map<String, Value>, nth: usize) -> Value {
    let mut body = route.body(nth);
    body.as_object_mut().unwrap().extend(more);
    let call = app.call(route.method.clone(), &route.about(id(own))).json(&body);
    let call = if route.files() { call.key(&app.stranger(World::default()).await) } else { call };
    call.send().await.ok()
}

/// API2:2023 Broken Authentication: on every route there is one answer to all who hold no valid key.
#[tokio::test]
async fn no_route_answers_without_a_whole_and_valid_key() {
    let app = TestApp::approved().await;
    let revoked = app.key_with(&Scope::ALL).await;
    revoke(&app, &revoked).await;
    let key = &app.key;
    let cases = [
        ("none", None),
        ("another scheme", Some(format!("Basic {key}"))),
        ("no scheme", Some(key.clone())),
        ("cut short", Some(format!("Bearer {}", &key[..key.len() - 1]))),
        ("too long", Some(format!("Bearer {key}0"))),
        ("upper case", Some(format!("Bearer {}", key.to_uppercase()))),
        ("two keys", Some(format!("Bearer {key},{key}"))),
        ("a wildcard", Some("Bearer *".to_owned())),
        ("its hash", Some(format!("Bearer sk_live_{}", ApiKey::parse(key).unwrap().hash()))),
        ("one of nobody's", Some(format!("Bearer {}", ApiKey::new([9; 32]).reveal()))),
        ("a revoked one", Some(format!("Bearer {revoked}"))),
        ("a very long one", Some(format!("Bearer sk_live_{}", "0".repeat(6_000)))),
    ];
    for route in routes() {
        for (what, authorization) in &cases {
            let call = route.call(&app).authorization(authorization.as_deref());
            // What follows a key is not even looked at without one.
            let answer = call.text("{").send().await;
            assert_eq!(answer.status, 401, "{} with {what}", route.name());
            let expected = json!({ "error": "Unauthorized", "code": "UNAUTHORIZED", "retryable": false });
            assert_eq!(answer.refused(401, "UNAUTHORIZED"), expected);
        }
        // A key counts in one place only, and only when there is just one.
        let elsewhere = route.call(&app).authorization(None).header("x-api-key", key).header("cookie", key);
        elsewhere.send().await.refused(401, "UNAUTHORIZED");
        let twice = route.call(&app).header("authorization", &format!("Bearer {key}"));
        twice.send().await.refused(401, "UNAUTHORIZED");
        let in_query = format!("{}?access_token={key}&api_key={key}", route.about(NOBODYS_NUMBER));
        let in_query = app.call(route.method.clone(), &in_query).authorization(None);
        in_query.send().await.refused(401, "UNAUTHORIZED");
    }
    let head = app.call(Method::HEAD, NUMBERS).authorization(None).send().await;
    assert_eq!((head.status, head.text.as_str()), (401, ""));
    assert_eq!(app.bundle.carrier.requests(), Vec::<String>::new());
}

async fn revoke(app: &TestApp, key: &str) {
    let hash = ApiKey::parse(key).unwrap().hash();
    app.bundle.table.revoke_api_key(&hash, app.clock.now(), &Actor::Operator("grace".into())).await.unwrap();
}

/// API2:2023 Broken Authentication: a key that was good is remembered for a minute and no longer, on every route.
#[tokio::test]
async fn a_key_that_was_revoked_after_its_use_opens_no_route_a_minute_later() {
    let app = TestApp::approved().await;
    for route in routes() {
        let key = app.key_with(&[route.scope]).await;
        assert_ne!(route.call(&app).key(&key).text("{").send().await.status, 401, "{}", route.name());
        revoke(&app, &key).await;
        app.clock.advance(Duration::from_mins(1));
        route.call(&app).key(&key).text("{").send().await.refused(401, "UNAUTHORIZED");
    }
}

/// API5:2023 Broken Function Level Authorization: each route opens to the scope that is described, and to no other.
#[tokio::test]
async fn each_route_needs_the_scope_that_is_described_and_all_others_together_do_not_open_it() {
    let app = TestApp::approved().await;
    let mut calls = Vec::new();
    for route in routes() {
        let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != route.scope).collect();
        let mut scopes: Vec<Vec<Scope>> = others.iter().map(|scope| vec![*scope]).collect();
        scopes.extend([Vec::new(), others, vec![route.scope]]);
        let mut keys = Vec::new();
        for scopes in scopes {
            keys.push((app.key_with(&scopes).await, scopes.contains(&route.scope)));
        }
        calls.push((route, keys));
    }
    let before = stored(&app).await;
    for (route, keys) in &calls {
        for (key, may) in keys {
            // What a caller may not do is not judged further, so the scope is told before the broken body.
            let call = route.call(&app).key(key);
            let answer = if route.request.is_some() { call.text("{") } else { call }.send().await;
            if *may {
                assert!(![401, 403].contains(&answer.status), "{} with its scope: {}", route.name(), answer.text);
            } else {
                let refused = answer.refused(403, "SCOPE_REQUIRED");
                assert!(refused["error"].as_str().unwrap().contains(route.scope.as_str()), "{refused}");
            }
        }
    }
    let after = stored(&app).await;
    let changes: Vec<_> = after.symmetric_difference(&before).collect();
    assert_eq!(changes.len(), 0, "{changes:#?}");
}

/// API4:2023 Unrestricted Resource Consumption: what is too large is refused whether or not it says how large it is.
#[tokio::test]
async fn a_body_over_64_kib_is_refused_with_and_without_its_length() {
    let app = TestApp::approved().await;
    let before = stored(&app).await;
    let padded = |bytes: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(bytes - 8));
    for route in routes_with_a_body() {
        let send = |body: String| route.call(&app).text(body).send();
        send(padded(BODY_LIMIT_BYTES + 1)).await.refused(413, "PAYLOAD_TOO_LARGE");
        let blank = format!("{}{}", route.body(0), " ".repeat(BODY_LIMIT_BYTES));
        send(blank).await.refused(413, "PAYLOAD_TOO_LARGE");
        let (status, text) = send_chunked(&app, &route, padded(BODY_LIMIT_BYTES + 1)).await;
        assert!(status == 413 && text.contains("PAYLOAD_TOO_LARGE"), "{} in chunks: {text}", route.name());
        let (status, text) = send_chunked(&app, &route, padded(BODY_LIMIT_BYTES)).await;
        assert!(status != 413 && status < 500, "{} in chunks that fit: {text}", route.name());
    }
    let changes = stored(&app).await.difference(&before).cloned().collect::<Vec<_>>();
    assert_eq!(changes.len(), 0, "{changes:#?}");
}

/// Sends a body in chunks, without saying how long it is, and reads the answer to its end.
async fn send_chunked(app: &TestApp, route: &Route, body: String) -> (u16, String) {
    let address = app.bundle.base_url.trim_start_matches("http://").to_owned();
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        route.method,
        route.about(NOBODYS_NUMBER),
        app.key
    );
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        for chunk in body.as_bytes().chunks(4_096) {
            stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).unwrap();
            stream.write_all(chunk).unwrap();
            stream.write_all(b"\r\n").unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // A server that has said "too large" may close before it has read the rest.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    let text = tokio::task::spawn_blocking(talk).await.unwrap();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status: {text}")), text)
}

/// API4:2023 Unrestricted Resource Consumption: nesting costs neither the stack nor a fault.
#[tokio::test]
async fn deeply_nested_bodies_are_refused_on_every_route_and_in_every_field() {
    let app = TestApp::approved().await;
    let nests = [
        ("[", "1", "]", 1_000),
        ("[", "1", "]", 30_000),
        ("[", "", "", 60_000),
        ("{\"a\":", "1", "}", 10_000),
        ("[", "1", "]", 100_000),
        ("[{\"a\":", "1", "}]", 100_000),
    ];
    for route in routes_with_a_body() {
        for (open, inside, close, levels) in nests {
            let nested = format!("{}{inside}{}", open.repeat(levels), close.repeat(levels));
            let whole = std::iter::once(nested.clone());
            let in_fields = route.fields().map(|(field, _)| format!("{{\"{field}\":{nested}}}"));
            let twice_in = route.fields().map(|(field, _)| format!("{{\"{field}\":{{\"{field}\":{nested}}}}}"));
            for body in whole.chain(in_fields).chain(twice_in) {
                let start: String = body.chars().take(60).collect();
                let answer = route.call(&app).text(body).send().await;
                // A draft may lack everything, and a field that nobody knows is ignored, whatever is in it: then it is the
                // verification that has been approved already.
                let ignored = route.path.ends_with("/draft") && answer.status == 409;
                let known = [400, 404, 413].contains(&answer.status);
                assert!(known || ignored, "{} {levels} levels of {start}: {}", route.name(), answer.text);
            }
        }
    }
    app.get(NUMBERS).send().await.ok();
}

/// API4:2023 Unrestricted Resource Consumption and API6:2023 Unrestricted Access to Sensitive Business Flows: searches
/// cost us at the carrier, and more keys buy no more of them.
#[tokio::test]
async fn the_searches_of_a_minute_are_counted_by_organization_and_not_by_key() {
    let app = TestApp::approved().await;
    let other = app.key_with(&[Scope::Read]).await;
    let path = "/v1/phone-numbers/available?limit=1";
    for nth in 0..60 {
        let key = if nth % 2 == 0 { &app.key } else { &other };
        app.get(path).key(key).send().await.ok();
    }
    let asked = app.bundle.carrier.requests().len();
    for key in [&app.key, &other, &app.key_with(&[Scope::Read]).await] {
        app.get(path).key(key).send().await.refused(429, "RATE_LIMITED");
    }
    assert_eq!(app.bundle.carrier.requests().len(), asked, "what is refused asks the carrier nothing");
}

/// API4:2023 Unrestricted Resource Consumption: no query makes an answer, or the work behind it, longer than described.
#[tokio::test]
async fn a_query_cannot_ask_for_more_than_is_described() {
    let document = description();
    let app = TestApp::approved().await;
    let mut limits = 0;
    for route in routes().iter().filter(|route| route.method == Method::GET) {
        for parameter in document["paths"][&route.path]["get"]["parameters"].as_array().into_iter().flatten() {
            if parameter["name"] != "limit" {
                continue;
            }
            limits += 1;
            let most = parameter["schema"]["maximum"].as_u64().unwrap();
            for more in [most + 1, 1_000_000, u64::MAX] {
                app.get(&format!("{}?limit={more}", route.path)).send().await.invalid(&["limit"]);
            }
        }
    }
    assert_eq!(limits, 4);
}

/// API7:2023 Server Side Request Forgery: addresses that customers send are shown to staff and called by nobody.
#[tokio::test]
async fn nobody_calls_an_address_that_a_customer_sends() {
    let app = TestApp::empty().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    for website in [format!("http://{address}/"), format!("https://{address}/"), format!("http://user:pass@{address}")]
    {
        let mut form = full_form();
        form["businessProfile"]["website"] = website.into();
        let key = app.stranger(World::default()).await;
        let answer = app.post(SUBMIT, &form).key(&key).send().await;
        assert!([200, 400].contains(&answer.status), "{}", answer.text);
        app.bundle.notifications.settled().await;
    }
    app.reconciler.run().await.unwrap();
    let called = listener.accept().map_err(|error| error.kind());
    assert_eq!(called.err(), Some(std::io::ErrorKind::WouldBlock));
}

/// API8:2023 Security Misconfiguration: no page of another origin reads answers, and no fault tells of the inside.
#[tokio::test]
async fn answers_are_for_no_other_origin_and_faults_tell_nothing_of_the_inside() {
    let app = TestApp::approved().await;
    let fair = |answer: &Answer| {
        let allows = answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).count();
        assert_eq!(allows, 0, "{:?}", answer.headers);
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.header("server").is_empty() && answer.header("x-powered-by").is_empty());
    };
    let from_elsewhere = |route: &Route| {
        let call = route.call(&app).header("origin", "https://elsewhere.example.com");
        if route.request.is_some() { call.json(&route.body(0)) } else { call }
    };
    app.get(NUMBERS).send().await.ok();
    for weather in [Weather::Throttled, Weather::Down] {
        app.dynamo.set(weather);
        for route in routes() {
            let answer = from_elsewhere(&route).send().await;
            fair(&answer);
            assert!([500, 503].contains(&answer.status), "{} {}", route.name(), answer.text);
            for word in ["injected", "dynamo", "amazon", "127.0.0.1", "exception", "panic", ".rs"] {
                assert!(!answer.text.to_lowercase().contains(word), "{word}: {}", answer.text);
            }
        }
    }
    app.dynamo.set(Weather::Fair);
    for route in routes() {
        let call = app.call(Method::OPTIONS, &route.about(NOBODYS_NUMBER));
        let preflight =
            call.header("origin", "https://elsewhere.example.com").header("access-control-request-method", "POST");
        let answer = preflight.authorization(None).send().await;
        fair(&answer);
        answer.refused(405, "METHOD_NOT_ALLOWED");
    }
}
