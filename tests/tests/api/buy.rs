//! `POST /v1/phone-numbers`

use domain::settlement::SENT_WITHIN;
use local::Options;
use local::seed::World;
use serde_json::json;
use tests::dynamo::Weather;
use tests::faults::Faults;
use tests::{TestApp, approved, with_credit_for};

const NUMBER: &str = "+14155550142";

#[tokio::test]
async fn an_approved_organization_buys_a_number_and_pays_once() {
    let app = TestApp::approved().await;
    let body = json!({
        "e164": NUMBER, "direction": "both", "agentId": "agent_1", "label": "Front desk",
        "dispatchMetadataTemplate": { "queue": "a", "deep": [1, { "x": null }] },
    });
    let row = app.post("/v1/phone-numbers", &body).send().await.ok();
    assert_eq!(row["e164"], NUMBER);
    assert_eq!(row["source"], "managed");
    assert_eq!(row["agentId"], "agent_1");
    assert_eq!(row["dispatchMetadataTemplate"], body["dispatchMetadataTemplate"]);
    assert_eq!(row["setupStatus"]["status"], "ready", "{row}");
    assert_eq!(row["setupStatus"]["inboundReady"], true);
    let resource = row["providerResourceId"].as_str().unwrap();
    assert_eq!(row["telnyxPhoneNumberId"], resource);
    assert!(resource.parse::<u64>().unwrap() > 1 << 53, "the number's id, not the order line's");
    assert_eq!(app.balance().await, 98_000_000);
    assert_eq!(app.bundle.carrier.numbers()[0].customer_reference.as_deref(), row["id"].as_str());
    app.check_books().await;
}

#[tokio::test]
async fn the_direction_is_outbound_unless_said_otherwise() {
    let app = TestApp::approved().await;
    let row = app.buy(NUMBER).send().await.ok();
    assert_eq!(row["direction"], "outbound");
    assert_eq!(row["setupStatus"]["outboundReady"], true);
    assert_eq!(row["setupStatus"]["inboundReady"], false);
}

#[tokio::test]
async fn optional_fields_sent_as_null_count_as_absent_and_unknown_ones_are_ignored() {
    let app = TestApp::approved().await;
    let body = json!({
        "e164": NUMBER, "direction": null, "label": null, "agentId": null, "dispatchMetadataTemplate": null,
        "status": "active", "organizationId": "org_other", "suspendedAt": "2026-01-01T00:00:00.000Z", "id": "pn_1",
        "source": "sip_trunk", "monthlyCostUsd": 0, "providerResourceId": "1",
    });
    let row = app.post("/v1/phone-numbers", &body).send().await.ok();
    assert_eq!(row["organizationId"], app.organization.as_str());
    assert_eq!((&row["suspendedAt"], &row["source"]), (&json!(null), &json!("managed")));
    assert_ne!(row["id"], "pn_1");
    assert_ne!(row["providerResourceId"], "1");
    assert_eq!(app.balance().await, 98_000_000);
}

#[tokio::test]
async fn every_failing_field_is_named_at_once() {
    let app = TestApp::approved().await;
    let body = json!({
        "e164": "4155550142", "direction": "sideways", "label": "x".repeat(121), "agentId": 7,
        "dispatchMetadataTemplate": ["not", "an", "object"],
    });
    let answer = app.post("/v1/phone-numbers", &body).send().await;
    answer.invalid(&["e164", "direction", "label", "agentId", "dispatchMetadataTemplate"]);
    app.post("/v1/phone-numbers", &json!({})).send().await.invalid(&["e164"]);
    let large = json!({ "e164": NUMBER, "dispatchMetadataTemplate": { "x": "y".repeat(16 * 1024) } });
    app.post("/v1/phone-numbers", &large).send().await.invalid(&["dispatchMetadataTemplate"]);
}

#[tokio::test]
async fn only_numbers_of_the_united_states_can_be_bought() {
    let app = TestApp::approved().await;
    for number in ["+14165550142", "+18765550142", "+442071838750"] {
        app.buy(number).send().await.invalid(&["e164"]);
    }
    assert!(app.bundle.carrier.orders().is_empty());
}

#[tokio::test]
async fn a_template_comes_back_as_it_was_sent_whatever_its_numbers_and_depth() {
    let app = TestApp::approved().await;
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let template =
        format!(r#"{{"big":123456789012345678901234567890.123456789,"huge":1e999,"deep":{deep},"a":"\u00e9"}}"#);
    let body = format!(r#"{{"e164":"{NUMBER}","dispatchMetadataTemplate": {template} }}"#);
    let answer = app.call(reqwest::Method::POST, "/v1/phone-numbers").text(body).send_text().await;
    assert!(answer.contains(&template), "{answer}");
}

#[tokio::test]
async fn an_organization_without_approval_is_told_to_verify() {
    let app = TestApp::with(World { approved: false, ..approved() }).await;
    app.buy(NUMBER).send().await.refused(403, "PHONE_NUMBER_KYB_REQUIRED");
    assert_eq!(app.balance().await, 100_000_000);
}

#[tokio::test]
async fn an_operator_may_accept_a_submission_under_review() {
    let options = Options::with("PurchasePolicy", "submitted");
    let app = TestApp::start(World { approved: false, ..approved() }, options).await;
    app.buy(NUMBER).send().await.refused(403, "PHONE_NUMBER_KYB_REQUIRED");
    let body = json!({ "declaration": { "businessName": "Acme", "useCase": "Calls" }, "attestationAccepted": true });
    app.post("/v1/phone-numbers/kyb/submit", &body).send().await.ok();
    app.buy(NUMBER).send().await.ok();
    app.bundle.notifications.settled().await;
}

#[tokio::test]
async fn a_switched_off_flag_and_a_hold_stop_purchases_in_that_order() {
    let app = TestApp::approved().await;
    let table = &app.bundle.table;
    let hold = domain::organization::Hold {
        at: domain::Timestamp::from_millis(5),
        reason: domain::organization::HoldReason::Rejected,
    };
    table.set_hold(&app.organization, Some(&hold)).await.unwrap();
    table.set_buying_enabled(&app.organization, false).await.unwrap();
    app.buy(NUMBER).send().await.refused(403, "PHONE_NUMBER_BUYING_DISABLED");
    table.set_buying_enabled(&app.organization, true).await.unwrap();
    app.buy(NUMBER).send().await.refused(403, "PHONE_NUMBER_KYB_SUSPENDED");
    table.set_hold(&app.organization, None).await.unwrap();
    app.buy(NUMBER).send().await.ok();
}

#[tokio::test]
async fn too_little_credit_is_answered_with_both_amounts() {
    let app = TestApp::with(World { credits: domain::MicroUsd::from_micros(1_999_999), ..approved() }).await;
    let body = app.buy(NUMBER).send().await.refused(402, "INSUFFICIENT_CREDITS");
    assert_eq!((&body["requiredUsd"], &body["balanceUsd"]), (&json!(2.0), &json!(1.999_999)));
    assert!(app.bundle.carrier.orders().is_empty());
    assert_eq!(app.balance().await, 1_999_999);
}

#[tokio::test]
async fn the_exact_price_is_enough() {
    let app = TestApp::with(with_credit_for(1)).await;
    app.buy(NUMBER).send().await.ok();
    assert_eq!(app.balance().await, 0);
}

#[tokio::test]
async fn a_registered_number_is_refused_and_only_its_owner_learns_which_it_is() {
    let app = TestApp::approved().await;
    let own = app.buy(NUMBER).send().await.ok();
    let again = app.buy(NUMBER).send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    assert_eq!(again["phoneNumberId"], own["id"]);
    let stranger = app.stranger(approved()).await;
    let body = app.buy(NUMBER).key(&stranger).send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
    assert!(body.get("phoneNumberId").is_none());
    assert_eq!(app.balance().await, 98_000_000);
}

#[tokio::test]
async fn an_unknown_agent_is_an_issue_and_a_linked_one_a_conflict() {
    let app = TestApp::approved().await;
    let body = |agent: &str| json!({ "e164": NUMBER, "agentId": agent });
    app.post("/v1/phone-numbers", &body("agent_unknown")).send().await.invalid(&["agentId"]);
    app.post("/v1/phone-numbers", &json!({ "e164": "+14155550143", "agentId": "agent_1" })).send().await.ok();
    app.post("/v1/phone-numbers", &body("agent_1")).send().await.refused(409, "AGENT_ALREADY_LINKED");
    app.check_books().await;
}

#[tokio::test]
async fn a_number_that_somebody_else_took_costs_nothing() {
    let app = TestApp::approved().await;
    for taken in ["+14155550404", "+14155550410", "+14155550409"] {
        app.buy(taken).send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
        assert_eq!(app.balance().await, 100_000_000, "{taken}");
    }
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    app.check_books().await;
}

#[tokio::test]
async fn a_carrier_that_is_down_throttles_or_refuses_our_account_costs_nothing() {
    let app = TestApp::approved().await;
    for number in ["+14155550503", "+14155550402", "+14155550429"] {
        let body = json!({ "e164": number, "agentId": "agent_1" });
        let answer = app.post("/v1/phone-numbers", &body).send().await.refused(503, "CARRIER_UNAVAILABLE");
        assert_eq!(answer["retryable"], true);
        assert_eq!(app.balance().await, 100_000_000, "{number}");
    }
    let body = json!({ "e164": NUMBER, "agentId": "agent_1" });
    app.post("/v1/phone-numbers", &body).send().await.ok();
    app.check_books().await;
}

#[tokio::test]
async fn an_order_that_the_carrier_throttles_says_when_to_come_back() {
    let app = TestApp::approved().await;
    let answer = app.buy("+14155550429").send().await;
    assert_eq!(answer.header("retry-after"), "1", "as long as the carrier asks");
    answer.refused(503, "CARRIER_UNAVAILABLE");
}

#[tokio::test]
async fn a_number_that_costs_us_more_than_is_allowed_is_neither_offered_nor_sold() {
    let dear = Options::with("CarrierMonthlyLimitUsd", "0.99");
    let app = TestApp::start(approved(), dear).await;
    let path = "/v1/phone-numbers/available?areaCode=415";
    assert_eq!(app.get(path).send().await.ok(), json!([]));
    app.buy(NUMBER).send().await.refused(409, "PHONE_NUMBER_UNAVAILABLE");
    assert!(app.bundle.carrier.orders().is_empty());
    assert_eq!(app.balance().await, 100_000_000);
}

#[tokio::test]
async fn a_purchase_that_was_frozen_between_its_payment_and_its_order_is_refunded_and_orders_nothing() {
    let faults = Faults::default();
    let app = TestApp::struck_by(&faults).await;
    let clock = app.clock.clone();
    faults.after("table TransactWriteItems", move || clock.advance(SENT_WITHIN));
    let answer = app.buy(NUMBER).send().await.refused(503, "CARRIER_UNAVAILABLE");
    assert!(answer["error"].as_str().unwrap().contains("nothing was charged"), "{answer}");
    assert!(app.bundle.carrier.order_attempts().is_empty());
    assert_eq!(app.balance().await, 100_000_000);
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    app.check_books().await;
}

#[tokio::test]
async fn an_unreachable_carrier_costs_nothing() {
    let options = Options { carrier_url: Some("http://127.0.0.1:9/v2".to_owned()), ..Options::default() };
    let app = TestApp::start(approved(), options).await;
    app.buy(NUMBER).send().await.refused(503, "CARRIER_UNAVAILABLE");
    assert_eq!(app.balance().await, 100_000_000);
}

#[tokio::test]
async fn an_order_whose_answer_is_a_fault_stays_charged_and_in_doubt() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550500").send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required");
    assert!(row["setupStatus"]["issues"][0].as_str().unwrap().contains("being confirmed"));
    assert_eq!(row["setupStatus"]["outboundReady"], false);
    assert_eq!(row["providerResourceId"], json!(null));
    assert_eq!(app.balance().await, 98_000_000);
    assert_eq!(app.bundle.carrier.orders().len(), 1, "an order in doubt is never sent again");
    let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    app.delete(&path).send().await.refused(409, "PHONE_NUMBER_BUSY");
    app.patch(&path, &json!({ "label": "kept" })).send().await.ok();
    app.buy("+14155550500").send().await.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED");
}

#[tokio::test]
async fn an_order_that_is_never_answered_stays_charged_and_in_doubt() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550504").send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required");
    assert_eq!(app.balance().await, 98_000_000);
    app.check_books().await;
}

#[tokio::test]
async fn the_next_charge_is_a_month_after_the_purchase() {
    let app = TestApp::approved().await;
    let row = app.buy(NUMBER).send().await.ok();
    let time = |field: &str| domain::Timestamp::parse(row[field].as_str().unwrap()).unwrap();
    assert_eq!(time("nextChargeAt"), time("createdAt").months_later(1));
    assert_eq!(time("lastChargedAt"), time("createdAt"));
}

#[tokio::test]
async fn a_table_that_cannot_be_reached_is_answered_as_busy_and_nothing_is_ordered() {
    let app = TestApp::approved().await;
    app.get("/v1/phone-numbers").send().await.ok();
    app.dynamo.set(Weather::Throttled);
    app.buy(NUMBER).send().await.refused(503, "BUSY");
    app.dynamo.set(Weather::Fair);
    assert!(app.bundle.carrier.orders().is_empty());
    app.check_books().await;
}

#[tokio::test]
async fn a_purchase_that_stays_pending_remembers_the_order_that_decides_about_it() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550202").send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required");
    let id = domain::PhoneNumberId::parse(row["id"].as_str().unwrap()).unwrap();
    let number = app.bundle.table.find_number(&app.organization, &id).await.unwrap().unwrap();
    let order = app.bundle.carrier.orders()[0].id.clone();
    assert_eq!(number.placed_order().map(domain::carrier::CarrierOrderId::as_str), Some(order.as_str()));
}
