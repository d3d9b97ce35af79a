//! What each answer means, row by row.

use domain::OrganizationId;
use domain::carrier::{CarrierNumberId, CarrierOrderId, Found, Offer, Refusal, Release};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::answers::{self, Placed, Progress, Setup};
use super::super::deployment::Deployment;
use super::super::offers::{self, Unsuitable};
use super::super::wire::{Answer, Failure};
use super::{NUMBER, NUMBER_ID, all_of_it, limits, number, reference};

fn answer(status: u16, body: Value) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body }
}

fn problem(code: &str, detail: &str) -> Value {
    json!({ "errors": [{ "code": code, "title": "No", "detail": detail, "source": null }] })
}

const ORDER: &str = "0c6a1f57-0f3e-4bd0-9ac5-5c6b1d0a2e11";

fn order(status: &str) -> Value {
    json!({ "data": { "id": ORDER, "status": status, "customer_reference": reference().as_str() } })
}

fn order_of(reference: &str, status: &str) -> Value {
    json!({ "data": { "id": ORDER, "status": status, "customer_reference": reference } })
}

#[test]
fn each_answer_to_an_order_has_one_meaning() {
    let unknown = "We don't recognize the number(s) +14155550123.";
    for (status, body, expected) in [
        (200, order("pending"), "open"),
        (200, order("success"), "done"),
        (200, order("archived"), "open"),
        (200, json!({ "data": { "id": "abc", "status": null } }), "open"),
        (200, order("failure"), "failed"),
        (200, json!({ "data": { "id": "abc", "status": "failure", "customer_reference": null } }), "failed"),
        (200, json!({ "data": { "status": "failure" } }), "in doubt"),
        (200, order_of("pn_of_somebody_else", "failure"), "in doubt"),
        (200, order_of("pn_of_somebody_else", "success"), "in doubt"),
        (200, json!({}), "in doubt"),
        (200, json!({ "data": {} }), "in doubt"),
        (204, Value::Null, "in doubt"),
        (200, json!({ "data": { "id": null, "status": "pending" } }), "in doubt"),
        (200, json!({ "data": { "id": "../balance", "status": "pending" } }), "in doubt"),
        (200, json!({ "data": [] }), "in doubt"),
        (200, Value::Null, "in doubt"),
        (302, Value::Null, "in doubt"),
        (422, problem("10027", unknown), "taken"),
        (422, json!({ "errors": [null, { "code": 10027, "detail": unknown }] }), "taken"),
        (422, problem("85000", "Not available"), "taken"),
        (422, problem("85001", "Reserved"), "taken"),
        (400, problem("85000", "You must search for numbers first"), "taken"),
        (404, problem("85001", "Not available"), "taken"),
        (422, problem("10027", "A requirement group is missing."), "not accepted"),
        (422, problem("10015", unknown), "not accepted"),
        (422, problem("10017", "connection_id is invalid"), "not accepted"),
        (422, json!({ "errors": [{ "code": "10027", "detail": null }] }), "not accepted"),
        (422, problem("10027", "The number is already ordered."), "in doubt"),
        (422, problem("10027", "An order for it is in progress."), "in doubt"),
        (400, problem("10036", "Try again"), "in doubt"),
        (422, json!({ "errors": [] }), "in doubt"),
        (422, json!({ "errors": "many" }), "in doubt"),
        (422, json!({ "message": "denied by policy" }), "in doubt"),
        (422, Value::Null, "in doubt"),
        (402, problem("20100", "Insufficient funds"), "not accepted"),
        (402, Value::Null, "not accepted"),
        (403, problem("20012", "Account inactive"), "not accepted"),
        (401, problem("10009", "Authentication failed"), "not accepted"),
        (401, problem("20002", "The API key has been revoked"), "not accepted"),
        (401, json!({ "errors": [] }), "not accepted"),
        (401, Value::Null, "not accepted"),
        (403, problem("20014", "The account has not been verified"), "not accepted"),
        (403, Value::Null, "not accepted"),
        (403, problem("10010", "Authorization failed"), "not accepted"),
        (403, problem("10038", "Feature not permitted"), "not accepted"),
        (403, problem("99999", "Something new"), "not accepted"),
        (429, problem("10011", "Too many requests"), "not accepted"),
        (429, Value::Null, "not accepted"),
        (400, problem("10015", "Bad request"), "not accepted"),
        (400, Value::Null, "in doubt"),
        (404, problem("10005", "Not found"), "not accepted"),
        (404, Value::Null, "in doubt"),
        (409, problem("10012", "Duplicate"), "in doubt"),
        (409, problem("85001", "Already ordered"), "in doubt"),
        (423, problem("10035", "Locked"), "in doubt"),
        (500, problem("10007", "Unexpected error"), "in doubt"),
        (500, problem("20100", "Insufficient funds"), "in doubt"),
        (502, Value::Null, "in doubt"),
        (503, problem("10036", "Busy"), "in doubt"),
    ] {
        let shown = body.to_string();
        let meaning = meaning(&answers::placed(Ok(answer(status, body)), &reference()));
        assert_eq!(meaning, expected, "{status} {shown}");
    }
}

/// All 4xx, each without an envelope, with an empty one, and with a code that nobody has heard of.
#[test]
fn a_4xx_is_a_refusal_unless_it_may_be_about_an_order_that_is_taken_or_is_not_the_carriers() {
    for status in 400..500 {
        let bodies = [
            Value::Null,
            json!({ "errors": [] }),
            json!({ "errors": [null] }),
            json!("<html>"),
            json!({ "error": "no" }),
        ];
        let foreign = match status {
            401 | 402 | 403 | 429 => "not accepted",
            _ => "in doubt",
        };
        for body in bodies {
            let shown = body.to_string();
            assert_eq!(meaning(&answers::placed(Ok(answer(status, body)), &reference())), foreign, "{status} {shown}");
        }
        let expected = match status {
            408 | 409 | 423 | 425 => "in doubt",
            _ => "not accepted",
        };
        for code in [json!("99999"), json!("10015"), json!(10_004), json!("x"), Value::Null] {
            let body = json!({ "errors": [{ "code": code, "title": "?", "detail": "Something is wrong." }] });
            let meaning = meaning(&answers::placed(Ok(answer(status, body)), &reference()));
            assert_eq!(meaning, expected, "{status} {code}");
        }
        for code in ["85000", "85001"] {
            let expected = if foreign == "not accepted" || expected == "in doubt" { expected } else { "taken" };
            let meaning = meaning(&answers::placed(Ok(answer(status, problem(code, "Gone"))), &reference()));
            assert_eq!(meaning, expected, "{status} {code}");
        }
    }
}

#[test]
fn an_order_whose_every_line_has_failed_is_a_failed_one_whatever_its_status_says() {
    for (status, lines, expected) in [
        ("success", json!(["failure"]), "failed"),
        ("pending", json!(["failure"]), "failed"),
        ("success", json!(["success"]), "done"),
        ("success", json!(["pending"]), "done"),
        ("pending", json!(["failure", "pending"]), "open"),
        ("pending", json!([null]), "open"),
        ("success", json!([]), "done"),
    ] {
        let mut body = order(status);
        let line = |status: &Value| json!({ "id": "l-1", "phone_number": NUMBER, "status": status });
        body["data"]["phone_numbers"] = lines.as_array().unwrap().iter().map(line).collect();
        assert_eq!(meaning(&answers::placed(Ok(answer(200, body)), &reference())), expected, "{status} {lines}");
    }
}

#[test]
fn a_call_without_an_answer_is_a_no_only_when_nothing_was_sent() {
    for (failure, expected) in [
        (Failure::Secret("gone".into()), "not accepted"),
        (Failure::NotSent("refused".into()), "not accepted"),
        (Failure::NoAnswer("time-out".into()), "in doubt"),
        (Failure::Garbled("it is longer than 1 MiB"), "in doubt"),
    ] {
        assert_eq!(meaning(&answers::placed(Err(failure), &reference())), expected);
    }
}

fn meaning(placed: &Placed) -> &'static str {
    match placed {
        Placed::Accepted { standing: Progress::Done, .. } => "done",
        Placed::Accepted { standing: Progress::Open, .. } => "open",
        Placed::Accepted { standing: Progress::Failed, .. } => "failed",
        Placed::No(Refusal::Taken) => "taken",
        Placed::No(Refusal::Throttled { .. }) => "throttled",
        Placed::No(Refusal::NotAccepted(source)) => {
            assert!(!all_of_it(source.as_ref()).contains("4155550123"));
            "not accepted"
        }
        Placed::InDoubt(source) => {
            assert!(!all_of_it(source.as_ref()).contains("4155550123"));
            "in doubt"
        }
    }
}

#[test]
fn a_followed_order_is_open_until_the_carrier_says_otherwise() {
    let asked = CarrierOrderId::parse(ORDER).unwrap();
    for (word, expected) in
        [("pending", Progress::Open), ("success", Progress::Done), ("failure", Progress::Failed), ("?", Progress::Open)]
    {
        assert_eq!(answers::standing(Ok(answer(200, order(word))), &asked).unwrap(), Some(expected));
    }
    for status in [404, 429, 500] {
        assert!(
            answers::standing(Ok(answer(status, order("failure"))), &asked).is_err(),
            "{status} says nothing about the order"
        );
    }
    let unknown = answers::standing(Ok(answer(404, problem("10005", "Not found"))), &asked);
    assert_eq!(unknown.unwrap(), None, "the carrier itself says that there is no such order");
    let other = CarrierOrderId::parse("another-order").unwrap();
    assert!(answers::standing(Ok(answer(200, order("failure"))), &other).is_err(), "one order says nothing of another");
    for nothing in [json!({}), json!({ "data": {} }), json!({ "data": { "status": "failure" } }), json!({ "data": [] })]
    {
        assert!(answers::standing(Ok(answer(200, nothing.clone())), &asked).is_err(), "{nothing}");
    }
}

#[test]
fn offers_are_read_with_whatever_is_missing_and_the_rest_of_the_list_survives() {
    let body = json!({ "data": [
        null,
        "+14155550100",
        { "phone_number": null },
        { "phone_number": "+14155550101" },
        { "phone_number": "+14155550102", "features": null, "region_information": "none", "cost_information": 7 },
        {
            "phone_number": "+14155550103",
            "features": [{ "name": "voice" }, { "name": null }, null, { "name": "a_new_one" }],
            "region_information": [
                null,
                { "region_type": "country_code", "region_name": "US" },
                { "region_type": "a_new_one", "region_name": "?" },
                { "region_type": "state", "region_name": "CA" },
                { "region_type": "location", "region_name": "San Francisco" },
                { "region_type": "rate_center", "region_name": "" },
            ],
        },
    ] });
    let offers: Vec<Offer> = offers::offered(Ok(answer(200, body)))
        .unwrap()
        .into_iter()
        .filter_map(|offered| offered.orderable(limits()).ok())
        .collect();
    let numbers: Vec<&str> = offers.iter().map(|offer| offer.e164.as_str()).collect();
    assert_eq!(numbers, ["+14155550101", "+14155550102", "+14155550103"]);
    assert_eq!(offers[2].features, ["voice", "a_new_one"]);
    assert_eq!(offers[2].state.as_deref(), Some("CA"));
    assert_eq!(offers[2].locality.as_deref(), Some("San Francisco"));
    assert_eq!(offers[2].rate_center, None);
}

#[test]
fn an_offer_is_a_local_number_with_voice_at_a_price_within_the_limits() {
    let offer = |field: &str, value: Value| {
        let mut offer = json!({
            "phone_number": NUMBER, "phone_number_type": "local", "features": [{ "name": "sms" }, { "name": "voice" }],
            "cost_information": { "currency": "USD", "monthly_cost": "1.00", "upfront_cost": "1.00" },
        });
        offer[field] = value;
        offer
    };
    let costs = |upfront: Value, monthly: Value, currency: Value| {
        let costs = json!({ "currency": currency, "upfront_cost": upfront, "monthly_cost": monthly });
        offer("cost_information", costs)
    };
    let usd = || json!("USD");
    for (entry, expected) in [
        (offer("phone_number", json!(NUMBER)), Ok(())),
        (offer("phone_number", json!("+17792------")), Err(Unsuitable::Masked)),
        (offer("phone_number", json!("+1779xxxxxxx")), Err(Unsuitable::Masked)),
        (offer("phone_number", json!("4155550123")), Err(Unsuitable::Masked)),
        (offer("phone_number", json!("+14165550123")), Err(Unsuitable::Foreign)),
        (offer("phone_number", json!("+18005550123")), Err(Unsuitable::Foreign)),
        (offer("phone_number", json!("+442071838750")), Err(Unsuitable::Foreign)),
        (offer("phone_number_type", json!("toll_free")), Err(Unsuitable::OtherKind)),
        (offer("phone_number_type", json!("a_new_one")), Err(Unsuitable::OtherKind)),
        (offer("phone_number_type", Value::Null), Ok(())),
        (offer("features", json!([{ "name": "sms" }])), Err(Unsuitable::OtherKind)),
        (offer("features", json!([])), Err(Unsuitable::OtherKind)),
        (offer("features", Value::Null), Ok(())),
        (offer("cost_information", Value::Null), Ok(())),
        (costs(json!("5.00"), json!("5.0000000000"), usd()), Ok(())),
        (costs(json!("5.000001"), json!("1.00"), usd()), Err(Unsuitable::TooExpensive)),
        (costs(json!("250.00"), json!("1.00"), usd()), Err(Unsuitable::TooExpensive)),
        (costs(json!("1.00"), json!("5000.00"), usd()), Err(Unsuitable::TooExpensive)),
        (costs(json!(250), json!(1), usd()), Err(Unsuitable::TooExpensive)),
        (costs(json!("1e9"), json!("1.00"), usd()), Err(Unsuitable::TooExpensive)),
        (costs(json!("-1.00"), json!("1.00"), usd()), Err(Unsuitable::TooExpensive)),
        (costs(json!("1.00"), json!("1.00"), json!("EUR")), Err(Unsuitable::TooExpensive)),
        (costs(Value::Null, Value::Null, json!("EUR")), Ok(())),
        (costs(json!("0"), json!("10.50"), Value::Null), Err(Unsuitable::TooExpensive)),
    ] {
        let shown = entry.to_string();
        let offered = offers::offered(Ok(answer(200, json!({ "data": [entry] })))).unwrap().remove(0);
        assert_eq!(offered.orderable(limits()).map(drop), expected, "{shown}");
    }
}

#[test]
fn no_coverage_is_an_empty_list_and_every_other_refusal_is_a_failure() {
    for (status, body, empty) in [
        (400, problem("10031", "Nothing found"), true),
        (404, problem("10005", "Not found"), true),
        (422, problem("10027", "No coverage"), true),
        (200, json!({ "data": [] }), true),
        (404, Value::Null, false),
        (400, problem("10009", "Authentication failed"), false),
        (401, problem("10009", "Authentication failed"), false),
        (403, problem("10010", "Authorization failed"), false),
        (402, problem("20100", "Insufficient funds"), false),
        (429, problem("10011", "Too many requests"), false),
        (500, problem("10007", "Unexpected error"), false),
        (200, json!({ "data": null }), false),
        (200, Value::Null, false),
    ] {
        let shown = body.to_string();
        let offered = offers::offered(Ok(answer(status, body)));
        assert_eq!(offered.is_ok_and(|list| list.is_empty()), empty, "{status} {shown}");
    }
}

#[test]
fn a_number_is_ours_only_when_exactly_one_entry_is_exactly_it() {
    let entry = |phone_number: &str, id: Value, reference: Value, status: &str| {
        let mut entry = json!({ "phone_number": phone_number, "status": status });
        entry["id"] = id;
        entry["customer_reference"] = reference;
        entry
    };
    let mine = json!(reference().as_str());
    let id = json!("2718281828459045235");
    let line_id = json!("dc8e4d67-33a0-4cbb-af74-7b58f05bd494");
    let good = entry(NUMBER, id.clone(), mine.clone(), "active");
    for (list, expected) in [
        (json!([good]), Ok(Some("2718281828459045235"))),
        (json!([null, 7, { "id": "1" }, good]), Ok(Some("2718281828459045235"))),
        (
            json!([entry(NUMBER, json!(2_718_281_828_459_045_235_u64), mine.clone(), "?")]),
            Ok(Some("2718281828459045235")),
        ),
        (json!([entry(NUMBER, id.clone(), Value::Null, "active")]), Ok(Some("2718281828459045235"))),
        (json!([entry(NUMBER, json!("1"), mine.clone(), "deleted"), good]), Ok(Some("2718281828459045235"))),
        (json!([]), Ok(None)),
        (json!([entry("+114155550123", id.clone(), mine.clone(), "active")]), Ok(None)),
        (json!([entry(NUMBER, id.clone(), json!("pn_of_somebody_else"), "active")]), Ok(None)),
        (json!([entry(NUMBER, id.clone(), mine.clone(), "port-out-pending")]), Ok(Some("2718281828459045235"))),
        (json!([entry(NUMBER, id.clone(), mine.clone(), "purchase-failed")]), Ok(None)),
        (json!([entry(NUMBER, id.clone(), mine.clone(), "purchase-pending")]), Ok(Some("prepared"))),
        (json!([entry(NUMBER, id.clone(), mine.clone(), "provision-pending")]), Ok(Some("prepared"))),
        (json!([entry(NUMBER, id.clone(), mine.clone(), "requirement-info-pending")]), Ok(Some("prepared"))),
        (json!([entry(NUMBER, id.clone(), mine.clone(), "requirement-info-exception")]), Ok(Some("prepared"))),
        (json!([good, good]), Err(())),
        (json!([entry(NUMBER, line_id, mine.clone(), "active")]), Err(())),
        (json!([entry(NUMBER, Value::Null, mine.clone(), "active")]), Err(())),
        (Value::Null, Err(())),
    ] {
        let shown = list.to_string();
        let found = answers::owned(Ok(answer(200, json!({ "data": list }))), &number(), &reference()).map_err(drop);
        let found = found.map(|found| match found {
            Found::Ready(id) => Some(id.as_str().to_owned()),
            Found::Preparing(_) => Some("prepared".to_owned()),
            Found::Absent => None,
        });
        assert_eq!(found, expected.map(|id| id.map(str::to_owned)), "{shown}");
    }
    for status in [400, 401, 404, 429, 500] {
        let refused = answers::owned(Ok(answer(status, problem("10005", "?"))), &number(), &reference());
        assert!(refused.is_err(), "{status} is not 'not found'");
    }
}

#[test]
fn a_number_that_arrived_late_is_the_one_with_its_orders_own_reference() {
    let entry = |reference: Value| json!({ "phone_number": NUMBER, "id": "7", "customer_reference": reference });
    let id = CarrierNumberId::parse("7").unwrap();
    for (theirs, expected) in [
        (json!(reference().as_str()), Found::Ready(id)),
        (json!("pn_of_somebody_else"), Found::Absent),
        (Value::Null, Found::Absent),
        (json!(""), Found::Absent),
    ] {
        let list = json!({ "data": [entry(theirs.clone())] });
        let found = answers::arrived_late(Ok(answer(200, list)), &number(), &reference()).unwrap();
        assert_eq!(found, expected, "{theirs}");
    }
}

#[test]
fn a_number_is_released_when_the_answer_names_it_as_deleted() {
    let resource = CarrierNumberId::parse(NUMBER_ID).unwrap();
    let shown = |id: &str, status: &str| json!({ "data": { "id": id, "status": status } });
    for (status, body, expected) in [
        (200, shown(NUMBER_ID, "deleted"), Some(Release::Confirmed)),
        (200, shown(NUMBER_ID, "active"), None),
        (200, shown("7", "deleted"), None),
        (200, json!({ "data": { "status": "deleted" } }), None),
        (200, json!({ "data": { "id": NUMBER_ID } }), None),
        (200, json!({ "data": {} }), None),
        (200, json!({}), None),
        (200, Value::Null, None),
        (202, json!({ "data": null }), None),
        (204, Value::Null, None),
        (404, problem("10005", "Not found"), Some(Release::Unknown)),
        (410, problem("10005", "Gone"), Some(Release::Unknown)),
        (422, problem("10027", "The number has already been deleted."), Some(Release::Unknown)),
        (404, Value::Null, None),
        (422, problem("10035", "The number is locked."), None),
        (422, problem("10027", "The number is being processed."), None),
        (409, problem("10012", "Conflict"), None),
        (422, Value::Null, None),
        (403, Value::Null, None),
        (402, problem("20100", "Insufficient funds"), None),
        (401, problem("10009", "Authentication failed"), None),
        (429, problem("10011", "Too many requests"), None),
        (503, problem("10036", "Busy"), None),
    ] {
        let shown = body.to_string();
        assert_eq!(answers::released(Ok(answer(status, body)), &resource).ok(), expected, "{status} {shown}");
    }
    for (status, body) in [
        (422, problem("10027", "The number has a deletion lock")),
        (409, problem("10027", "deletion_lock_enabled is set")),
        (422, problem("99999", "It is part of a block")),
        (403, problem("10010", "Authorization failed")),
        (400, problem("10015", "Bad request")),
    ] {
        let shown = body.to_string();
        let refused = answers::released(Ok(answer(status, body)), &resource).unwrap();
        let Release::Refused(cause) = refused else { panic!("{status} {shown}: {refused:?}") };
        assert!(cause.contains(&status.to_string()), "{cause}");
    }
}

#[test]
fn a_number_is_set_up_when_the_answer_shows_it_so() {
    let (resource, owner) = (CarrierNumberId::parse(NUMBER_ID).unwrap(), OrganizationId::parse("org_1").unwrap());
    let here = Deployment::of("numbers");
    let setup = |connection: Option<&str>| Setup {
        resource: &resource,
        owner: &owner,
        here: &here,
        connection: connection.map(str::to_owned),
    };
    let shown = |id: &str, tags: Value, connection: Value| json!({ "data": { "id": id, "tags": tags, "connection_id": connection } });
    let tags = json!(["table:numbers", "org_1"]);
    for (body, connection, expected) in [
        (shown(NUMBER_ID, tags.clone(), Value::Null), None, true),
        (shown(NUMBER_ID, json!(["org_1", "table:numbers", "vip"]), json!("9")), None, true),
        (shown(NUMBER_ID, tags.clone(), json!("77")), Some("77"), true),
        (shown(NUMBER_ID, tags.clone(), json!(77)), Some("77"), true),
        (shown(NUMBER_ID, tags.clone(), json!("78")), Some("77"), false),
        (shown(NUMBER_ID, tags.clone(), Value::Null), Some("77"), false),
        (shown("7", tags, Value::Null), None, false),
        (shown(NUMBER_ID, json!(["org_1"]), Value::Null), None, false),
        (shown(NUMBER_ID, json!(["table:numbers", "org_2"]), Value::Null), None, false),
        (shown(NUMBER_ID, json!([]), Value::Null), None, false),
        (shown(NUMBER_ID, Value::Null, Value::Null), None, false),
        (json!({ "data": {} }), None, false),
        (json!({}), None, false),
    ] {
        let text = body.to_string();
        assert_eq!(answers::configured(Ok(answer(200, body)), &setup(connection)).is_ok(), expected, "{text}");
    }
    assert!(answers::configured(Ok(answer(204, Value::Null)), &setup(None)).is_err(), "it shows nothing");
}

#[test]
fn a_refusal_names_the_codes_and_nothing_that_the_carrier_quotes() {
    let body = json!({ "errors": [
        { "code": "10027", "detail": "We don't recognize the number(s) +14155550123." },
        { "code": "+14155550123" },
        { "code": 20100 },
    ] });
    assert_eq!(
        answer(422, body).refused().to_string(),
        "the carrier answered 422 Unprocessable Entity (code 10027, 20100)"
    );
}
