//! `ops renewals`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::Desk;

/// Past the longest month, whichever day it is today, and past the quarter of an hour in which its end falls.
const MONTH: Duration = Duration::from_hours(31 * 24 + 1);

#[tokio::test]
async fn what_is_due_is_listed_with_its_sums_and_charged_on_demand() {
    let desk = Desk::approved().await;
    let org = desk.org();
    assert_eq!(desk.json(&["renewals", "due"]).await, json!([]));
    desk.app.renew().await;
    assert_eq!(desk.json(&["renewals", "run-now", "--yes"]).await["message"], "Nothing is due.");
    let first = desk.app.buy("+14155550142").send().await.ok()["id"].clone();
    desk.app.clock.advance(Duration::from_hours(1));
    let second = desk.app.buy("+12125550142").send().await.ok()["id"].clone();
    desk.app.take_all("all").await;
    desk.app.grant("one", 1_000_000).await;
    desk.app.clock.advance(MONTH);

    let due = desk.json(&["renewals", "due"]).await;
    let sums = |row: &Value| {
        ["numbers", "dueUsd", "balanceUsd", "wouldChargeUsd", "wouldSuspend"].map(|field| row[field].clone())
    };
    let expected = [json!(2), json!("2.00"), json!("1.00"), json!("1.00"), json!(1)];
    assert_eq!((sums(&due[0]), sums(&due[1])), (expected.clone(), expected));
    assert_eq!((&due[0]["organizationId"], &due[1]["organizationId"]), (&json!(org), &json!("all")));
    let each = desk.json(&["renewals", "due", "--organization", &org]).await;
    let told: Vec<_> = each.as_array().unwrap()[..2].iter().map(|row| (&row["id"], &row["wouldPayMonths"])).collect();
    assert_eq!(told, [(&first, &json!(1)), (&second, &json!(0))]);
    assert_eq!((&each[2]["id"], &each[2]["dueUsd"]), (&json!("all"), &json!("2.00")));

    let before = desk.stored().await;
    let would = desk.json(&["renewals", "run-now", "--dry-run"]).await["message"].clone();
    assert_eq!(
        would,
        "Dry run: this would charge 1.00 USD of the 2.00 USD that are due for 2 numbers of 1 organization, and suspend 1 number."
    );
    desk.run(&["renewals", "run-now"]).await.refused("which cannot be undone: say --yes");
    assert_eq!(desk.stored().await, before);
    let done = desk.json(&["renewals", "run-now", "--grace-days", "7", "--yes"]).await;
    assert_eq!((&done["charged"], &done["suspended"], &done["changed"]), (&json!(1), &json!(1), &json!(true)));
    let suspended = desk.json(&["renewals", "suspended", "--organization", &org]).await;
    assert_eq!((&suspended[0]["id"], &suspended[0]["dueUsd"]), (&second, &json!("1.00")));
    let date = |field: &str| domain::Timestamp::parse(suspended[0][field].as_str().unwrap()).unwrap();
    assert_eq!(date("scheduledReleaseAt").since(date("suspendedAt")), Duration::from_hours(7 * 24));
    let sums = desk.json(&["renewals", "suspended"]).await;
    let told: Vec<_> = sums.as_array().unwrap().iter().map(|row| (&row["organizationId"], &row["dueUsd"])).collect();
    assert_eq!(told, [(&json!(org), &json!("1.00")), (&json!("all"), &json!("1.00"))]);
    desk.app.grant("two", 1_000_000).await;
    let lifted = desk.json(&["renewals", "run-now", "--organization", &org, "--yes"]).await;
    assert_eq!(lifted["lifted"], 1);
    assert_eq!(desk.json(&["renewals", "suspended", "--organization", &org]).await, json!([]));
    let nothing = desk.json(&["renewals", "run-now", "--organization", &org, "--yes"]).await;
    assert_eq!((&nothing["charged"], &nothing["changed"]), (&json!(0), &json!(false)));
    desk.app.check_books().await;
}

#[tokio::test]
async fn bad_arguments_are_named() {
    let desk = Desk::approved().await;
    desk.run(&["renewals", "suspended", "--organization", "org_nobody"]).await.refused("There is no organization");
    desk.run(&["renewals", "due", "--organization", "org_nobody"]).await.refused("There is no organization");
    for (arguments, said) in [
        (vec!["renewals", "due", "--until", "tomorrow"], "must be a time such as"),
        (vec!["renewals", "run-now", "--grace-days", "0"], "1..=365"),
    ] {
        let ended = desk.run(&arguments).await;
        assert!(ended.errors.contains(said), "{}", ended.errors);
    }
}
