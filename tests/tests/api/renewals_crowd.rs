//! Many numbers that are due within one hour: how many messages, requests and conflicts that takes.
//!
//! The short form runs with all tests. The long one is what docs/renewals.md tells of, and takes some minutes:
//!
//! ```sh
//! RENEWALS=all cargo test -p tests --test api -- renewals_crowd --nocapture
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::credits::LedgerEntry;
use domain::organization::Organization;
use domain::{BookingReference, Clock, MicroUsd, OrganizationId};
use renewals::NUMBERS_AT_ONCE;
use serde_json::json;
use tests::TestApp;
use tests::crowd::numbers_due_within_an_hour;

/// Numbers that fit into one transaction: each takes four items, and the credits one.
const NUMBERS_PER_TRANSACTION: u64 = 24;
const QUARTER: Duration = Duration::from_mins(15);

#[expect(clippy::disallowed_methods, reason = "the settings of a test")]
fn is_long() -> bool {
    std::env::var("RENEWALS").is_ok_and(|form| form == "all")
}

/// What it took to charge everybody.
#[derive(Debug, Default)]
struct Taken {
    messages: u64,
    transactions: u64,
    requests: u64,
    by_operation: BTreeMap<String, u64>,
}

/// Organizations with as many dollars as they have numbers, all of which are due within the next hour.
async fn crowd(app: &TestApp, organizations: u64, numbers: u64) -> Vec<OrganizationId> {
    let mut ids = Vec::new();
    for place in 0..organizations {
        let id = OrganizationId::parse(&format!("crowd_{organizations}_{place}")).unwrap();
        let organization = Organization {
            id: id.clone(),
            name: id.to_string(),
            buying_enabled: true,
            purchase_policy: None,
            hold: None,
            verification: None,
            created_at: app.clock.now(),
            cursor_key: [0; 32],
        };
        assert!(app.bundle.table.create_organization(&organization).await.unwrap());
        let reference = BookingReference::parse("all").unwrap();
        let entry = LedgerEntry::grant("all", MicroUsd::from_micros(1_000_000 * i64::try_from(numbers).unwrap()));
        app.bundle.table.book_once(&id, &reference, &entry, "grace").await.unwrap();
        numbers_due_within_an_hour(app, &id, numbers).await;
        ids.push(id);
    }
    ids
}

/// Runs the schedule for an hour and a quarter, and counts.
async fn charge_for_an_hour(app: &TestApp) -> Taken {
    // Each organization's grant is looked at, and nothing is due yet.
    app.renew().await;
    let before = app.dynamo.seen().len();
    let mut taken = Taken::default();
    for _ in 0..5 {
        app.clock.advance(QUARTER);
        taken.messages += app.renew().await.organizations as u64;
    }
    for operation in app.dynamo.seen().split_off(before) {
        *taken.by_operation.entry(operation).or_default() += 1;
        taken.requests += 1;
    }
    taken.transactions = taken.by_operation["TransactWriteItems"];
    taken
}

/// Charges a crowd, and checks that nobody was left out, charged twice, or met somebody else.
async fn check(organizations: u64, numbers: u64) {
    let app = TestApp::approved().await;
    let ids = crowd(&app, organizations, numbers).await;
    let began = Instant::now();
    let taken = charge_for_an_hour(&app).await;
    #[expect(clippy::print_stderr, reason = "the figures of docs/renewals.md")]
    {
        eprintln!("{numbers} numbers of each of {organizations}, in {:?}: {taken:?}", began.elapsed());
    }
    for id in &ids {
        let credits = app.bundle.table.credits(id).await.unwrap();
        assert_eq!(credits.balance, MicroUsd::ZERO, "{id}: each dollar has paid a month");
        assert!(app.bundle.table.renewables(id, app.clock.now()).await.unwrap().is_empty(), "{id}: nothing is left");
    }
    // A quarter of the numbers falls due in each quarter of an hour, or one more.
    let quarter = numbers.div_ceil(4) + 1;
    let batches = |count: u64| {
        let (full, rest) = (count / NUMBERS_AT_ONCE as u64, count % NUMBERS_AT_ONCE as u64);
        full * (NUMBERS_AT_ONCE as u64).div_ceil(NUMBERS_PER_TRANSACTION) + rest.div_ceil(NUMBERS_PER_TRANSACTION)
    };
    let at_most = organizations * 5 * batches(quarter);
    assert!(taken.transactions <= at_most, "conflicts: {} transactions, {at_most} at most", taken.transactions);
    assert!(taken.messages <= organizations * 5, "one message for each organization and quarter of an hour");
    // Beside its transactions a message reads credits and index, its rows, and clears the mark.
    let of_messages = 5 * (organizations * 5 + numbers * organizations / NUMBERS_AT_ONCE as u64 + 5);
    let rows = organizations * numbers / 100 + organizations * 5;
    let most = taken.transactions + of_messages + rows + 5 * 20;
    assert!(taken.requests <= most, "{} requests, {most} at most", taken.requests);
    let query = json!({
        "TableName": app.bundle.table_name, "Select": "COUNT",
        "KeyConditionExpression": "PK = :feed",
        "ExpressionAttributeValues": { ":feed": { "S": format!("FEED#{}", ids[0]) } },
    });
    let events = app.dynamo.ask("Query", &query).await;
    assert!(events["Count"].as_u64().unwrap() >= numbers.min(1_000), "each number has its event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_organizations_are_charged_in_proportion_to_what_is_due() {
    let (organizations, numbers) = if is_long() { (1_000, 100) } else { (20, 40) };
    check(organizations, numbers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_with_very_many_numbers_is_charged_message_by_message() {
    let numbers = if is_long() { 10_000 } else { 2_100 };
    check(1, numbers).await;
}
