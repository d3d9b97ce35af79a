//! The audit trail: each change leaves exactly one event, which says who, when and which fields, and never a value.

use std::sync::Arc;
use std::time::Duration;

use domain::api_key::ApiKey;
use domain::kyb::Decision;
use domain::{Clock, OrganizationId, Prose, Timestamp};
use reconciler::Report;
use serde_json::{Value, json};
use table::{EventPage, RecordedEvent};
use tests::dynamo::Weather;
use tests::{Answer, Call, TestApp, approved, full_form};

const DRAFT: &str = "/v1/phone-numbers/kyb/draft";
const SUBMIT: &str = "/v1/phone-numbers/kyb/submit";

fn path(row: &Value) -> String {
    format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())
}

fn time(value: &Value) -> Timestamp {
    Timestamp::parse(value.as_str().unwrap()).unwrap()
}

/// Whose key it is, and the key's id.
async fn holder(app: &TestApp, key: &str) -> (OrganizationId, String) {
    let grant = app.bundle.table.api_key(&ApiKey::parse(key).unwrap().hash()).await.unwrap().unwrap();
    (grant.organization, grant.id.to_string())
}

/// All events of one subject, oldest first.
async fn trail(app: &TestApp, subject: &Value) -> Vec<RecordedEvent> {
    let page = EventPage { after: None, limit: 1_000 };
    let mut events = app.bundle.table.events(&app.organization, subject.as_str().unwrap(), &page).await.unwrap();
    events.reverse();
    events
}

fn actions(events: &[RecordedEvent]) -> Vec<&str> {
    events.iter().map(|event| event.action.as_str()).collect()
}

/// Every event in the table, as it is stored, except those of seeding.
async fn stored(app: &TestApp) -> Vec<Value> {
    let seeded = |item: &Value| matches!(item["actorId"]["S"].as_str(), Some("seed" | "tests"));
    let event = |item: &Value| item["PK"]["S"].as_str().is_some_and(|key| key.starts_with("EVENT#"));
    app.items().await.into_iter().filter(|item| event(item) && !seeded(item)).collect()
}

#[tokio::test]
async fn a_bought_number_tells_its_whole_life() {
    let app = TestApp::approved().await;
    let (_, key) = holder(&app, &app.key).await;
    let body = json!({ "e164": "+14155550142", "agentId": "agent_1", "label": "Desk", "direction": "outbound" });
    let bought = app.post("/v1/phone-numbers", &body).send().await.ok();
    app.clock.advance(Duration::from_hours(1));
    let patch = json!({ "direction": "both", "label": "Desk", "agentId": "agent_2" });
    let relinked = app.patch(&path(&bought), &patch).send().await.ok();
    let patch = json!({ "dispatchMetadataTemplate": { "a": 1 }, "agentId": null });
    let unlinked = app.patch(&path(&bought), &patch).send().await.ok();
    app.clock.advance(Duration::from_hours(1));
    let released = app.clock.now();
    app.delete(&path(&bought)).send().await.ok();

    let events = trail(&app, &bought["id"]).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.action.as_str(), event.changed.iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    let expected = [
        ("purchased", vec!["agentId", "label"]),
        ("activated", vec!["setupStatus", "providerResourceId"]),
        ("updated", vec!["direction", "agentId"]),
        ("updated", vec!["dispatchMetadataTemplate", "agentId"]),
        ("release_begun", vec!["setupStatus"]),
        ("released", vec![]),
    ];
    assert_eq!(told, expected);
    for event in &events {
        assert_eq!((event.actor_kind.as_str(), event.actor_id.as_str()), ("api_key", key.as_str()));
    }
    let times: Vec<_> = events.iter().map(|event| event.at).collect();
    let known = [&bought["createdAt"], &bought["updatedAt"], &relinked["updatedAt"], &unlinked["updatedAt"]];
    assert_eq!(times[..4], known.map(time));
    assert!(times[4] >= released && times[5] >= times[4] && times[5] <= app.clock.now());
    assert_eq!(stored(&app).await.len(), events.len());
}

#[tokio::test]
async fn an_imported_number_tells_its_whole_life() {
    let app = TestApp::approved().await;
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_up", "agentId": "agent_1" });
    let row = app.post("/v1/phone-numbers/import", &body).send().await.ok();
    app.delete(&path(&row)).send().await.ok();
    let events = trail(&app, &row["id"]).await;
    assert_eq!(actions(&events), ["imported", "removed"]);
    assert_eq!((events[0].at, &events[0].changed[..]), (time(&row["createdAt"]), &["agentId".to_owned()][..]));
}

#[tokio::test]
async fn each_event_names_the_key_that_was_used() {
    let app = TestApp::approved().await;
    let row = app.import("+12125550142").send().await.ok();
    let other = app.key_with(&domain::api_key::Scope::ALL).await;
    app.patch(&path(&row), &json!({ "label": "x" })).key(&other).send().await.ok();
    let used: Vec<_> = trail(&app, &row["id"]).await.into_iter().map(|event| event.actor_id).collect();
    assert_eq!(used, [holder(&app, &app.key).await.1, holder(&app, &other).await.1]);
}

#[tokio::test]
async fn a_purchase_that_comes_to_nothing_stays_in_the_trail() {
    let app = TestApp::approved().await;
    app.buy("+14155550404").send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    let mut actions: Vec<_> = stored(&app).await.iter().map(|event| event["action"]["S"].clone()).collect();
    actions.sort_by_key(Value::to_string);
    assert_eq!(actions, ["purchase_refunded", "purchased"]);
}

#[tokio::test]
async fn what_the_reconciler_settles_is_its_own_doing() {
    let app = TestApp::approved().await;
    let adopted = app.buy("+14155550500").send().await.ok();
    let failed = app.buy("+14155550409").send().await;
    let released = app.buy("+14155550523").send().await.ok();
    app.delete(&path(&released)).send().await.refused(503, "CARRIER_UNAVAILABLE");
    app.clock.advance(Duration::from_mins(2));
    let settled = app.clock.now();
    let report = app.reconciler.run().await.unwrap();
    assert_eq!((report.adopted, report.released, report.failed), (1, 1, 0));
    for (row, last) in [(&adopted, "activated"), (&released, "released")] {
        let events = trail(&app, &row["id"]).await;
        let event = events.last().unwrap();
        assert_eq!(event.action, last, "{:?}", actions(&events));
        assert_eq!((event.actor_kind.as_str(), event.actor_id.as_str()), ("system", "reconciler"));
        assert!(event.at >= settled);
        assert!(events[..events.len() - 1].iter().all(|event| event.actor_kind == "api_key"));
    }
    // This order fails within the request, or after it: either way it is refunded once.
    let refunded = stored(&app).await.into_iter().filter(|event| event["action"]["S"] == "purchase_refunded").count();
    assert_eq!(refunded, 1, "{}", failed.text);
}

#[tokio::test]
async fn looking_at_a_row_again_later_is_no_change() {
    let app = TestApp::approved().await;
    let doubtful = app.buy("+14155550505").send().await.ok();
    for minutes in [9, 10, 20] {
        app.clock.advance(Duration::from_mins(minutes));
        assert_eq!(app.reconciler.run().await.unwrap(), Report { waiting: 1, ..Report::default() });
    }
    assert_eq!(actions(&trail(&app, &doubtful["id"]).await), ["purchased"]);
}

#[tokio::test]
async fn a_verification_tells_which_fields_were_filed_and_never_what_they_say() {
    let app = TestApp::empty().await;
    let (_, key) = holder(&app, &app.key).await;
    let mut form = full_form();
    form["attestationAccepted"] = json!(false);
    let draft = app.put(DRAFT, &form).send().await.ok();
    form["businessProfile"]["address"]["city"] = json!("Shelbyville");
    form["authorizedRepresentative"].as_object_mut().unwrap().remove("phone");
    let changed = app.put(DRAFT, &form).send().await.ok();
    form["attestationAccepted"] = json!(true);
    app.clock.advance(Duration::from_hours(1));
    let submitted = app.post(SUBMIT, &form).send().await.ok();
    app.bundle.notifications.settled().await;
    let reason = Prose::parse("Unheard-of reason").unwrap();
    app.decide(&submitted["id"], &Decision::Reject { reason, issues: Vec::new() }).await;
    form["businessProfile"]["website"] = json!("https://other.example.com");
    let successor = app.post(SUBMIT, &form).send().await.ok();
    app.bundle.notifications.settled().await;

    let events = trail(&app, &draft["id"]).await;
    assert_eq!(actions(&events), ["draft_saved", "draft_saved", "submitted", "rejected"], "telling staff is no change");
    assert_eq!(events[0].changed.len(), 17, "every field of the form: {:?}", events[0].changed);
    assert_eq!(events[1].changed, ["businessProfile.address.city", "authorizedRepresentative.phone"]);
    assert_eq!(events[2].changed, ["attestationAccepted"]);
    let known = [&draft["updatedAt"], &changed["updatedAt"], &submitted["submittedAt"]];
    assert_eq!([events[0].at, events[1].at, events[2].at], known.map(time));
    assert!(events[..3].iter().all(|event| event.actor_id == key));
    assert_eq!((events[3].actor_kind.as_str(), events[3].actor_id.as_str()), ("reviewer", "U1"));
    let after = trail(&app, &successor["id"]).await;
    assert_eq!(actions(&after), ["submitted"]);
    assert_eq!(after[0].changed, ["businessProfile.website"]);

    let text = serde_json::to_string(&stored(&app).await).unwrap();
    for value in values(&full_form()).into_iter().chain(values(&form)).filter(|value| value.len() > 2) {
        assert!(!text.contains(&value), "{value}");
    }
    assert!(!text.contains("Unheard-of"), "nor what staff have said");
}

/// Every text of a form.
fn values(form: &Value) -> Vec<String> {
    match form {
        Value::Object(fields) => fields.values().flat_map(values).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn events_of_numbers_hold_no_values_either() {
    let app = TestApp::approved().await;
    let body =
        json!({ "e164": "+14155550142", "label": "Corner shop", "dispatchMetadataTemplate": { "tone": "warm" } });
    let row = app.post("/v1/phone-numbers", &body).send().await.ok();
    app.patch(&path(&row), &json!({ "label": "Back office", "agentId": "agent_2" })).send().await.ok();
    let text = serde_json::to_string(&stored(&app).await).unwrap();
    let resource = row["providerResourceId"].as_str().unwrap();
    for value in ["4155550142", "Corner shop", "warm", "Back office", "agent_2", resource] {
        assert!(!text.contains(value), "{value}");
    }
}

#[tokio::test]
async fn what_stands_there_already_is_no_change() {
    let app = TestApp::approved().await;
    let row = app.import("+12125550142").send().await.ok();
    let labelled = app.patch(&path(&row), &json!({ "label": "Desk", "agentId": "agent_1" })).send().await.ok();
    for same in [json!({}), json!({ "label": "Desk" }), json!({ "agentId": "agent_1", "direction": "outbound" })] {
        assert_eq!(app.patch(&path(&row), &same).send().await.ok(), labelled, "not even the time of the last change");
    }
    assert_eq!(actions(&trail(&app, &row["id"]).await), ["imported", "updated"]);

    let app = TestApp::empty().await;
    let mut form = full_form();
    form["attestationAccepted"] = json!(false);
    let draft = app.put(DRAFT, &form).send().await.ok();
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(app.put(DRAFT, &form).send().await.ok(), draft);
    assert_eq!(actions(&trail(&app, &draft["id"]).await), ["draft_saved"]);
    form["attestationAccepted"] = json!(true);
    assert_ne!(app.put(DRAFT, &form).send().await.ok(), draft);
    assert_eq!(trail(&app, &draft["id"]).await[1].changed, ["attestationAccepted"]);
}

#[tokio::test]
async fn a_refused_change_leaves_no_event() {
    let app = TestApp::approved().await;
    let (one, other) = (app.import("+12125550142").send().await.ok(), app.import("+12125550143").send().await.ok());
    app.patch(&path(&one), &json!({ "agentId": "agent_1" })).send().await.ok();
    let doubtful = app.buy("+14155550500").send().await.ok();
    let before = stored(&app).await.len();
    let stranger = app.stranger(approved()).await;

    let patch = |row: &Value, body: Value| app.patch(&path(row), &body);
    patch(&one, json!({ "label": 5 })).send().await.invalid(&["label"]);
    patch(&other, json!({ "agentId": "agent_1" })).send().await.refused(409, "AGENT_ALREADY_LINKED");
    patch(&other, json!({ "agentId": "agent_none" })).send().await.invalid(&["agentId"]);
    let stale = patch(&one, json!({ "label": "x" })).header("if-match", "\"99\"");
    stale.send().await.refused(412, "PRECONDITION_FAILED");
    patch(&one, json!({ "label": "x" })).key(&stranger).send().await.refused(404, "NOT_FOUND");
    app.delete(&path(&one)).key(&stranger).send().await.refused(404, "NOT_FOUND");
    app.delete(&path(&doubtful)).send().await.refused(409, "PHONE_NUMBER_BUSY");
    app.import("+12125550142").send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    app.buy("+12125550142").send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    app.buy("+14155550503").send().await.refused(503, "CARRIER_UNAVAILABLE");
    app.put(DRAFT, &full_form()).send().await.refused(409, "KYB_ALREADY_APPROVED");
    app.post(SUBMIT, &full_form()).send().await.refused(409, "KYB_ALREADY_APPROVED");
    app.dynamo.set(Weather::Throttled);
    patch(&one, json!({ "label": "x" })).send().await.refused(503, "BUSY");
    app.dynamo.set(Weather::Fair);
    assert_eq!(stored(&app).await.len(), before);
}

#[tokio::test]
async fn another_organization_sees_none_of_it() {
    let app = TestApp::approved().await;
    let row = app.import("+12125550142").send().await.ok();
    let stranger = app.stranger(approved()).await;
    let (organization, _) = holder(&app, &stranger).await;
    let page = EventPage { after: None, limit: 10 };
    let id = row["id"].as_str().unwrap();
    assert_eq!(app.bundle.table.events(&organization, id, &page).await.unwrap(), []);
    assert_eq!(app.bundle.table.events(&app.organization, id, &page).await.unwrap().len(), 1);
    assert_eq!(app.bundle.table.events(&app.organization, "pn_", &page).await.unwrap(), [], "a part is not an id");
}

#[tokio::test]
async fn events_come_newest_first_and_in_pages() {
    let app = TestApp::approved().await;
    let row = app.import("+12125550142").send().await.ok();
    for at in 0..6 {
        // Several changes of one moment, too: their order is then any, but none is skipped or told twice.
        if at % 2 == 0 {
            app.clock.advance(Duration::from_mins(1));
        }
        app.patch(&path(&row), &json!({ "label": at.to_string() })).send().await.ok();
    }
    let mut all = trail(&app, &row["id"]).await;
    all.reverse();
    assert_eq!((all.len(), actions(&all)[6]), (7, "imported"));
    assert!(all.is_sorted_by(|one, next| one.at >= next.at));
    let (mut paged, mut after) = (Vec::new(), None);
    for expected in [3, 3, 1, 0] {
        let page = EventPage { after, limit: 3 };
        let id = row["id"].as_str().unwrap();
        let events = app.bundle.table.events(&app.organization, id, &page).await.unwrap();
        assert_eq!(events.len(), expected);
        paged.extend(events);
        after = paged.last().map(|event| event.position.clone());
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn each_event_expires_four_hundred_days_after_it_happened() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    app.delete(&path(&row)).send().await.ok();
    let events = stored(&app).await;
    assert_eq!(events.len(), 4);
    for event in events {
        let at = time(&event["at"]["S"]);
        let expires: i64 = event["expiresAt"]["N"].as_str().unwrap().parse().unwrap();
        assert_eq!(expires - at.seconds(), 400 * 24 * 60 * 60);
    }
}

/// Calls again while contention outlasts the retries: such a call has changed nothing, or goes on where it stopped.
async fn in_the_end(call: impl Fn() -> Call) -> Answer {
    loop {
        let answer = call().send().await;
        if answer.status != 503 {
            return answer;
        }
    }
}

async fn one_event_for_each_change(weather: Weather) {
    let app = TestApp::approved().await;
    let mut rows = Vec::new();
    app.dynamo.set(weather);
    for at in 0..8 {
        let body = json!({ "e164": format!("+1415555{:04}", 1000 + at), "agentId": "agent_1" });
        let row = in_the_end(|| app.post("/v1/phone-numbers", &body)).await.ok();
        for change in [json!({ "agentId": "agent_2" }), json!({ "label": "x" })] {
            in_the_end(|| app.patch(&path(&row), &change)).await.ok();
        }
        in_the_end(|| app.delete(&path(&row))).await.ok();
        let imported = in_the_end(|| app.import(&format!("+1212555{:04}", 1000 + at))).await.ok();
        in_the_end(|| app.delete(&path(&imported))).await.ok();
        in_the_end(|| app.buy("+14155550404")).await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
        rows.push((row, imported));
    }
    app.dynamo.set(Weather::Fair);
    for (bought, imported) in &rows {
        let bought = trail(&app, &bought["id"]).await;
        let life = ["purchased", "activated", "updated", "updated", "release_begun", "released"];
        assert_eq!(actions(&bought).len(), life.len(), "{:?}", actions(&bought));
        assert!(life.iter().all(|action| actions(&bought).contains(action)), "{:?}", actions(&bought));
        let imported = trail(&app, &imported["id"]).await;
        assert_eq!(imported.len(), 2, "{:?}", actions(&imported));
    }
    let refunds = stored(&app).await.into_iter().filter(|event| event["action"]["S"] == "purchase_refunded").count();
    assert_eq!(refunds, rows.len());
    app.check_books().await;
}

#[tokio::test]
async fn lost_answers_leave_one_event_for_each_change() {
    one_event_for_each_change(Weather::Forgetful).await;
}

#[tokio::test]
async fn conflicts_and_throttles_leave_one_event_for_each_change() {
    one_event_for_each_change(Weather::Contended).await;
}

#[tokio::test]
async fn filing_leaves_one_event_for_each_change_when_answers_are_lost() {
    let app = TestApp::empty().await;
    app.dynamo.set(Weather::Forgetful);
    let mut form = full_form();
    let mut id = Value::Null;
    for at in 0..20 {
        form["businessProfile"]["displayName"] = json!(format!("Acme {at}"));
        id = app.put(DRAFT, &form).send().await.ok()["id"].take();
    }
    app.post(SUBMIT, &form).send().await.ok();
    app.dynamo.set(Weather::Fair);
    app.bundle.notifications.settled().await;
    let events = trail(&app, &id).await;
    assert_eq!(events.iter().filter(|event| event.action == "draft_saved").count(), 20, "{:?}", actions(&events));
    assert_eq!(actions(&events).last(), Some(&"submitted"));
    assert_eq!(events.len(), 21);
}

#[tokio::test]
async fn of_changes_that_race_exactly_those_that_happened_are_told() {
    for weather in [Weather::Fair, Weather::Contended, Weather::Forgetful] {
        let app = Arc::new(TestApp::approved().await);
        let row = app.import("+12125550142").send().await.ok();
        app.dynamo.set(weather);
        let calls: Vec<_> = (0..10)
            .map(|at| {
                let call = app.patch(&path(&row), &json!({ "label": at.to_string() }));
                tokio::spawn(call.send())
            })
            .collect();
        for call in calls {
            drop(call.await.unwrap());
        }
        app.dynamo.set(Weather::Fair);
        let tag = app.get(&path(&row)).send().await.header("etag").trim_matches('"').parse::<usize>().unwrap();
        let events = trail(&app, &row["id"]).await;
        assert_eq!(events.len(), tag, "{weather:?}: a version for each event, and an event for each version");
        assert!(events[1..].iter().all(|event| event.changed == ["label"]));
    }
}
