//! The months after the first, from the schedule to what customers see.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::audit::{Action, Actor};
use domain::credits::LOW_WITHIN;
use domain::number::{PhoneNumber, ReleaseReason, Routing};
use domain::renewal::{charged_from, charged_until};
use domain::{Clock, MicroUsd, PhoneNumberId, Timestamp};
use local::Options;
use local::seed::World;
use runtime::aws::Account;
use serde_json::{Value, json};
use table::Table;
use tests::crowd::numbers_due_within_an_hour;
use tests::{TestApp, approved, with_credit_for};

const NUMBER: &str = "+14155550142";
const DAY: Duration = Duration::from_hours(24);
/// Past the longest month, whichever day it is today, and past the quarter of an hour in which its end falls.
const MONTH: Duration = Duration::from_hours(31 * 24 + 1);
/// From a purchase until its next month comes within reach of the credits that are looked at.
const UNTIL_LOW: Duration = Duration::from_hours((31 - 7) * 24);

/// A world with this many dollars, of which one number takes two.
async fn with_dollars(dollars: i64) -> TestApp {
    TestApp::with(World { credits: MicroUsd::from_micros(dollars * 1_000_000), ..approved() }).await
}

async fn buy(app: &TestApp, e164: &str) -> String {
    let row = app.buy(e164).send().await.ok();
    row["id"].as_str().unwrap().to_owned()
}

async fn row(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/v1/phone-numbers/{id}")).send().await.ok()
}

/// The types of the organization's customer events, in their order.
async fn events(app: &TestApp) -> Vec<String> {
    app.clock.advance(Duration::from_secs(31));
    let page = app.get("/v1/phone-numbers/events?limit=200").send().await.ok();
    page["data"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

async fn last_event(app: &TestApp, kind: &str) -> Value {
    app.clock.advance(Duration::from_secs(31));
    let page = app.get(&format!("/v1/phone-numbers/events?limit=200&type={kind}")).send().await.ok();
    page["data"].as_array().unwrap().last().cloned().unwrap_or_default()
}

async fn ledger(app: &TestApp) -> Vec<String> {
    let page = app.get("/v1/credits/ledger?limit=200").send().await.ok();
    let told = |entry: &Value| {
        let kind = entry["id"].as_str().unwrap().split(':').next().unwrap();
        format!("{kind} {}", entry["amountMicroUsd"].as_str().unwrap())
    };
    page["entries"].as_array().unwrap().iter().map(told).collect()
}

/// Lets time pass as it does when the schedule runs all the time.
async fn live(app: &TestApp, time: Duration) {
    let step = Duration::from_mins(50);
    let mut left = time;
    while left > Duration::ZERO {
        let next = left.min(step);
        app.clock.advance(next);
        app.renew().await;
        left -= next;
    }
}

#[tokio::test]
async fn a_number_pays_each_month_once_however_often_the_schedule_runs() {
    let app = with_dollars(5).await;
    let id = buy(&app, NUMBER).await;
    let bought = row(&app, &id).await;
    assert_eq!(app.renew().await.numbers, 0, "nothing is due before its month");
    for month in 1..=3 {
        app.clock.advance(MONTH);
        assert_eq!(app.renew().await.numbers, 1);
        app.renew().await;
        assert_eq!(app.renew().await.numbers, 0);
        assert_eq!(app.balance().await, (3 - month) * 1_000_000);
        app.check_books().await;
    }
    let now = row(&app, &id).await;
    assert_eq!(now["billingSuspendedAt"], Value::Null);
    let anchor = Timestamp::parse(bought["createdAt"].as_str().unwrap()).unwrap();
    assert_eq!(now["nextChargeAt"], anchor.months_later(4).to_string(), "worked out from the anchor");
    assert_eq!(ledger(&app).await[..3], ["renewal -1000000", "renewal -1000000", "renewal -1000000"]);
    let charged = last_event(&app, "phone_number.charged").await;
    assert_eq!(charged["data"]["amountUsd"], 1.0);
    assert_eq!(charged["data"]["periodStart"], anchor.months_later(3).to_string());
    assert_eq!(charged["data"]["periodEnd"], anchor.months_later(4).to_string());
}

#[tokio::test]
async fn a_late_run_pays_the_months_in_their_order() {
    let app = with_dollars(5).await;
    let id = buy(&app, NUMBER).await;
    app.clock.advance(MONTH * 3);
    app.renew().await;
    assert_eq!(app.balance().await, 0);
    let charged = last_event(&app, "phone_number.charged").await;
    assert_eq!((charged["data"]["amountUsd"].as_f64(), charged["sequence"].as_u64()), (Some(3.0), Some(2)));
    assert_eq!(row(&app, &id).await["suspendedAt"], Value::Null);
    app.check_books().await;
}

#[tokio::test]
async fn a_number_that_is_not_covered_is_suspended_and_resumes_once_credits_come() {
    let app = with_dollars(2).await;
    let id = buy(&app, NUMBER).await;
    app.clock.advance(MONTH);
    app.renew().await;
    let suspended = row(&app, &id).await;
    let at = Timestamp::parse(suspended["billingSuspendedAt"].as_str().unwrap()).unwrap();
    assert_eq!(suspended["scheduledReleaseAt"], at.plus(DAY * 30).to_string());
    assert_eq!(
        (&suspended["suspensionReason"], &suspended["suspendedAt"]),
        (&json!("billing"), &json!(at.to_string()))
    );
    assert_eq!(suspended["setupStatus"]["status"], "suspended");
    let issue = suspended["setupStatus"]["issues"][0].as_str().unwrap();
    assert!(
        issue.contains("add credits") && issue.contains(suspended["scheduledReleaseAt"].as_str().unwrap()),
        "{issue}"
    );
    assert_eq!(events(&app).await, ["phone_number.suspended", "phone_number.release_scheduled", "credits.low"]);
    app.clock.advance(DAY * 40);
    app.grant("INV-1", 1_000_000).await;
    app.renew().await;
    assert!(row(&app, &id).await["billingSuspendedAt"].is_string(), "it owes two months, and pays them or nothing");
    assert_eq!(app.balance().await, 1_000_000);
    app.grant("INV-2", 1_000_000).await;
    assert_eq!(app.renew().await.organizations, 1, "the grant itself asks for it");
    let lifted = row(&app, &id).await;
    assert_eq!((&lifted["billingSuspendedAt"], &lifted["scheduledReleaseAt"]), (&Value::Null, &Value::Null));
    assert_eq!(app.balance().await, 0);
    assert_eq!(app.renew().await.organizations, 0, "nothing is left to look at");
    assert!(events(&app).await.ends_with(&["phone_number.charged".to_owned(), "phone_number.unsuspended".to_owned()]));
    app.check_books().await;
}

#[tokio::test]
async fn the_last_dollar_goes_to_the_number_that_is_due_first() {
    let app = with_dollars(8).await;
    let mut ids = Vec::new();
    for number in [NUMBER, "+12125550142", "+13105550142"] {
        ids.push(buy(&app, number).await);
        app.clock.advance(Duration::from_hours(1));
    }
    app.clock.advance(MONTH);
    app.renew().await;
    let mut paid = Vec::new();
    for id in &ids {
        paid.push(row(&app, id).await["billingSuspendedAt"].is_null());
    }
    assert_eq!(paid, [true, true, false]);
    app.check_books().await;
}

#[tokio::test]
async fn a_number_that_nobody_pays_for_is_released_after_its_grace_and_not_before() {
    let app = with_dollars(2).await;
    let id = buy(&app, NUMBER).await;
    app.clock.advance(MONTH);
    app.renew().await;
    app.clock.advance(DAY * 28);
    live(&app, Duration::from_hours(47)).await;
    assert_eq!(row(&app, &id).await["setupStatus"]["status"], "suspended");
    live(&app, Duration::from_hours(2)).await;
    app.clock.advance(Duration::from_mins(2));
    app.reconciler.run().await.unwrap();
    app.get(&format!("/v1/phone-numbers/{id}")).send().await.refused(404, "NOT_FOUND");
    assert!(app.bundle.carrier.numbers().is_empty(), "the carrier has it back");
    let released = last_event(&app, "phone_number.released").await;
    assert_eq!(released["data"]["reason"], "unpaid");
    app.check_books().await;
}

#[tokio::test]
async fn an_outage_of_ours_puts_the_release_off() {
    let app = with_dollars(2).await;
    let id = buy(&app, NUMBER).await;
    app.clock.advance(MONTH);
    app.renew().await;
    let announced = row(&app, &id).await["scheduledReleaseAt"].clone();
    app.clock.advance(DAY * 45);
    app.renew().await;
    let put_off = row(&app, &id).await;
    assert!(put_off["scheduledReleaseAt"].as_str() > announced.as_str(), "{put_off}");
    assert_eq!(
        last_event(&app, "phone_number.release_scheduled").await["data"]["scheduledReleaseAt"],
        put_off["scheduledReleaseAt"]
    );
    live(&app, Duration::from_hours(23)).await;
    assert_eq!(row(&app, &id).await["scheduledReleaseAt"], put_off["scheduledReleaseAt"], "it is as it was announced");
    live(&app, Duration::from_hours(2)).await;
    app.clock.advance(Duration::from_mins(2));
    app.reconciler.run().await.unwrap();
    app.get(&format!("/v1/phone-numbers/{id}")).send().await.refused(404, "NOT_FOUND");
    app.check_books().await;
}

#[tokio::test]
async fn an_imported_number_with_a_fee_is_charged_and_removed_when_unpaid() {
    let credits = MicroUsd::from_micros(500_000);
    let options = Options::with("ImportMonthlyFeeUsd", "0.50");
    let app = TestApp::start(World { credits, ..approved() }, options).await;
    let imported = app.import("+12125550142").send().await.ok();
    let id = imported["id"].as_str().unwrap();
    app.clock.advance(MONTH);
    app.renew().await;
    assert_eq!(app.balance().await, 0);
    app.clock.advance(MONTH);
    app.renew().await;
    assert_eq!(row(&app, id).await["suspensionReason"], "billing");
    app.clock.advance(DAY * 28);
    live(&app, DAY * 2 + Duration::from_hours(1)).await;
    app.get(&format!("/v1/phone-numbers/{id}")).send().await.refused(404, "NOT_FOUND");
    assert_eq!(last_event(&app, "phone_number.released").await["data"]["reason"], "unpaid");
    app.import("+12125550142").send().await.ok();
    app.check_books().await;
}

#[tokio::test]
async fn a_free_number_and_one_that_leaves_are_never_charged() {
    let app = with_dollars(5).await;
    app.import("+12125550142").send().await.ok();
    let id = buy(&app, NUMBER).await;
    let (table, id) = (&app.bundle.table, PhoneNumberId::parse(&id).unwrap());
    let number = table.find_number(&app.organization, &id).await.unwrap().unwrap();
    let leave = |number: PhoneNumber| number.release(ReleaseReason::Requested, app.clock.now());
    table.transition(number, leave, Action::ReleaseBegun, &Actor::System("test")).await.unwrap();
    let ordered = PhoneNumberId::new(app.clock.now(), 7);
    app.begin_purchase(&ordered, "+13105550142", Routing::default()).await;
    app.clock.advance(MONTH * 2);
    assert_eq!(app.renew().await.numbers, 0);
    assert_eq!(app.balance().await, 1_000_000);
}

#[tokio::test]
async fn low_credits_are_told_before_it_hurts_and_again_only_after_they_were_not() {
    let app = with_dollars(4).await;
    let (first, second) = (buy(&app, NUMBER).await, buy(&app, "+12125550142").await);
    app.renew().await;
    assert!(!events(&app).await.contains(&"credits.low".to_owned()), "a month is far away");
    assert_eq!(row(&app, &first).await["setupStatus"]["status"], "ready");
    app.clock.advance(UNTIL_LOW);
    app.renew().await;
    app.renew().await;
    let low = last_event(&app, "credits.low").await;
    assert_eq!(
        (low["data"]["credits"]["balanceUsd"].as_f64(), low["data"]["credits"]["dueUsd"].as_f64()),
        (Some(0.0), Some(2.0))
    );
    assert_eq!(low["sequence"], 1);
    let issues = |row: &Value| row["setupStatus"]["issues"].as_array().unwrap().clone();
    let (one, two) = (row(&app, &first).await, row(&app, &second).await);
    let by = one["nextChargeAt"].as_str().unwrap();
    let told = format!("Prepaid credits do not cover this number's next month: add at least 1.00 USD by {by}.");
    assert_eq!(issues(&one), [json!(told)]);
    assert!(issues(&two)[0].as_str().unwrap().contains("add at least 2.00 USD by"));
    assert_eq!(
        (&one["setupStatus"]["status"], &one["setupStatus"]["inboundReady"]),
        (&json!("action_required"), &json!(false))
    );
    let list = app.get("/v1/phone-numbers").send().await.ok();
    assert_eq!(issues(&list[0]).len() + issues(&list[1]).len(), 2);
    app.grant("INV-1", 1_000_000).await;
    assert_eq!(issues(&row(&app, &first).await), [] as [Value; 0], "at once, without waiting for a run");
    app.renew().await;
    app.grant("INV-2", 1_000_000).await;
    app.renew().await;
    assert_eq!(issues(&row(&app, &second).await), [] as [Value; 0]);
    app.clock.advance(LOW_WITHIN);
    app.renew().await;
    app.clock.advance(UNTIL_LOW);
    app.renew().await;
    assert_eq!(last_event(&app, "credits.low").await["sequence"], 2);
    app.check_books().await;
}

#[tokio::test]
async fn a_forecast_is_what_then_happens() {
    let app = with_dollars(7).await;
    for number in [NUMBER, "+12125550142"] {
        buy(&app, number).await;
        app.clock.advance(Duration::from_hours(30));
    }
    let forecast = app.get("/v1/credits/forecast?days=62").send().await.ok();
    let charges = forecast["charges"].as_array().unwrap();
    let covered: Vec<_> = charges.iter().map(|charge| charge["covered"].as_bool().unwrap()).collect();
    assert_eq!(covered, [true, true, true, false], "{forecast}");
    assert_eq!((forecast["balanceUsd"].as_f64(), forecast["dueUsd"].as_f64()), (Some(3.0), Some(4.0)));
    assert_eq!(forecast["coveredUntil"], charges[3]["dueAt"]);
    let before = app.items().await.len();
    app.get("/v1/credits/forecast?days=366").send().await.ok();
    assert_eq!(app.items().await.len(), before, "nothing is written");
    live_by_days(&app, 62).await;
    let mut suspended = BTreeMap::new();
    for row in app.get("/v1/phone-numbers").send().await.ok().as_array().unwrap() {
        suspended.insert(row["id"].clone().to_string(), row["billingSuspendedAt"].is_string());
    }
    let not_covered = charges[3]["phoneNumberId"].to_string();
    assert!(suspended.iter().all(|(id, suspended)| *suspended == (*id == not_covered)), "{suspended:?}");
    app.get("/v1/credits/forecast?days=0").send().await.invalid(&["days"]);
    app.get("/v1/credits/forecast?days=367&x=1").send().await.invalid(&["days", "x"]);
}

async fn live_by_days(app: &TestApp, days: u32) {
    for _ in 0..days {
        app.clock.advance(DAY);
        app.renew().await;
    }
}

#[tokio::test]
async fn a_hold_and_a_suspension_overlap_and_lifting_one_leaves_the_other() {
    use domain::organization::{Hold, HoldReason};
    let app = with_dollars(2).await;
    let id = buy(&app, NUMBER).await;
    let table = &app.bundle.table;
    app.clock.advance(MONTH);
    app.renew().await;
    let hold = Hold { at: app.clock.now(), reason: HoldReason::Revoked };
    table.set_hold(&app.organization, Some(&hold)).await.unwrap();
    let both = row(&app, &id).await;
    assert_eq!((&both["suspensionReason"], &both["suspendedAt"]), (&json!("compliance"), &both["billingSuspendedAt"]));
    assert_eq!(both["setupStatus"]["issues"].as_array().unwrap().len(), 2);
    app.grant("INV-1", 5_000_000).await;
    app.renew().await;
    let lifted = row(&app, &id).await;
    assert_eq!((&lifted["billingSuspendedAt"], &lifted["suspensionReason"]), (&Value::Null, &json!("compliance")));
    app.clock.advance(MONTH);
    app.renew().await;
    assert_eq!(app.balance().await, 3_000_000, "a hold does not stop charges");
    table.set_hold(&app.organization, None).await.unwrap();
    assert_eq!(row(&app, &id).await["setupStatus"]["status"], "ready");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_does_not_stop_the_others() {
    let app = with_dollars(100).await;
    let ids = [buy(&app, NUMBER).await, buy(&app, "+12125550142").await, buy(&app, "+13105550142").await];
    let change = json!({
        "TableName": app.bundle.table_name,
        "Key": { "PK": { "S": format!("ORG#{}", app.organization) }, "SK": { "S": format!("NUMBER#{}", ids[0]) } },
        "UpdateExpression": "SET direction = :bad", "ExpressionAttributeValues": { ":bad": { "S": "up" } },
    });
    app.dynamo.ask("UpdateItem", &change).await;
    app.clock.advance(MONTH);
    app.renew().await;
    assert_eq!(app.balance().await, 92_000_000, "two of three are paid");
    assert_eq!(app.renew().await.numbers, 1, "the third stays due");
}

#[tokio::test]
async fn numbers_are_charged_a_quarter_of_an_hour_at_a_time() {
    let app = with_dollars(5).await;
    let id = buy(&app, NUMBER).await;
    let due = Timestamp::parse(row(&app, &id).await["nextChargeAt"].as_str().unwrap()).unwrap();
    // Whoever looks at an organization's credits charges what is due as well; let that be over.
    app.clock.advance(due.since(app.clock.now().plus(Duration::from_mins(1))));
    app.renew().await;
    app.clock.advance(Duration::from_mins(1));
    let quarter_ends = charged_from(due);
    while charged_until(app.clock.now()) < quarter_ends {
        app.renew().await;
        assert_eq!(app.balance().await, 3_000_000, "its quarter of an hour is not over");
        app.clock.advance(Duration::from_mins(1));
    }
    app.renew().await;
    assert_eq!(app.balance().await, 2_000_000);
}

#[tokio::test]
async fn the_ledger_is_paged_in_the_order_of_booking() {
    let app = TestApp::with(with_credit_for(0)).await;
    for at in 0..25 {
        app.grant(&format!("INV-{at}"), 1_000_000).await;
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = app.get(&format!("/v1/credits/ledger?limit=7{cursor}")).send().await.ok();
        let entries = page["entries"].as_array().unwrap();
        seen.extend(entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()));
        pages += 1;
        // Somebody books while the pages are read.
        app.grant(&format!("MORE-{pages}"), 1).await;
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<_> = (0..25).rev().map(|at| format!("grant:INV-{at}")).collect();
    assert_eq!((seen, pages), (expected, 4));
    let debits = app.get("/v1/credits/ledger?kind=debit").send().await.ok();
    assert_eq!(debits, json!({ "entries": [] }));
    let bad = "/v1/credits/ledger?limit=0&kind=gift&cursor=x";
    app.get(bad).send().await.invalid(&["cursor", "kind", "limit"]);
    let stranger = app.stranger(approved()).await;
    let theirs = app.get("/v1/credits/ledger").key(&stranger).send().await.ok();
    assert!(!theirs.to_string().contains("INV-"), "{theirs}");
}

#[tokio::test]
async fn the_balance_tells_when_it_last_changed() {
    let app = TestApp::with(with_credit_for(0)).await;
    let balance = app.get("/v1/credits/balance").send().await.ok();
    assert_eq!((balance["balanceUsd"].as_f64(), balance["currency"].as_str()), (Some(0.0), Some("USD")));
    let created = balance["updatedAt"].as_str().unwrap().to_owned();
    app.grant("INV-1", 1_500_000).await;
    let balance = app.get("/v1/credits/balance").send().await.ok();
    assert_eq!(balance["balanceUsd"], 1.5);
    assert!(balance["updatedAt"].as_str().unwrap() > created.as_str());
}

#[tokio::test]
async fn an_index_that_is_behind_makes_nothing_be_charged_twice() {
    let app = with_dollars(5).await;
    let id = buy(&app, NUMBER).await;
    let before = app.items_with("nextChargeAt").await[0].clone();
    app.clock.advance(MONTH);
    app.renew().await;
    assert_eq!(app.balance().await, 2_000_000);
    // The row is paid, and both indexes still have the entry of before.
    let change = json!({
        "TableName": app.bundle.table_name, "Key": { "PK": before["PK"], "SK": before["SK"] },
        "UpdateExpression": "SET nextChargeAt = :due, workDue = :work",
        "ExpressionAttributeValues": { ":due": before["nextChargeAt"], ":work": before["workDue"] },
    });
    app.dynamo.ask("UpdateItem", &change).await;
    assert_eq!(app.renew().await.numbers, 1, "the schedule finds it");
    assert_eq!(app.balance().await, 2_000_000, "the row says that it is paid");
    assert_eq!(row(&app, &id).await["billingSuspendedAt"], Value::Null);
}

#[tokio::test]
async fn a_forecast_that_does_not_fit_names_fewer_days() {
    let app = with_dollars(5).await;
    numbers_due_within_an_hour(&app, &app.organization, 420).await;
    app.get("/v1/credits/forecast?days=300").send().await.ok();
    let refused = app.get("/v1/credits/forecast?days=366").send().await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!("RESULT_TOO_LARGE")));
    let sentence = refused.body["error"].as_str().unwrap();
    let days: u32 = sentence.rsplit("days=").next().unwrap().parse().unwrap();
    assert!((300..366).contains(&days), "{sentence}");
    let fits = app.get(&format!("/v1/credits/forecast?days={days}")).send().await.ok();
    let charges = fits["charges"].as_array().unwrap().len();
    assert!((4_200..=5_000).contains(&charges), "ten or eleven months of each, {charges}");
}

#[tokio::test]
async fn a_message_that_comes_after_the_schedule_has_died_releases_nothing() {
    let app = with_dollars(2).await;
    let id = buy(&app, NUMBER).await;
    app.clock.advance(MONTH);
    app.renew().await;
    app.clock.advance(DAY * 29);
    live(&app, Duration::from_hours(20)).await;
    // The schedule stops; what it has queued before is worked on when the date has come.
    app.clock.advance(Duration::from_hours(6));
    let announced = row(&app, &id).await["scheduledReleaseAt"].clone();
    let report = app.charger.renew(&app.organization).await.unwrap();
    assert_eq!((report.released, report.refused), (0, 1));
    assert!(row(&app, &id).await["scheduledReleaseAt"].as_str() > announced.as_str());
}

#[tokio::test]
async fn a_table_of_an_earlier_version_gets_the_index_that_it_lacks() {
    let app = with_dollars(5).await;
    let id = buy(&app, NUMBER).await;
    let rows = app.items_with("nextChargeAt").await;
    let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let keys = |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
    let table = json!({
        "TableName": "earlier", "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys("PK", "SK"),
        "AttributeDefinitions": [text("PK"), text("SK"), text("workShard"), text("workDue")],
        "GlobalSecondaryIndexes": [{
            "IndexName": "work", "KeySchema": keys("workShard", "workDue"), "Projection": { "ProjectionType": "KEYS_ONLY" },
        }],
    });
    app.dynamo.ask("CreateTable", &table).await;
    app.dynamo.ask("PutItem", &json!({ "TableName": "earlier", "Item": rows[0] })).await;
    let account = Account::local(app.dynamo.url().to_owned());
    let earlier = Table::new(&account.sdk_config(), "earlier".to_owned(), app.clock.clone());
    for _ in 0..2 {
        earlier.create_if_absent().await.unwrap();
    }
    let found = earlier.renewables(&app.organization, app.clock.now().plus(MONTH)).await.unwrap();
    assert_eq!(found.iter().map(|number| number.id.as_str()).collect::<Vec<_>>(), [id]);
}
