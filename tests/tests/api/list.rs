//! `GET /v1/phone-numbers`

use serde_json::{Value, json};
use tests::{TestApp, approved};

fn numbers(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["e164"].as_str().unwrap()).collect()
}

async fn import_many(app: &TestApp, many: usize) -> Vec<String> {
    let mut imported = Vec::new();
    for at in 0..many {
        let e164 = format!("+1212555{:04}", 1000 + at);
        app.import(&e164).send().await.ok();
        app.clock.advance(std::time::Duration::from_millis(2));
        imported.insert(0, e164);
    }
    imported
}

#[tokio::test]
async fn a_list_is_a_bare_array_of_all_numbers_newest_first() {
    let app = TestApp::approved().await;
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    let imported = import_many(&app, 5).await;
    let answer = app.get("/v1/phone-numbers").send().await;
    assert_eq!((answer.header("link"), answer.header("x-next-cursor")), ("", ""));
    assert_eq!(numbers(&answer.ok()), imported);
}

#[tokio::test]
async fn nobody_sees_another_organizations_numbers() {
    let app = TestApp::approved().await;
    import_many(&app, 2).await;
    let stranger = app.stranger(approved()).await;
    assert_eq!(app.get("/v1/phone-numbers").key(&stranger).send().await.ok(), json!([]));
}

#[tokio::test]
async fn pages_hold_every_number_once_and_the_last_has_no_next() {
    let app = TestApp::approved().await;
    let imported = import_many(&app, 7).await;
    let (mut path, mut seen, mut pages) = ("/v1/phone-numbers?limit=3".to_owned(), Vec::new(), 0);
    loop {
        let answer = app.get(&path).send().await;
        let (link, cursor) = (answer.header("link").to_owned(), answer.header("x-next-cursor").to_owned());
        seen.extend(numbers(&answer.ok()).into_iter().map(str::to_owned));
        pages += 1;
        if cursor.is_empty() {
            assert_eq!(link, "");
            break;
        }
        let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("a next link");
        assert!(next.contains(&cursor) && next.contains("limit=3"), "{next}");
        next.clone_into(&mut path);
    }
    assert_eq!((pages, seen), (3, imported));
}

#[tokio::test]
async fn filters_narrow_a_list_and_fill_its_pages() {
    let app = TestApp::approved().await;
    import_many(&app, 4).await;
    let body = json!({ "e164": "+14155550142", "direction": "both", "agentId": "agent_1" });
    app.post("/v1/phone-numbers", &body).send().await.ok();
    import_many_more(&app).await;
    for (query, expected) in [
        ("source=managed", vec!["+14155550142"]),
        ("direction=both", vec!["+14155550142"]),
        ("agentId=agent_1", vec!["+14155550142"]),
        ("agentId=agent_none", vec![]),
        ("e164=%2B12125551001", vec!["+12125551001"]),
        ("source=managed&limit=1", vec!["+14155550142"]),
        ("source=sip_trunk&direction=both", vec![]),
    ] {
        let answer = app.get(&format!("/v1/phone-numbers?{query}")).send().await;
        assert_eq!(answer.header("x-next-cursor"), "", "{query}");
        assert_eq!(numbers(&answer.ok()), expected, "{query}");
    }
    let page = app.get("/v1/phone-numbers?source=sip_trunk&limit=4").send().await;
    assert_ne!(page.header("x-next-cursor"), "");
    assert_eq!(numbers(&page.ok()).len(), 4);
}

async fn import_many_more(app: &TestApp) {
    for at in 0..3 {
        app.import(&format!("+1646555{:04}", 1000 + at)).send().await.ok();
    }
}

#[tokio::test]
async fn bad_query_parameters_are_all_named() {
    let app = TestApp::approved().await;
    let query = "limit=0&cursor=zzz&source=stolen&direction=up&agentId=a%23b&e164=12";
    let answer = app.get(&format!("/v1/phone-numbers?{query}")).send().await;
    assert_eq!(answer.body["error"], "Invalid query parameters");
    answer.invalid(&["limit", "cursor", "source", "direction", "agentId", "e164"]);
    for limit in ["201", "-1", "1.5", "", "ten"] {
        app.get(&format!("/v1/phone-numbers?limit={limit}")).send().await.invalid(&["limit"]);
    }
    app.get("/v1/phone-numbers?limit=1&limit=2").send().await.invalid(&["limit"]);
    app.get("/v1/phone-numbers?agent_id=a1&limit=1").send().await.invalid(&["agent_id"]);
}

#[tokio::test]
async fn a_filter_by_number_works_whether_or_not_its_plus_was_escaped() {
    let app = TestApp::approved().await;
    let row = app.import("+12125550142").send().await.ok();
    for number in ["+12125550142", "%2B12125550142", "%2012125550142"] {
        let list = app.get(&format!("/v1/phone-numbers?e164={number}")).send().await.ok();
        assert_eq!(list[0]["id"], row["id"], "{number}");
    }
}

#[tokio::test]
async fn a_cursor_cannot_be_made_up_changed_or_borrowed() {
    let app = TestApp::approved().await;
    import_many(&app, 3).await;
    let page = app.get("/v1/phone-numbers?limit=1").send().await;
    let cursor = page.header("x-next-cursor").to_owned();
    let path = |cursor: &str| format!("/v1/phone-numbers?limit=1&cursor={cursor}");
    app.get(&path(&cursor)).send().await.ok();
    let flipped = if cursor.starts_with('A') { cursor.replacen('A', "B", 1) } else { format!("A{}", &cursor[1..]) };
    app.get(&path(&flipped)).send().await.invalid(&["cursor"]);
    let stranger = app.stranger(approved()).await;
    app.get(&path(&cursor)).key(&stranger).send().await.invalid(&["cursor"]);
}

#[tokio::test]
async fn an_answer_that_would_not_fit_asks_for_pages_and_pages_fit() {
    let app = TestApp::approved().await;
    // Quotes and backslashes double inside Lambda's JSON, so these templates weigh twice what they measure.
    let template = json!({ "x": "\\".repeat(8_000) });
    let many = 190;
    for at in 0..many {
        let e164 = format!("+1212555{:04}", 1000 + at);
        let body =
            json!({ "e164": e164, "sipConnectionInstallationId": "sip_up", "dispatchMetadataTemplate": template });
        app.post("/v1/phone-numbers/import", &body).send().await.ok();
    }
    let body = app.get("/v1/phone-numbers").send().await.refused(400, "RESULT_TOO_LARGE");
    assert!(body["error"].as_str().unwrap().contains("limit"));
    let (mut cursor, mut seen) = (String::new(), 0);
    loop {
        let query = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let page = app.get(&format!("/v1/phone-numbers?limit=200{query}")).send().await;
        let escaped = serde_json::to_string(&page.text).unwrap().len();
        assert!(escaped < 6 * 1024 * 1024, "{escaped} bytes do not fit an answer of Lambda's");
        page.header("x-next-cursor").clone_into(&mut cursor);
        seen += page.ok().as_array().unwrap().len();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(seen, many);
}
