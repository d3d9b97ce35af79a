//! What a call costs follows what it answers, not what exists. `GROWTH=all` makes a hundred thousand of what is made by the
//! thousand otherwise.

use domain::PhoneNumberId;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::TestApp;
use tests::dynamo::Cost;

/// DynamoDB takes so many items in one call.
const BATCH: usize = 25;
const CALLS_AT_ONCE: usize = 8;

/// A hundred thousand, or a twentieth of that.
#[expect(clippy::disallowed_methods, reason = "the settings of a test")]
fn many() -> usize {
    if std::env::var("GROWTH").is_ok_and(|growth| growth == "all") { 100_000 } else { 5_000 }
}

async fn put_all(app: &TestApp, items: Vec<Value>) {
    let table = app.bundle.table_name;
    let calls: Vec<Value> = items
        .chunks(BATCH)
        .map(|items| {
            let puts: Vec<Value> = items.iter().map(|item| json!({ "PutRequest": { "Item": item } })).collect();
            json!({ "RequestItems": { table: puts } })
        })
        .collect();
    for some in calls.chunks(CALLS_AT_ONCE) {
        for answer in join_all(some.iter().map(|call| app.dynamo.ask("BatchWriteItem", call))).await {
            assert_eq!(answer["UnprocessedItems"].as_object().map_or(0, serde_json::Map::len), 0);
        }
    }
}

/// The stored item whose sort key begins like this.
async fn stored(app: &TestApp, sort_key: &str) -> Value {
    let items = app.items().await;
    items.into_iter().find(|item| item["SK"]["S"].as_str().unwrap().starts_with(sort_key)).unwrap()
}

/// The same item again and again, each with `change` made to it.
fn copies(item: &Value, count: usize, change: impl Fn(usize, &mut Value)) -> Vec<Value> {
    let copy = |at| {
        let mut copy = item.clone();
        change(at, &mut copy);
        copy
    };
    (0..count).map(copy).collect()
}

/// Numbers of the organization that are older than all others.
async fn add_numbers(app: &TestApp, like: &Value, from: usize, count: usize) {
    let numbers = copies(like, count, |at, item| {
        let at = from + at;
        let old = domain::Timestamp::from_millis(1_700_000_000_000 + i64::try_from(at).unwrap());
        let id = PhoneNumberId::new(old, u128::try_from(at).unwrap());
        item["id"]["S"] = id.as_str().into();
        item["SK"]["S"] = format!("NUMBER#{id}").into();
        item["e164"]["S"] = format!("+1201{:07}", 2_000_000 + at).into();
    });
    put_all(app, numbers).await;
}

async fn cost(app: &TestApp, path: &str) -> Cost {
    // Once before, so that its function knows the key.
    app.get(path).send().await.ok();
    app.dynamo.count_cost();
    app.get(path).send().await.ok();
    app.dynamo.cost()
}

#[tokio::test]
async fn one_number_a_page_and_a_search_by_number_cost_the_same_among_10_and_5_000_numbers() {
    let app = TestApp::approved().await;
    let bought =
        app.post("/v1/phone-numbers", &json!({ "e164": "+14155550142", "agentId": "agent_1" })).send().await.ok();
    let like = stored(&app, "NUMBER#").await;
    let one = format!("/v1/phone-numbers/{}", bought["id"].as_str().unwrap());
    let paths = [
        one.as_str(),
        "/v1/phone-numbers?limit=5",
        "/v1/phone-numbers?e164=%2B14155550142",
        "/v1/phone-numbers?e164=%2B14155550142&limit=5&source=managed",
        "/v1/phone-numbers?agentId=agent_1",
        "/v1/credits/balance",
    ];
    let mut before: Option<Vec<Cost>> = None;
    let mut there = 0;
    for numbers in [10, 1_000, 5_000] {
        add_numbers(&app, &like, there, numbers - there).await;
        there = numbers;
        let mut costs = Vec::new();
        for path in paths {
            costs.push(cost(&app, path).await);
        }
        assert_eq!(*before.get_or_insert_with(|| costs.clone()), costs, "among {numbers} numbers: {paths:?}");
        // The list of all of them is one call for each megabyte.
        let all = cost(&app, "/v1/phone-numbers").await;
        assert!(f64::from(all.requests) <= 2.0 + all.reads / 128.0, "{all:?}");
        let list = app.get("/v1/phone-numbers?limit=200").send().await.ok();
        assert_eq!(list.as_array().unwrap().len(), 200.min(numbers + 1));
    }
}

#[tokio::test]
async fn sip_connections_that_no_number_names_cost_nothing() {
    let app = TestApp::approved().await;
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_up" });
    let imported = app.post("/v1/phone-numbers/import", &body).send().await.ok();
    let one = format!("/v1/phone-numbers/{}", imported["id"].as_str().unwrap());
    let before = (cost(&app, &one).await, cost(&app, "/v1/phone-numbers").await);
    let like = stored(&app, "SIPCONNECTION#").await;
    let connections = copies(&like, many() / 10, |at, item| {
        item["id"]["S"] = format!("sip_more{at}").into();
        item["SK"]["S"] = format!("SIPCONNECTION#sip_more{at}").into();
    });
    put_all(&app, connections).await;
    assert_eq!((cost(&app, &one).await, cost(&app, "/v1/phone-numbers").await), before);
}

#[tokio::test]
async fn a_long_ledger_makes_neither_its_first_page_nor_the_balance_dearer() {
    let app = TestApp::approved().await;
    for at in 0..60 {
        app.grant(&format!("grant-{at}"), 1_000_000).await;
    }
    let like = stored(&app, "20").await;
    assert!(like["PK"]["S"].as_str().unwrap().starts_with("LEDGER#"), "{like}");
    let paths = ["/v1/credits/balance", "/v1/credits/ledger?limit=50", "/v1/credits/forecast"];
    let costs = async || {
        let mut costs = Vec::new();
        for path in paths {
            costs.push(cost(&app, path).await);
        }
        costs
    };
    let before = costs().await;
    let entries = copies(&like, many(), |at, item| {
        let booked = domain::Timestamp::from_millis(1_600_000_000_000 + i64::try_from(at).unwrap());
        item["SK"]["S"] = format!("{booked}#grant:old-{at}").into();
        item["createdAt"]["S"] = booked.to_string().into();
        item["reference"]["S"] = format!("grant:old-{at}").into();
    });
    put_all(&app, entries).await;
    assert_eq!(costs().await, before, "{paths:?}");
}

#[tokio::test]
async fn other_organizations_cost_nobody_anything() {
    let app = TestApp::approved().await;
    let bought = app.buy("+14155550142").send().await.ok();
    let one = format!("/v1/phone-numbers/{}", bought["id"].as_str().unwrap());
    let before = (cost(&app, &one).await, cost(&app, "/v1/phone-numbers").await);
    let page = async || {
        app.dynamo.count_cost();
        assert_eq!(app.bundle.table.organization_ids(None, 1).await.unwrap().len(), 1);
        app.dynamo.cost()
    };
    let first = page().await;
    let like = stored(&app, "ORG").await;
    let organizations = copies(&like, many(), |at, item| {
        let id = format!("org_more{at:06}");
        item["PK"]["S"] = format!("ORG#{id}").into();
        item["id"]["S"] = id.clone().into();
        item["workDue"]["S"] = id.into();
    });
    put_all(&app, organizations).await;
    assert_eq!((cost(&app, &one).await, cost(&app, "/v1/phone-numbers").await), before);
    assert_eq!(page().await, first, "a page of organizations");
}
