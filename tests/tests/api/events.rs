//! `GET /v1/phone-numbers/events`: customer events, and that a reader of the feed misses none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::audit::Actor;
use domain::kyb::Decision;
use domain::{Clock, Prose, Timestamp};
use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::faults::{Fault, Faults, Place};
use tests::{TestApp, approved, books, full_form};

const EVENTS: &str = "/v1/phone-numbers/events";
/// After so long everything that is written is listed.
const LISTED: Duration = Duration::from_secs(31);

fn path(row: &Value) -> String {
    format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())
}

/// All events up to now that `query` picks.
async fn feed(app: &TestApp, query: &str) -> Vec<Value> {
    app.clock.advance(LISTED);
    page(app, &format!("limit=200{query}")).await.0
}

/// One page, and where the feed goes on.
async fn page(app: &TestApp, query: &str) -> (Vec<Value>, String) {
    let page = app.get(&format!("{EVENTS}?{query}")).send().await.ok();
    assert_eq!(page.as_object().unwrap().len(), 2, "{page}");
    (page["data"].as_array().unwrap().clone(), page["nextCursor"].as_str().unwrap().to_owned())
}

/// Type and sequence of each.
fn kinds(events: &[Value]) -> Vec<(&str, u64)> {
    events.iter().map(|event| (event["type"].as_str().unwrap(), event["sequence"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn a_bought_number_has_events_from_its_confirmation_to_its_release() {
    let app = TestApp::approved().await;
    let body = json!({ "e164": "+14155550142", "agentId": "agent_1", "label": "Desk" });
    let bought = app.post("/v1/phone-numbers", &body).send().await.ok();
    let (none, _) = page(&app, "type=phone_number.purchased").await;
    assert_eq!(none, Vec::<Value>::new(), "what is younger than 30 s is not listed yet");
    let patch = json!({ "label": "Front desk", "dispatchMetadataTemplate": { "secret": 1 }, "agentId": null });
    app.patch(&path(&bought), &patch).send().await.ok();
    app.patch(&path(&bought), &patch).send().await.ok();
    app.delete(&path(&bought)).send().await.ok();

    let id = bought["id"].as_str().unwrap();
    let events = feed(&app, &format!("&phoneNumberId={id}")).await;
    let lives = [("phone_number.purchased", 1), ("phone_number.updated", 2), ("phone_number.released", 3)];
    assert_eq!(kinds(&events), lives, "a patch that changes nothing has no event");
    let number = |agent: Value, label: &str| {
        json!({
            "id": id, "e164": "+14155550142", "source": "managed", "direction": "outbound", "agentId": agent,
            "label": label,
        })
    };
    let organization = app.organization.as_str();
    let (start, end) = (&bought["createdAt"], &bought["nextChargeAt"]);
    assert_eq!(
        events.iter().map(|event| event["data"].clone()).collect::<Vec<_>>(),
        [
            json!({
                "organizationId": organization, "phoneNumber": number(json!("agent_1"), "Desk"), "amountUsd": 2.0,
                "periodStart": start, "periodEnd": end,
            }),
            json!({
                "organizationId": organization, "phoneNumber": number(Value::Null, "Front desk"),
                "changed": ["dispatchMetadataTemplate", "agentId", "label"],
            }),
            json!({
                "organizationId": organization, "phoneNumber": number(Value::Null, "Front desk"), "reason": "requested",
            }),
        ]
    );
    for event in &events {
        let (id, at) = (event["id"].as_str().unwrap(), Timestamp::parse(event["timestamp"].as_str().unwrap()).unwrap());
        assert_eq!(domain::EventId::parse(id).unwrap().made_at(), at);
        assert_eq!(event.as_object().unwrap().len(), 5, "{event}");
    }
    app.check_books().await;
}

#[tokio::test]
async fn an_order_in_doubt_has_an_event_when_it_has_ended() {
    let app = TestApp::approved().await;
    app.buy("+14155550404").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    let doubtful = app.buy("+14155550500").send().await.ok();
    let (id, now) = (domain::PhoneNumberId::new(app.clock.now(), rand::random()), app.clock.now());
    let failed = app.begin_purchase(&id, "+14155550199", domain::number::Routing::default()).await;
    assert_eq!(feed(&app, "&type=phone_number.purchased").await, Vec::<Value>::new(), "nothing is confirmed yet");
    app.clock.advance(Duration::from_mins(2));
    app.reconciler.run().await.unwrap();
    app.bundle.table.refund_purchase(failed, &Actor::System("reconciler"), now).await.unwrap();

    let events = feed(&app, "").await;
    let numbers: Vec<_> =
        events.iter().filter(|event| !event["type"].as_str().unwrap().starts_with("kyb.")).cloned().collect();
    assert_eq!(kinds(&numbers), [("phone_number.purchased", 1), ("phone_number.purchase_failed", 1)]);
    assert_eq!(numbers[0]["data"]["phoneNumber"]["id"], doubtful["id"]);
    assert_eq!(numbers[1]["data"]["phoneNumber"]["id"], id.as_str());
    assert_eq!(numbers[1]["data"]["amountUsd"], 2.0);
    assert!(!numbers[1]["data"].as_object().unwrap().contains_key("periodStart"), "{}", numbers[1]);
    app.check_books().await;
}

#[tokio::test]
async fn events_of_a_verification_show_its_status_alone() {
    let app = TestApp::empty().await;
    let submit = async || {
        let row = app.post("/v1/phone-numbers/kyb/submit", &full_form()).send().await.ok();
        app.bundle.notifications.settled().await;
        row["id"].clone()
    };
    app.put("/v1/phone-numbers/kyb/draft", &full_form()).send().await.ok();
    let reason = Prose::parse("Unheard-of reason").unwrap();
    let first = submit().await;
    app.decide(&first, &Decision::Reject { reason: reason.clone(), issues: Vec::new() }).await;
    let second = submit().await;
    app.decide(&second, &Decision::Approve).await;
    app.decide(&second, &Decision::Revoke { reason }).await;

    let events = feed(&app, "").await;
    let lives =
        [("kyb.submitted", 1), ("kyb.rejected", 2), ("kyb.submitted", 1), ("kyb.approved", 2), ("kyb.revoked", 3)];
    assert_eq!(kinds(&events), lives, "a draft has no event");
    for (event, (id, status)) in events.iter().zip([
        (&first, "submitted"),
        (&first, "rejected"),
        (&second, "submitted"),
        (&second, "approved"),
        (&second, "revoked"),
    ]) {
        let expected = json!({ "organizationId": app.organization.as_str(), "kyb": { "id": id, "status": status } });
        assert_eq!(event["data"], expected);
    }
    app.check_books().await;
}

#[tokio::test]
async fn the_feed_is_read_in_pages_and_goes_on_where_it_ended() {
    let app = TestApp::approved().await;
    let mut ids = Vec::new();
    for at in 0..5 {
        ids.push(app.import(&format!("+1212555010{at}")).send().await.ok()["id"].clone());
        app.clock.advance(Duration::from_millis(2));
    }
    app.clock.advance(LISTED);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (events, next) = page(&app, &format!("limit=2&type=phone_number.imported{cursor}")).await;
        cursor = format!("&cursor={next}");
        if events.is_empty() {
            break;
        }
        assert!(events.len() <= 2);
        seen.extend(events.iter().map(|event| event["data"]["phoneNumber"]["id"].clone()));
    }
    assert_eq!(seen, ids, "oldest first");
    app.import("+12125550109").send().await.ok();
    let (events, next) = page(&app, &cursor[1..]).await;
    assert_eq!(events, Vec::<Value>::new());
    app.clock.advance(LISTED);
    let (events, _) = page(&app, &format!("cursor={next}")).await;
    assert_eq!(kinds(&events), [("phone_number.imported", 1)]);
    let (events, _) = page(&app, "limit=1").await;
    assert_eq!(kinds(&events), [("kyb.approved", 1)], "the oldest of all");
}

#[tokio::test]
async fn nobody_reads_the_feed_of_another_organization() {
    let app = TestApp::approved().await;
    let row = app.import("+12125550142").send().await.ok();
    let stranger = app.stranger(approved()).await;
    app.clock.advance(LISTED);
    let (own, cursor) = page(&app, "").await;
    assert_eq!(own.len(), 2);
    let query = format!("{EVENTS}?phoneNumberId={}", row["id"].as_str().unwrap());
    assert_eq!(app.get(&query).key(&stranger).send().await.ok()["data"], json!([]));
    let own_id = own[0]["id"].as_str().unwrap();
    for query in [format!("cursor={cursor}"), format!("cursor={own_id}"), String::new()] {
        let seen = app.get(&format!("{EVENTS}?{query}")).key(&stranger).send().await.ok();
        let seen = seen["data"].as_array().unwrap();
        assert!(seen.iter().all(|event| event["data"]["organizationId"] != app.organization.as_str()), "{seen:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let app = TestApp::approved().await;
    for (query, refused) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("type=phone_number.sold", "type"),
        ("phoneNumberId=kyb_01kwdfkd000000000000000001", "phoneNumberId"),
        ("cursor=evt_1", "cursor"),
        ("cursor=", "cursor"),
        ("phone_number_id=x", "phone_number_id"),
    ] {
        app.get(&format!("{EVENTS}?{query}")).send().await.invalid(&[refused]);
    }
    let unheard_of = app.get(&format!("{EVENTS}?type=phone_number.sold")).send().await.body;
    assert!(unheard_of.to_string().contains("phone_number.purchase_failed, phone_number.imported"), "{unheard_of}");
}

#[test]
fn every_type_of_event_is_described() {
    let described = &tests::routes::description()["components"]["schemas"]["PhoneNumberEventType"]["enum"];
    let known: Vec<_> = domain::feed::Kind::ALL.into_iter().map(domain::feed::Kind::as_str).collect();
    assert_eq!(*described, json!(known));
}

#[tokio::test]
async fn an_event_is_listed_for_thirty_days_and_so_is_a_cursor_good() {
    let app = TestApp::approved().await;
    app.import("+12125550142").send().await.ok();
    app.clock.advance(LISTED);
    let (before, _) = page(&app, "").await;
    let oldest = before[0]["id"].as_str().unwrap().to_owned();
    app.clock.advance(Duration::from_hours(30 * 24 - 1));
    let (events, cursor) = page(&app, &format!("cursor={oldest}")).await;
    assert_eq!(kinds(&events), [("phone_number.imported", 1)]);
    app.clock.advance(Duration::from_hours(1));
    let (events, _) = page(&app, "").await;
    assert_eq!(events, Vec::<Value>::new(), "whether or not the item has been deleted yet");
    let stale = app.get(&format!("{EVENTS}?cursor={oldest}")).send().await;
    assert!(stale.text.contains("older than 30 days"), "{}", stale.text);
    stale.invalid(&["cursor"]);
    // A reader to whom nothing has happened for long is no stale reader.
    assert_eq!(page(&app, &format!("cursor={cursor}")).await.0, Vec::<Value>::new());
}

#[tokio::test]
async fn a_change_that_is_written_late_is_not_passed_over() {
    let faults = Faults::default();
    let app = Arc::new(TestApp::struck_by(&faults).await);
    let row = app.import("+12125550142").send().await.ok();
    app.clock.advance(LISTED);
    let (_, cursor) = page(&app, "").await;
    // The first try is lost on its way; the caller waits for it, and sends it again.
    faults.arm(Some((Place::Nth("table TransactWriteItems".into(), 0), Fault::DiesBefore)));
    let late = tokio::spawn({
        let (app, path) = (app.clone(), path(&row));
        async move { app.patch(&path, &json!({ "label": "late" })).send().await.ok() }
    });
    faults.struck().await;
    app.clock.advance(Duration::from_secs(20));
    app.import("+12125550143").send().await.ok();
    let (events, cursor) = page(&app, &format!("cursor={cursor}")).await;
    assert_eq!(events, Vec::<Value>::new());
    late.await.unwrap();
    faults.spare();
    app.clock.advance(LISTED);
    let (events, _) = page(&app, &format!("cursor={cursor}")).await;
    assert_eq!(kinds(&events), [("phone_number.updated", 2), ("phone_number.imported", 1)]);
}

/// When each write under way was begun.
type UnderWay = Arc<Mutex<HashMap<usize, Timestamp>>>;

/// Imports a number and renames it; what is refused under contention is tried again. Returns how often it was written.
async fn write(app: Arc<TestApp>, under_way: UnderWay, writer: usize) -> u64 {
    let call = async |call: tests::Call| {
        under_way.lock().unwrap().insert(writer, app.clock.now());
        let answer = call.send().await;
        under_way.lock().unwrap().remove(&writer);
        answer
    };
    let row = loop {
        let answer = call(app.import(&format!("+121255501{writer:02}"))).await;
        if answer.status != 503 {
            break answer.ok();
        }
    };
    let mut written = 1;
    while written < 4 {
        let answer = call(app.patch(&path(&row), &json!({ "label": format!("{writer}.{written}") }))).await;
        if answer.status != 503 {
            answer.ok();
            written += 1;
        }
    }
    written
}

#[tokio::test]
async fn a_reader_misses_nothing_and_sees_nothing_twice_while_fifty_write() {
    let (app, under_way) = (Arc::new(TestApp::approved().await), UnderWay::default());
    app.dynamo.set(Weather::Contended);
    let writers: Vec<_> = (0..50).map(|writer| tokio::spawn(write(app.clone(), under_way.clone(), writer))).collect();
    let (mut seen, mut query) = (Vec::new(), "limit=7".to_owned());
    loop {
        let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        // Time flies, but no write takes longer than the longest that one may take.
        let oldest = under_way.lock().unwrap().values().min().copied().unwrap_or_else(|| app.clock.now());
        let left = Duration::from_secs(25).saturating_sub(app.clock.now().since(oldest));
        app.clock.advance(if over { LISTED } else { left.min(Duration::from_secs(3)) });
        let answer = app.get(&format!("{EVENTS}?{query}")).send().await;
        if answer.status == 503 {
            continue;
        }
        let page = answer.ok();
        let events = page["data"].as_array().unwrap();
        query = format!("limit=7&cursor={}", page["nextCursor"].as_str().unwrap());
        seen.extend(events.iter().cloned());
        if over && events.is_empty() {
            break;
        }
    }
    app.dynamo.set(Weather::Fair);
    for writer in writers {
        assert_eq!(writer.await.unwrap(), 4);
    }
    let mut sequences: HashMap<&str, Vec<u64>> = HashMap::new();
    for event in seen.iter().filter(|event| event["data"]["phoneNumber"].is_object()) {
        let number = event["data"]["phoneNumber"]["id"].as_str().unwrap();
        sequences.entry(number).or_default().push(event["sequence"].as_u64().unwrap());
    }
    assert_eq!(sequences.len(), 50);
    assert!(sequences.values().all(|sequence| *sequence == [1, 2, 3, 4]), "{sequences:?}");
    app.check_books().await;
}

#[tokio::test]
async fn the_books_notice_an_event_that_is_missing_and_one_that_is_made_up() {
    let app = TestApp::approved().await;
    app.import("+12125550142").send().await.ok();
    app.check_books().await;
    let items = app.items().await;
    let is_import = |item: &&Value| item["eventType"]["S"] == "phone_number.imported";
    let event = items.iter().find(is_import).unwrap();
    let table = app.bundle.table_name;
    let key = json!({ "PK": event["PK"], "SK": event["SK"] });
    app.dynamo.ask("DeleteItem", &json!({ "TableName": table, "Key": key })).await;
    assert!(!books::violations(&app).await.is_empty(), "it is missing");
    let mut other = event.clone();
    other["sequence"]["N"] = json!("2");
    app.dynamo.ask("PutItem", &json!({ "TableName": table, "Item": other })).await;
    assert!(!books::violations(&app).await.is_empty(), "it counts wrongly");
    app.dynamo.ask("PutItem", &json!({ "TableName": table, "Item": event })).await;
    app.check_books().await;
    other["SK"]["S"] = json!("evt_01kwdfkd000000000000000001");
    app.dynamo.ask("PutItem", &json!({ "TableName": table, "Item": other })).await;
    assert!(!books::violations(&app).await.is_empty(), "it was made up");
}
