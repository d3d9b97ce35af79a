//! What each route costs in the table: requests, and the units that DynamoDB bills. `docs/costs.md` shows the same.

use local::seed::World;
use serde_json::{Value, json};
use tests::dynamo::Cost;
use tests::stack::repository;
use tests::{TestApp, approved};

/// US dollars for a million units, on demand, us-east-1: <https://aws.amazon.com/dynamodb/pricing/on-demand/>.
const READS_USD: f64 = 0.125;
const WRITES_USD: f64 = 0.625;

/// A function has met the caller's key before: that is how nearly all calls come.
async fn met() -> TestApp {
    let app = TestApp::with(World { brand: None, ..approved() }).await;
    for path in ["/v1/phone-numbers", "/v1/phone-numbers/available", "/v1/phone-numbers/kyb", "/v1/credits/balance"] {
        app.get(path).send().await.ok();
    }
    app.get("/v1/phone-numbers/events").send().await.ok();
    app.post("/v1/phone-numbers/import", &json!({})).send().await.refused(400, "VALIDATION_ERROR");
    app
}

/// A line of the table, made of one call.
macro_rules! line {
    ($app:expr, $what:expr, $call:expr) => {{
        $app.dynamo.count_cost();
        let answer = $call.send().await.ok();
        (row($what, $app.dynamo.cost()), answer)
    }};
}

fn row(what: &str, Cost { requests, reads, writes }: Cost) -> String {
    let usd = reads * READS_USD + writes * WRITES_USD;
    format!("| {what} | {requests} | {reads} | {writes} | {usd:.2} |")
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_documentation_shows_what_each_route_costs() {
    let app = met().await;
    let mut rows = Vec::new();
    let mut add = |(row, answer): (String, Value)| {
        rows.push(row);
        answer
    };
    let one = "/v1/phone-numbers";
    let keyed = app.buy("+14155550142").header("idempotency-key", "first");
    let bought = add(line!(app, "`POST /v1/phone-numbers`, with an `Idempotency-Key`", keyed));
    add(line!(app, "the same without one", app.buy("+14155550143")));
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_up", "agentId": "agent_1" });
    let imported =
        add(line!(app, "`POST /v1/phone-numbers/import`, with an agent", app.post(&format!("{one}/import"), &body)));
    let (managed, imported) = (format!("{one}/{}", id(&bought)), format!("{one}/{}", id(&imported)));
    add(line!(app, "`GET /v1/phone-numbers/{id}`", app.get(&managed)));
    add(line!(app, "the same for a number with a SIP connection", app.get(&imported)));
    add(line!(app, "`GET /v1/phone-numbers`, 3 numbers, one of them with a SIP connection", app.get(one)));
    add(line!(app, "`?e164=` of the organization's own", app.get(&format!("{one}?e164=%2B14155550142"))));
    add(line!(app, "`?e164=` of nobody", app.get(&format!("{one}?e164=%2B14155550199"))));
    add(line!(app, "`?agentId=`", app.get(&format!("{one}?agentId=agent_1"))));
    add(line!(app, "`PATCH /v1/phone-numbers/{id}`", app.patch(&managed, &json!({ "label": "x" }))));
    add(line!(app, "the same, linking an agent", app.patch(&managed, &json!({ "agentId": "agent_2" }))));
    add(line!(app, "the same, changing nothing", app.patch(&managed, &json!({ "label": "x" }))));
    add(line!(app, "`DELETE /v1/phone-numbers/{id}`, bought, with an agent", app.delete(&managed)));
    add(line!(app, "the same, imported, with an agent", app.delete(&imported)));
    add(line!(app, "`GET /v1/phone-numbers/available`", app.get(&format!("{one}/available"))));
    add(line!(app, "`GET /v1/phone-numbers/kyb`", app.get(&format!("{one}/kyb"))));
    add(line!(app, "`GET /v1/phone-numbers/events`", app.get(&format!("{one}/events"))));
    add(line!(app, "`GET /v1/credits/balance`", app.get("/v1/credits/balance")));
    add(line!(app, "`GET /v1/credits/ledger`", app.get("/v1/credits/ledger")));
    add(line!(app, "`GET /v1/credits/forecast`", app.get("/v1/credits/forecast")));
    let new = app.key_with(&[domain::api_key::Scope::Read]).await;
    add(line!(app, "the same with a key that the function has not met", app.get("/v1/credits/forecast").key(&new)));
    let head = "| call | requests | read units | write units | USD for a million |\n|---|--:|--:|--:|--:|";
    let table = format!("{head}\n{}", rows.join("\n"));
    let documented = std::fs::read_to_string(repository().join("docs/costs.md")).unwrap();
    assert!(documented.contains(&table), "docs/costs.md should show:\n\n{table}\n");
}

#[tokio::test]
async fn managed_numbers_are_listed_in_two_requests() {
    let app = TestApp::with(tests::with_credit_for(200)).await;
    for area in 0..25 {
        app.buy(&format!("+1415555{:04}", 200 + area)).send().await.ok();
    }
    app.dynamo.count_cost();
    app.get("/v1/phone-numbers").send().await.ok();
    assert_eq!(app.dynamo.cost().requests, 2);
}

#[tokio::test]
async fn a_key_that_a_batch_leaves_unread_is_asked_for_again_and_never_taken_for_absent() {
    let app = met().await;
    let bought = app.buy("+14155550142").send().await.ok();
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_down" });
    let imported = app.post("/v1/phone-numbers/import", &body).send().await.ok();
    app.take_all("all").await;
    for path in [id(&bought), id(&imported)].map(|id| format!("/v1/phone-numbers/{id}")) {
        let expected = app.get(&path).send().await.ok();
        for place in 0..3 {
            app.dynamo.leave_unread(place, 1);
            assert_eq!(app.get(&path).send().await.ok(), expected, "the key at place {place} was left unread");
            app.dynamo.leave_unread(place, 2);
            assert_eq!(app.get(&path).send().await.ok(), expected, "twice");
        }
        app.dynamo.leave_unread(0, usize::MAX);
        app.get(&path).send().await.refused(503, "BUSY");
        app.dynamo.leave_unread(0, 0);
    }
    let list = app.get("/v1/phone-numbers").send().await.ok();
    for place in 0..2 {
        app.dynamo.leave_unread(place, 1);
        assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), list, "{place}");
    }
}

#[tokio::test]
async fn a_gate_that_a_batch_leaves_unread_stays_shut() {
    let app = met().await;
    let with_agent = |e164: &str| app.post("/v1/phone-numbers", &json!({ "e164": e164, "agentId": "agent_1" }));
    with_agent("+14155550142").send().await.ok();
    // A batch reads claim, organization, credits, agent and link. Each is left unread once, and the answer stays the same.
    for place in 0..5 {
        app.dynamo.leave_unread(place, 1);
        with_agent("+14155550142").send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
        app.dynamo.leave_unread(place, 1);
        with_agent("+14155550143").send().await.refused(409, "AGENT_ALREADY_LINKED");
    }
    app.take_all("all").await;
    for place in 0..3 {
        app.dynamo.leave_unread(place, 1);
        app.buy("+14155550144").send().await.refused(402, "INSUFFICIENT_CREDITS");
    }
    app.check_books().await;
}
