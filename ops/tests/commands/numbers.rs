//! Numbers and orders in doubt.

use std::time::Duration;

use domain::audit::Actor;
use domain::number::{PhoneNumber, Routing, Source, Trunk};
use domain::{AgentId, Clock, E164, MicroUsd, Name, PhoneNumberId};
use local::seed::World;
use serde_json::json;
use tests::approved;

use crate::desk::Desk;

/// A purchase whose process died before its order was sent.
async fn never_sent(desk: &Desk, e164: &str) -> String {
    let app = &desk.app;
    let routing = Routing { agent: Some(AgentId::parse("agent_1").unwrap()), ..Routing::default() };
    let id = PhoneNumberId::new(app.clock.now(), rand::random());
    app.begin_purchase(&id, e164, routing).await;
    id.to_string()
}

#[tokio::test]
async fn a_number_is_found_across_organizations_and_listed_in_its_own() {
    let desk = Desk::approved().await;
    let first = desk.app.buy("+14155550100").send().await.ok();
    let second = desk.app.import("+12125550142").send().await.ok();
    let found = desk.json(&["numbers", "find", "+14155550100"]).await;
    assert_eq!((&found["id"], &found["organizationId"]), (&first["id"], &json!(desk.org())));
    assert_eq!((&found["orderState"], &found["carrierId"]), (&json!("active"), &first["providerResourceId"]));
    desk.run(&["numbers", "find", "+14155550101"]).await.refused("Nobody has registered +14155550101.");

    let ids = async |arguments: &[&str]| {
        let list = desk.json(&[&["numbers", "list", &desk.org()], arguments].concat()).await;
        list.as_array().unwrap().iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[]).await, [second["id"].clone(), first["id"].clone()]);
    assert_eq!(ids(&["--limit", "1"]).await, [second["id"].clone()]);
    assert_eq!(ids(&["--after", second["id"].as_str().unwrap()]).await, [first["id"].clone()]);
    let id = first["id"].as_str().unwrap();
    assert_eq!(desk.json(&["numbers", "show", &desk.org(), id]).await["e164"], "+14155550100");
    desk.json(&["orgs", "create", "org_other", "--name", "Other"]).await;
    desk.run(&["numbers", "show", "org_other", id]).await.refused("has no number");
}

#[tokio::test]
async fn a_misspelled_number_is_answered_with_its_right_spelling() {
    let desk = Desk::approved().await;
    desk.app.import("+442071838750").send().await.ok();
    let before = desk.stored().await;
    for (text, why) in [
        ("+4402071838750", "must be spelled +442071838750:"),
        ("+114155550143", "must be spelled +14155550143:"),
        ("+330123456789", "must be spelled +33123456789:"),
        ("+12345678", "is too short to be called from abroad"),
        ("+441111222", "is too short to be called from abroad"),
        ("+10234567890", "no North American area code begins with 0"),
    ] {
        desk.run(&["numbers", "find", text]).await.refused(why);
        desk.run(&["numbers", "free", text, "--yes"]).await.refused(why);
    }
    for new in ["+19243051111", "+390266307129", "+375291234567"] {
        desk.run(&["numbers", "find", new]).await.refused(&format!("Nobody has registered {new}."));
    }
    assert_eq!(desk.stored().await, before);
}

#[tokio::test]
async fn a_number_that_was_registered_under_older_rules_is_found_and_freed_as_it_is_spelled() {
    let desk = Desk::approved().await;
    let (app, old) = (&desk.app, "+4402071838750");
    let source = Source::SipTrunk { trunk: Trunk::Legacy(Name::parse("ST_1").unwrap()), provider_name: None };
    let (id, now) = (PhoneNumberId::new(app.clock.now(), 1), app.clock.now());
    let (owner, e164) = (app.organization.clone(), E164::from_stored(old).unwrap());
    let number = PhoneNumber::imported(id, owner, e164, source, Routing::default(), MicroUsd::from_micros(0), now);
    app.bundle.table.import_number(&number, 1_000, None, &Actor::System("tests")).await.unwrap();
    assert_eq!(desk.json(&["numbers", "find", old]).await["organizationId"], *desk.org());
    assert_eq!(desk.json(&["numbers", "free", old, "--yes"]).await["e164"], old);
    desk.run(&["numbers", "find", old]).await.refused("must be spelled +442071838750:");
}

#[tokio::test]
async fn an_imported_number_is_freed_for_its_real_owner_with_all_that_hangs_on_it() {
    let desk = Desk::approved().await;
    let body = json!({ "e164": "+12125550142", "sipConnectionInstallationId": "sip_up", "agentId": "agent_1" });
    let row = desk.app.post("/v1/phone-numbers/import", &body).send().await.ok();
    let owner = desk.app.stranger(approved()).await;
    desk.app.import("+12125550142").key(&owner).send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");

    desk.run(&["numbers", "free", "+12125550142"]).await.refused("which cannot be undone: say --yes");
    assert_eq!(desk.json(&["numbers", "free", "+12125550142", "--yes"]).await["id"], row["id"]);
    desk.run(&["numbers", "free", "+12125550142", "--yes"]).await.refused("Nobody has registered +12125550142.");
    desk.app.import("+12125550142").key(&owner).send().await.ok();
    let agents = desk.json(&["agents", "list", &desk.org()]).await;
    assert!(agents.as_array().unwrap().iter().all(|agent| agent["phoneNumberId"].is_null()), "{agents}");
    let events = desk.json(&["events", &desk.org(), row["id"].as_str().unwrap()]).await;
    assert_eq!((&events[0]["action"], &events[0]["actorId"]), (&json!("removed"), &json!("grace")));
    let sent: Vec<_> = [0, 1]
        .map(|at| (events[at]["customerEvents"][0].as_str().unwrap(), events[at]["sequences"][0].as_u64()))
        .into();
    assert_eq!(sent, [("phone_number.released", Some(2)), ("phone_number.imported", Some(1))]);
    desk.app.clock.advance(std::time::Duration::from_secs(31));
    let feed = desk.app.get("/v1/phone-numbers/events?type=phone_number.released").send().await.ok();
    assert_eq!(feed["data"][0]["id"], events[0]["customerEventIds"][0]);
    assert_eq!(feed["data"][0]["data"]["reason"], "operator");

    desk.app.buy("+14155550100").send().await.ok();
    let before = desk.stored().await;
    desk.run(&["numbers", "free", "+14155550100", "--yes"]).await.refused("was bought from the carrier");
    assert_eq!(desk.stored().await, before);
}

#[tokio::test]
async fn a_release_that_the_carrier_cannot_confirm_is_ended_by_a_person_and_by_nobody_else() {
    let desk = Desk::approved().await;
    let row = desk.app.buy("+14155550523").send().await.ok();
    let id = row["id"].as_str().unwrap();
    desk.run(&["numbers", "forget", &desk.org(), id, "--yes"]).await.refused("is not being released");
    desk.app.delete(&format!("/v1/phone-numbers/{id}")).send().await.refused(503, "CARRIER_UNAVAILABLE");
    let dry = desk.json(&["numbers", "forget", &desk.org(), id, "--dry-run"]).await;
    assert!(dry["message"].as_str().unwrap().contains(row["providerResourceId"].as_str().unwrap()), "{dry}");
    assert_eq!(desk.json(&["numbers", "forget", &desk.org(), id, "--yes"]).await["id"], *id);
    assert_eq!(desk.app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    desk.run(&["numbers", "forget", &desk.org(), id, "--yes"]).await.refused("has no number");
    let events = desk.json(&["events", &desk.org(), id]).await;
    assert_eq!((&events[0]["action"], &events[0]["actorId"]), (&json!("released"), &json!("grace")));
}

#[tokio::test]
async fn an_order_in_doubt_is_adopted_as_the_carrier_confirms_it() {
    let desk = Desk::approved().await;
    let row = desk.app.buy("+14155550500").send().await.ok();
    let (org, id) = (desk.org(), row["id"].as_str().unwrap().to_owned());
    let listed = desk.json(&["orders", "list"]).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &row["id"]));
    desk.run(&["orders", "refund", &org, &id, "--yes", "--force"]).await.refused("The carrier has this number for us");
    let other = ["orders", "adopt", &org, &id, "--force", "--carrier-id", "1", "--yes"];
    desk.run(&other).await.refused("The carrier lists this number under the id ");

    let adopted = desk.json(&["orders", "adopt", &org, &id]).await;
    assert_eq!(adopted["orderState"], "active");
    assert_eq!(adopted["carrierId"], desk.app.bundle.carrier.numbers()[0].id.as_str());
    assert_eq!(desk.json(&["orders", "list"]).await, json!([]));
    desk.run(&["orders", "adopt", &org, &id]).await.refused("is not in doubt");
    desk.run(&["orders", "refund", &org, &id, "--yes"]).await.refused("is not in doubt");
    desk.app.check_books().await;
}

#[tokio::test]
async fn an_order_that_the_carrier_never_heard_of_is_refunded_after_a_day_or_by_force() {
    let desk = Desk::approved().await;
    let (org, id) = (desk.org(), never_sent(&desk, "+14155550100").await);
    let refund = ["orders", "refund", &org, &id];
    desk.run(&["orders", "adopt", &org, &id]).await.refused("The carrier lists no such number");
    desk.run(&[&refund[..], &["--yes", "--force"]].concat()).await.refused("is being placed right now");
    desk.app.clock.advance(Duration::from_mins(6));
    desk.run(&[&refund[..], &["--yes"]].concat()).await.refused("may for a day");
    desk.app.clock.advance(Duration::from_hours(24));
    assert_eq!(desk.json(&["orders", "list"]).await[0]["needsPerson"], true);
    desk.run(&refund).await.refused("refund 2.00 USD to");
    assert_eq!(desk.app.balance().await, 98_000_000);
    let refunded = desk.json(&[&refund[..], &["--yes"]].concat()).await;
    assert_eq!((&refunded["refundedUsd"], &refunded["balanceUsd"]), (&json!("2.00"), &json!("100.00")));
    desk.run(&[&refund[..], &["--yes"]].concat()).await.refused("has no number");
    desk.app.check_books().await;

    let second = never_sent(&desk, "+14155550100").await;
    desk.app.clock.advance(Duration::from_mins(6));
    desk.json(&["orders", "refund", &org, &second, "--force", "--yes"]).await;
    assert_eq!(desk.app.balance().await, 100_000_000);
    desk.app.check_books().await;
}

#[tokio::test]
async fn a_number_is_adopted_on_the_operators_word_alone_only_by_force() {
    let desk = Desk::approved().await;
    let (org, id) = (desk.org(), never_sent(&desk, "+14155550100").await);
    // Somebody has ordered it in the carrier's portal, without our reference.
    let order = json!({ "phone_numbers": [{ "phone_number": "+14155550100" }] });
    let portal = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let url = format!("{}/number_orders", desk.app.bundle.carrier_url);
    let ordered = portal.post(url).bearer_auth("sandbox").json(&order).send().await.unwrap();
    assert_eq!(ordered.status(), 200);
    let held = &desk.app.bundle.carrier.numbers()[0].id;
    let forced = |carrier_id| ["orders", "adopt", &org, &id, "--force", "--carrier-id", carrier_id];
    desk.run(&forced(held)).await.refused("which cannot be undone: say --yes");
    desk.run(&[&forced("1")[..], &["--yes"]].concat()).await.refused("The carrier");
    let adopted = desk.json(&[&forced(held)[..], &["--yes"]].concat()).await;
    assert_eq!((&adopted["orderState"], &adopted["carrierId"]), (&json!("active"), &json!(held)));
}

#[tokio::test]
async fn orders_and_numbers_of_organizations_that_have_none_are_empty() {
    let desk = Desk::with(World::default()).await;
    assert_eq!(desk.run(&["orders", "list"]).await.output, "No order is in doubt.\n");
    assert_eq!(desk.run(&["numbers", "list", &desk.org()]).await.output, "No numbers.\n");
}
