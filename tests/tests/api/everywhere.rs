//! What every route promises: keys, scopes, bodies, unknown paths, wrong methods.

use std::time::Duration;

use domain::api_key::{ApiKey, Scope};
use local::Options;
use reqwest::Method;
use serde_json::json;
use tests::dynamo::Weather;
use tests::routes::{NOBODYS_NUMBER, routes, routes_with_a_body};
use tests::{TestApp, approved};

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test]
async fn without_a_valid_key_every_route_gives_the_same_answer() {
    let app = TestApp::approved().await;
    let unknown = format!("Bearer {}", ApiKey::new([9; 32]).reveal());
    let basic = format!("Basic {}", app.key);
    let (rest, last) = app.key.split_at(app.key.len() - 1);
    let mistyped = format!("Bearer {rest}{}", if last == "0" { "1" } else { "0" });
    for route in routes() {
        for authorization in [None, Some(unknown.as_str()), Some(&basic), Some(&mistyped), Some("Bearer"), Some("")] {
            let answer = route.good_call(&app, 0).authorization(authorization).send().await;
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{}", route.name());
            let answer = answer.refused(401, "UNAUTHORIZED");
            assert_eq!(answer, json!({ "error": "Unauthorized", "code": "UNAUTHORIZED", "retryable": false }));
        }
    }
}

#[tokio::test]
async fn a_revoked_key_stops_within_a_minute() {
    let app = TestApp::approved().await;
    app.get("/v1/phone-numbers").send().await.ok();
    let hash = ApiKey::parse(&app.key).unwrap().hash();
    let actor = domain::audit::Actor::Operator("grace".into());
    app.bundle.table.revoke_api_key(&hash, domain::Timestamp::from_millis(0), &actor).await.unwrap();
    app.clock.advance(Duration::from_mins(1));
    app.get("/v1/phone-numbers").send().await.refused(401, "UNAUTHORIZED");
}

#[test]
fn reading_needs_read_filing_a_verification_compliance_and_all_else_write() {
    for route in routes() {
        let needed = match (route.method == Method::GET, route.files()) {
            (true, _) => Scope::Read,
            (false, true) => Scope::Compliance,
            (false, false) => Scope::Write,
        };
        assert_eq!(route.scope, needed, "{}", route.name());
    }
}

#[tokio::test]
async fn a_key_does_only_what_its_scopes_allow() {
    let app = TestApp::approved().await;
    for scope in Scope::ALL {
        let key = app.key_with(&[scope]).await;
        for route in routes() {
            let answer = route.good_call(&app, 0).key(&key).send().await;
            if route.scope == scope {
                assert_ne!(answer.status, 403, "{} with {scope:?}", route.name());
            } else {
                answer.refused(403, "SCOPE_REQUIRED");
            }
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_answered_in_the_errors_form() {
    let app = TestApp::approved().await;
    for path in ["/", "/v1", "/v1/phone-numbers/a/b", "/v2/phone-numbers", "/v1/phone-numbers/kyb/x"] {
        app.get(path).send().await.refused(404, "NOT_FOUND");
    }
    for route in routes() {
        let path = route.about(NOBODYS_NUMBER);
        let answer = app.call(route.method.clone(), &format!("{path}/")).send().await.refused(404, "NOT_FOUND");
        assert_eq!(answer["error"], format!("Not found; leave out the slash at the end: {path}"));
    }
    for (path, wrong, allowed) in [
        ("/v1/phone-numbers", "PUT", "GET,HEAD,POST"),
        ("/v1/phone-numbers/pn_1", "POST", "GET,HEAD,PATCH,DELETE"),
        ("/v1/phone-numbers/available", "DELETE", "GET,HEAD"),
        ("/v1/phone-numbers/import", "GET", "POST"),
        ("/v1/phone-numbers/kyb", "POST", "GET,HEAD"),
        ("/v1/phone-numbers/kyb/draft", "GET", "PUT"),
        ("/v1/phone-numbers/kyb/submit", "OPTIONS", "POST"),
    ] {
        let answer = app.call(method(wrong), path).send().await;
        assert_eq!(answer.header("allow"), allowed, "{wrong} {path}");
        answer.refused(405, "METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused() {
    let app = TestApp::approved().await;
    for route in routes_with_a_body() {
        let call = || route.call(&app);
        for bad in ["", "{", "[]", "null", "\"x\"", "7", "{\"a\":1}}", "\u{feff}\u{feff}{}", "{'a':1}", "{\"a\":01}"] {
            let answer = call().text(bad).send().await;
            assert_eq!(answer.body["error"], "Invalid request body", "{bad:?}");
            answer.invalid(&[""]);
        }
        let invalid_utf8 = b"{\"e164\":\"\xff\"}".to_vec();
        call().text(invalid_utf8).send().await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_is_skipped() {
    let app = TestApp::approved().await;
    for route in routes_with_a_body() {
        let answer = route.call(&app).text(format!("\u{feff}{}", route.body(0))).send().await;
        assert_ne!(answer.status, 400, "{}: {}", route.name(), answer.text);
    }
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn a_compressed_body_is_refused_with_a_sentence_that_says_so() {
    let app = TestApp::approved().await;
    for route in routes_with_a_body() {
        for coding in ["gzip", "br", "deflate", "GZIP", "identity, gzip"] {
            let answer = route.good_call(&app, 0).header("content-encoding", coding).send().await;
            let answer = answer.refused(415, "UNSUPPORTED_MEDIA_TYPE");
            assert!(answer["error"].as_str().unwrap().contains("compressed"), "{answer}");
        }
        let plain = route.good_call(&app, 0).header("content-encoding", "identity").send().await;
        assert_ne!(plain.status, 415, "{}", route.name());
    }
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn a_query_parameter_that_a_route_does_not_know_is_refused_by_name_on_every_route() {
    let app = TestApp::approved().await;
    for route in routes() {
        let path = route.about(NOBODYS_NUMBER);
        for (query, names) in
            [("verbose=1", vec!["verbose"]), ("Area-Code=1&x", vec!["Area-Code", "x"]), ("=", vec![""])]
        {
            let call = app.call(route.method.clone(), &format!("{path}?{query}"));
            let call = if route.request.is_some() { call.json(&route.body(0)) } else { call };
            let answer = call.send().await;
            assert_eq!(answer.body["error"], "Invalid query parameters", "{} {query}", route.name());
            answer.invalid(&names);
            // Nobody learns what a route knows without a key.
            app.call(route.method.clone(), &format!("{path}?{query}"))
                .authorization(None)
                .send()
                .await
                .refused(401, "UNAUTHORIZED");
        }
    }
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]), "nothing was done");
    let meant = app.get("/v1/phone-numbers/available?area_code=415").send().await;
    assert!(meant.text.contains("did you mean areaCode?"), "{}", meant.text);
    meant.invalid(&["area_code"]);
}

#[tokio::test]
async fn a_browser_is_let_in_only_from_an_origin_that_the_operator_lists() {
    const CONSOLE: &str = "https://console.example.com";
    let app = TestApp::approved().await;
    let listed = Options::with("CorsOrigins", "https://console.example.com, http://localhost:3000");
    let open = TestApp::start(approved(), listed).await;
    for route in routes() {
        let path = route.about(NOBODYS_NUMBER);
        let ask = |app: &TestApp, origin: &str| {
            let call = app.call(Method::OPTIONS, &path).authorization(None).header("origin", origin);
            call.header("access-control-request-method", route.method.as_str())
                .header("access-control-request-headers", "authorization,content-type,idempotency-key,if-match")
        };
        ask(&app, CONSOLE).send().await.refused(405, "METHOD_NOT_ALLOWED");
        let preflight = ask(&open, CONSOLE).send().await;
        assert_eq!(preflight.status, 200, "{}", route.name());
        assert_eq!(preflight.header("access-control-allow-origin"), CONSOLE);
        assert!(preflight.header("access-control-allow-methods").contains(route.method.as_str()), "{}", route.name());
        for header in ["authorization", "content-type", "idempotency-key", "if-match"] {
            assert!(preflight.header("access-control-allow-headers").contains(header), "{header}");
        }
        let stranger = ask(&open, "https://console.example.com.evil.example").send().await;
        assert_eq!(stranger.header("access-control-allow-origin"), "");
        // Errors can be read, too.
        let answer = route.call(&open).authorization(None).header("origin", CONSOLE).send().await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, CONSOLE));
        for header in ["etag", "link", "x-next-cursor", "retry-after", "x-request-id", "idempotency-replayed"] {
            assert!(answer.header("access-control-expose-headers").contains(header), "{header}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn bodies_over_64_kib_are_refused_and_deep_ones_do_no_harm() {
    let app = TestApp::approved().await;
    let padded = |bytes: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(bytes - 8));
    for route in routes_with_a_body() {
        route.call(&app).text(padded(64 * 1024 + 1)).send().await.refused(413, "PAYLOAD_TOO_LARGE");
        assert_ne!(route.call(&app).text(padded(64 * 1024)).send().await.status, 413);
        let deep = format!(
            "{{\"dispatchMetadataTemplate\":{{\"a\":{}1{}}},\"e164\":\"+12125550199\",\"sipTrunkId\":\"t\"}}",
            "[".repeat(30_000),
            "]".repeat(30_000)
        );
        let answer = route.call(&app).text(deep).send().await;
        assert!(answer.status < 500, "{}", answer.text);
    }
}

#[tokio::test]
async fn every_answer_names_its_request_and_no_two_share_a_name() {
    let app = TestApp::approved().await;
    let mut names = std::collections::HashSet::new();
    for route in routes() {
        let answer = route.good_call(&app, 0).send().await;
        assert!(names.insert(answer.header("x-request-id").to_owned()), "{}", route.name());
    }
    assert!(names.iter().all(|name| !name.is_empty()));
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn a_table_that_is_down_is_answered_as_busy_on_every_route() {
    let app = TestApp::approved().await;
    app.get("/v1/phone-numbers").send().await.ok();
    app.dynamo.set(Weather::Throttled);
    for route in routes() {
        let answer = route.good_call(&app, 0).send().await.refused(503, "BUSY");
        assert_eq!(answer["error"], "The service is busy; try again");
    }
    app.dynamo.set(Weather::Fair);
}

#[tokio::test]
async fn keys_of_two_organizations_never_mix() {
    let app = TestApp::approved().await;
    let stranger = app.stranger(approved()).await;
    let ours = app.buy("+14155550142").send().await.ok();
    let theirs = app.buy("+14155550143").key(&stranger).send().await.ok();
    assert_ne!(ours["organizationId"], theirs["organizationId"]);
    let list = app.get("/v1/phone-numbers").send().await.ok();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["id"], ours["id"]);
}
