//! The comparison of books: what a write past the product's own code leaves behind is found, and whose it is.

use std::time::Duration;

use domain::Clock;
use local::seed::World;
use serde_json::{Value, json};
use tests::TestApp;

use crate::desk::Desk;

/// The items of one partition, `LEDGER` or `FEED`, in the order of their keys.
async fn items(app: &TestApp, partition: &str) -> Vec<Value> {
    let pk = format!("{partition}#{}", app.organization);
    let mut items: Vec<Value> = app.items().await.into_iter().filter(|item| item["PK"]["S"] == pk).collect();
    items.sort_by_key(|item| item["SK"]["S"].to_string());
    items
}

/// Writes an item as whoever may call `PutItem` can.
async fn put(desk: &Desk, item: &Value) {
    let put = json!({ "TableName": desk.app.bundle.table_name, "Item": item });
    desk.app.dynamo.ask("PutItem", &put).await;
}

/// What `ops audit` shows, and what it says on standard error.
async fn audited(desk: &Desk) -> (Value, String) {
    let ended = desk.run(&["audit", &desk.org(), "--json"]).await;
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(ended.code, u8::from(!ended.errors.is_empty()), "{ended:?}");
    (shown[0].clone(), ended.errors)
}

/// An organization that has bought a number and changed it twice, half a minute ago and more.
async fn lived() -> Desk {
    let desk = Desk::approved().await;
    let id = desk.app.buy("+14155550100").send().await.ok()["id"].as_str().unwrap().to_owned();
    for label in ["one", "two"] {
        desk.app.patch(&format!("/v1/phone-numbers/{id}"), &json!({ "label": label })).send().await.ok();
    }
    desk.app.clock.advance(Duration::from_mins(5));
    desk
}

#[tokio::test]
async fn books_that_agree_are_shown_with_what_was_read() {
    let desk = lived().await;
    let (shown, errors) = audited(&desk).await;
    assert_eq!((&shown["agrees"], errors.as_str()), (&json!(true), ""));
    let balance = desk.json(&["credits", "balance", &desk.org()]).await["balanceUsd"].clone();
    assert_eq!((&shown["balanceUsd"], &shown["ledgerUsd"]), (&balance, &balance));
    assert_eq!(shown["entries"], items(&desk.app, "LEDGER").await.len());
    assert_eq!(shown["events"], items(&desk.app, "FEED").await.len());
}

#[tokio::test]
async fn an_entry_of_the_ledger_that_was_overwritten_or_is_gone_is_found() {
    let desk = lived().await;
    let entry = items(&desk.app, "LEDGER").await.pop().unwrap();
    let mut forged = entry.clone();
    forged["amountMicroUsd"]["N"] = "-1".into();
    put(&desk, &forged).await;
    let (shown, errors) = audited(&desk).await;
    assert_eq!(shown["problems"], json!(["the ledger does not add up to the balance"]));
    assert_ne!(shown["balanceUsd"], shown["ledgerUsd"]);
    assert_eq!(errors, "error: The books of one organization do not agree.\n");
    put(&desk, &entry).await;
    assert_eq!(audited(&desk).await.0["agrees"], true);
    let key = json!({ "PK": entry["PK"], "SK": entry["SK"] });
    desk.app.dynamo.ask("DeleteItem", &json!({ "TableName": desk.app.bundle.table_name, "Key": key })).await;
    assert_eq!(audited(&desk).await.0["agrees"], false);
}

#[tokio::test]
async fn an_event_that_was_overwritten_or_is_gone_is_found() {
    let desk = lived().await;
    let events = items(&desk.app, "FEED").await;
    let of_number = |event: &&Value| event["subject"]["S"].as_str().is_some_and(|subject| subject.starts_with("pn_"));
    let events: Vec<&Value> = events.iter().filter(of_number).collect();
    let [.., before, middle, last] = events.as_slice() else { panic!("{events:?}") };
    let sequence = |event: &Value| event["sequence"]["N"].as_str().unwrap().to_owned();
    let (subject, key) = (middle["subject"]["S"].as_str().unwrap(), json!({ "PK": middle["PK"], "SK": middle["SK"] }));
    desk.app.dynamo.ask("DeleteItem", &json!({ "TableName": desk.app.bundle.table_name, "Key": key })).await;
    let missing = format!("no event of {subject} between {} and {}", sequence(before), sequence(last));
    assert_eq!(audited(&desk).await.0["problems"], json!([missing]));
    let mut forged = (*middle).clone();
    forged["sequence"] = last["sequence"].clone();
    put(&desk, &forged).await;
    let twice = format!("two events {} of {subject}", sequence(last));
    assert_eq!(audited(&desk).await.0["problems"], json!([missing, twice]));
}

#[tokio::test]
async fn an_item_that_cannot_be_understood_is_reported_and_the_other_organizations_are_looked_at() {
    let desk = lived().await;
    desk.json(&["orgs", "create", "org_zzz", "--name", "Last"]).await;
    let mut broken = items(&desk.app, "LEDGER").await.pop().unwrap();
    broken["createdAt"]["S"] = "yesterday".into();
    put(&desk, &broken).await;
    let ended = desk.run(&["audit", "--json"]).await;
    assert_eq!((ended.code, ended.errors.as_str()), (1, "error: The books of one organization do not agree.\n"));
    let shown: Value = serde_json::from_str(&ended.output).unwrap();
    let agrees: Vec<&Value> = shown.as_array().unwrap().iter().map(|row| &row["agrees"]).collect();
    assert_eq!(agrees, [false, true]);
    let problem = shown[0]["problems"][0].as_str().unwrap();
    assert!(problem.contains("cannot be read") && problem.contains("createdAt"), "{problem}");
}

#[tokio::test]
async fn an_organization_without_credits_has_books_that_agree_and_one_that_is_not_there_is_refused() {
    let desk = Desk::with(World::default()).await;
    desk.json(&["orgs", "create", "org_new", "--name", "New"]).await;
    let shown = desk.json(&["audit", "org_new"]).await;
    assert_eq!((&shown[0]["agrees"], &shown[0]["entries"]), (&json!(true), &json!(0)));
    desk.run(&["audit", "org_nobody"]).await.refused("There is no organization 'org_nobody'.");
}

#[tokio::test]
async fn an_entry_that_says_another_time_than_its_key_leads_the_comparison_nowhere() {
    let desk = Desk::with(World::default()).await;
    let now = desk.app.clock.now();
    let reference = |at: usize| format!("many-{at:03}");
    // More than one page of them, the last of the first page with a time that is still to come.
    let organization = desk.org();
    for at in 0..300 {
        desk.app.grant(&reference(at), 1_000_000).await;
    }
    assert_eq!(audited(&desk).await.0["agrees"], true);
    for mut entry in items(&desk.app, "LEDGER").await {
        entry["createdAt"]["S"] = now.plus(Duration::from_hours(24)).to_string().into();
        put(&desk, &entry).await;
    }
    let (shown, _) = audited(&desk).await;
    assert_eq!((&shown["organizationId"], &shown["agrees"]), (&json!(organization), &json!(true)));
    assert!(shown["entries"].as_u64().unwrap() >= 300);
}
