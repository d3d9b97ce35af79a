//! A number is charged while something else happens to it or to its credits: a hundred races of each kind, in fair weather and
//! under the conflicts, throttles and lost answers that real DynamoDB gives.

use std::time::Duration;

use domain::organization::{Hold, HoldReason};
use domain::{Clock, MicroUsd};
use local::Options;
use local::seed::World;
use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::{TestApp, approved};
use tokio::join;

const RACES: usize = 100;
const DOLLAR: i64 = 1_000_000;
/// Past the longest month, whichever day it is today, and past the quarter of an hour in which its end falls.
const MONTH: Duration = Duration::from_hours(31 * 24 + 1);

/// A world in which an imported number costs a dollar a month.
async fn with_dollars(dollars: i64) -> TestApp {
    let world = World { credits: MicroUsd::from_micros(dollars * DOLLAR), ..approved() };
    TestApp::start(world, Options::with("ImportMonthlyFeeUsd", "1.00")).await
}

const fn weather(race: usize) -> Weather {
    match race % 3 {
        0 => Weather::Fair,
        1 => Weather::Contended,
        _ => Weather::Forgetful,
    }
}

async fn charge(app: &TestApp) {
    // Contention that outlasts the rounds ends a run; what is due then is charged by the next one.
    let _ = app.charger.renew(&app.organization).await;
}

/// The next run of the schedule, once the weather has cleared.
async fn settle(app: &TestApp) {
    app.dynamo.set(Weather::Fair);
    app.clock.advance(Duration::from_mins(16));
    app.renew().await;
}

async fn number(app: &TestApp) -> String {
    let imported = app.import("+12125550142").send().await.ok();
    format!("/v1/phone-numbers/{}", imported["id"].as_str().unwrap())
}

async fn read(app: &TestApp, path: &str) -> Value {
    app.get(path).send().await.ok()
}

#[tokio::test]
async fn two_charges_at_once_pay_each_month_once() {
    let app = with_dollars(1_000).await;
    let path = number(&app).await;
    for race in 0..RACES {
        app.clock.advance(MONTH);
        app.dynamo.set(weather(race));
        join!(charge(&app), charge(&app), app.scheduler.run()).2.ok();
        settle(&app).await;
    }
    let anchor = read(&app, &path).await["createdAt"].as_str().unwrap().to_owned();
    let paid = 1_000 * DOLLAR - app.balance().await;
    let months = domain::Timestamp::parse(&anchor).unwrap().months_later(u32::try_from(paid / DOLLAR + 1).unwrap());
    assert_eq!(read(&app, &path).await["nextChargeAt"], months.to_string());
    app.check_books().await;
}

#[tokio::test]
async fn a_charge_and_a_patch_both_happen() {
    let app = with_dollars(1_000).await;
    let path = number(&app).await;
    for race in 0..RACES {
        let before = read(&app, &path).await["nextChargeAt"].clone();
        app.clock.advance(MONTH);
        app.dynamo.set(weather(race));
        let label = json!({ "label": format!("race {race}") });
        let ((), patched) = join!(charge(&app), app.patch(&path, &label).send());
        settle(&app).await;
        let after = read(&app, &path).await;
        assert!(after["nextChargeAt"].as_str() > before.as_str(), "race {race}: {after}");
        if patched.status == 200 {
            assert_eq!(after["label"], label["label"], "race {race}");
        }
    }
    app.check_books().await;
}

#[tokio::test]
async fn a_number_that_is_released_is_charged_before_or_never() {
    let app = with_dollars(1_000).await;
    let mut gone = 0;
    for race in 0..RACES {
        let path = number(&app).await;
        app.clock.advance(MONTH);
        app.dynamo.set(weather(race));
        let ((), released) = join!(charge(&app), app.delete(&path).send());
        app.dynamo.set(Weather::Fair);
        gone += usize::from(released.status == 200);
        if released.status != 200 {
            app.delete(&path).send().await;
        }
        let left = app.balance().await;
        settle(&app).await;
        assert_eq!(app.balance().await, left, "race {race}: what has left owes nothing");
    }
    assert!(gone > RACES / 2, "{gone} were released at once");
    app.check_books().await;
}

#[tokio::test]
async fn a_grant_that_comes_with_the_charge_keeps_the_number_in_use() {
    let app = with_dollars(0).await;
    let path = number(&app).await;
    let mut months = 0;
    for race in 0..RACES {
        app.clock.advance(MONTH);
        app.dynamo.set(weather(race));
        let grant = format!("race-{race}");
        let entry = domain::credits::LedgerEntry::grant(&grant, MicroUsd::from_micros(2 * DOLLAR));
        let reference = domain::BookingReference::parse(&grant).unwrap();
        let book = app.bundle.table.book_once(&app.organization, &reference, &entry, "grace");
        let ((), booked) = join!(charge(&app), book);
        app.dynamo.set(Weather::Fair);
        if booked.is_err() {
            app.bundle.table.book_once(&app.organization, &reference, &entry, "grace").await.unwrap();
        }
        settle(&app).await;
        let row = read(&app, &path).await;
        assert_eq!(row["billingSuspendedAt"], Value::Null, "race {race}");
        let now = i64::try_from(race).unwrap() + 1;
        let paid = 2 * now - app.balance().await / DOLLAR;
        assert!(paid > months, "race {race}: a month is paid");
        months = paid;
    }
    app.check_books().await;
}

#[tokio::test]
async fn a_hold_that_comes_with_the_charge_changes_nothing_of_it() {
    let app = with_dollars(1_000).await;
    let path = number(&app).await;
    for race in 0..RACES {
        let before = app.balance().await;
        app.clock.advance(MONTH);
        app.dynamo.set(weather(race));
        let hold = Hold { at: app.clock.now(), reason: HoldReason::Revoked };
        let hold = (race % 2 == 0).then_some(&hold);
        let ((), placed) = join!(charge(&app), app.bundle.table.set_hold(&app.organization, hold));
        drop(placed);
        settle(&app).await;
        assert!(app.balance().await < before, "race {race}");
    }
    assert_eq!(read(&app, &path).await["billingSuspendedAt"], Value::Null);
    app.check_books().await;
}

#[tokio::test]
async fn what_the_reconciler_releases_is_not_charged_meanwhile() {
    let app = with_dollars(1_000).await;
    for race in 0..RACES {
        let number = format!("+1415555{:04}", 5000 + race);
        let bought = app.buy(&number).send().await;
        if bought.status != 200 || bought.body["setupStatus"]["outboundReady"] != true {
            // Some numbers of the sandbox carrier fail on purpose.
            continue;
        }
        let id = domain::PhoneNumberId::parse(bought.body["id"].as_str().unwrap()).unwrap();
        let table = &app.bundle.table;
        let row = table.find_number(&app.organization, &id).await.unwrap().unwrap();
        app.clock.advance(MONTH);
        let now = app.clock.now();
        let leave = |row: domain::number::PhoneNumber| row.release(domain::number::ReleaseReason::Requested, now);
        let actor = domain::audit::Actor::System("tests");
        table.transition(row, leave, domain::audit::Action::ReleaseBegun, &actor).await.unwrap();
        let before = app.balance().await;
        app.clock.advance(Duration::from_mins(2));
        app.dynamo.set(weather(race));
        let ((), settled) = join!(charge(&app), app.reconciler.run());
        drop(settled);
        settle(&app).await;
        app.reconciler.run().await.unwrap();
        assert_eq!(app.balance().await, before, "race {race}");
    }
    app.check_books().await;
}
