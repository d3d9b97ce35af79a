//! How often a caller waits for the table: parallel calls count once. A key that is known already costs nothing.

use serde_json::json;
use tests::TestApp;

/// Runs a call and returns how many round trips it took.
macro_rules! rounds {
    ($app:expr, $call:expr) => {{
        $app.dynamo.count_rounds();
        $call.send().await.ok();
        $app.dynamo.rounds()
    }};
}

#[tokio::test]
async fn a_table_that_is_there_is_not_made_again() {
    let app = TestApp::empty().await;
    let made = || app.dynamo.seen().iter().filter(|operation| *operation == "CreateTable").count();
    let before = made();
    app.bundle.table.create_if_absent().await.unwrap();
    assert_eq!(made(), before, "the engine would warn of it at each start");
}

#[tokio::test]
async fn every_route_keeps_within_its_round_trips() {
    let app = TestApp::approved().await;
    // Each function remembers keys for itself, once it has met them.
    app.get("/v1/phone-numbers").send().await.ok();
    app.get("/v1/phone-numbers/kyb").send().await.ok();
    app.post("/v1/phone-numbers/import", &json!({})).send().await.refused(400, "VALIDATION_ERROR");

    let bought = rounds!(app, app.buy("+14155550142"));
    assert_eq!(bought, 3, "two before the carrier and one after: {:?}", app.dynamo.seen());
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_up", "agentId": "agent_1" });
    assert_eq!(rounds!(app, app.post("/v1/phone-numbers/import", &body)), 2, "import");

    let list = app.get("/v1/phone-numbers").send().await.ok();
    let path = |at: usize| format!("/v1/phone-numbers/{}", list[at]["id"].as_str().unwrap());
    let (imported, managed) = (path(0), path(1));
    assert_eq!(rounds!(app, app.get("/v1/phone-numbers?source=managed")), 1, "list");
    assert_eq!(rounds!(app, app.get("/v1/phone-numbers")), 2, "list of a number that names a SIP connection");
    assert_eq!(rounds!(app, app.get("/v1/phone-numbers?limit=1&source=managed")), 1, "page");
    assert_eq!(rounds!(app, app.get("/v1/phone-numbers?e164=%2B14155550142")), 2, "claim, then row");
    assert_eq!(rounds!(app, app.get("/v1/phone-numbers?e164=%2B14155550143")), 1, "no claim");
    for (number, reads) in [(&managed, 1), (&imported, 2)] {
        assert_eq!(rounds!(app, app.get(number)), reads, "get");
        assert_eq!(rounds!(app, app.patch(number, &json!({}))), reads, "empty patch");
        assert_eq!(rounds!(app, app.patch(number, &json!({ "label": "x" }))), 2, "patch");
    }
    assert_eq!(rounds!(app, app.patch(&managed, &json!({ "agentId": "agent_2" }))), 2, "link");
    assert_eq!(rounds!(app, app.delete(&imported)), 2, "release of an imported number");
    assert_eq!(rounds!(app, app.delete(&managed)), 3, "release: read, mark, and after the carrier remove");

    app.get("/v1/phone-numbers/available").send().await.ok();
    assert_eq!(rounds!(app, app.get("/v1/phone-numbers/available")), 1, "search");
    assert_eq!(rounds!(app, app.get("/v1/phone-numbers/kyb")), 1, "verification");
}

#[tokio::test]
async fn filing_a_verification_reads_once_and_writes_once() {
    let app = TestApp::empty().await;
    app.get("/v1/phone-numbers/kyb").send().await.ok();
    assert_eq!(rounds!(app, app.put("/v1/phone-numbers/kyb/draft", &tests::full_form())), 2, "draft");
}
