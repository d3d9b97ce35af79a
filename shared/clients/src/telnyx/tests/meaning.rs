//! What each answer means, row by row.

use domain::OrganizationId;
use domain::carrier::{CarrierNumberId, CarrierOrderId, Refusal, Release};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::answers::{self, Offered, Placed, Progress, Setup};
use super::super::deployment::Deployment;
use super::super::wire::{Answer, Failure};
use super::{NUMBER, NUMBER_ID, all_of_it, number, reference};

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
        (422, problem("10027", "A requirement group is missing."), "in doubt"),
        (422, problem("10015", unknown), "in doubt"),
        (422, json!({ "errors": [{ "code": "10027", "detail": null }] }), "in doubt"),
        (422, Value::Null, "in doubt"),
        (402, problem("20100", "Insufficient funds"), "not accepted"),
        (402, Value::Null, "not accepted"),
        (403, problem("20012", "Account inactive"), "not accepted"),
        (401, problem("10009", "Authentication failed"), "not accepted"),
        (401, Value::Null, "in doubt"),
        (403, problem("10010", "Authorization failed"), "not accepted"),
        (403, problem("10038", "Feature not permitted"), "not accepted"),
        (403, problem("99999", "Something new"), "in doubt"),
        (429, problem("10011", "Too many requests"), "not accepted"),
        (429, Value::Null, "not accepted"),
        (400, problem("10015", "Bad request"), "in doubt"),
        (404, problem("10005", "Not found"), "in doubt"),
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
        assert_eq!(answers::standing(Ok(answer(200, order(word))), &asked).unwrap(), expected);
    }
    for status in [404, 429, 500] {
        assert!(
            answers::standing(Ok(answer(status, order("failure"))), &asked).is_err(),
            "{status} says nothing about the order"
        );
    }
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
    let offers: Vec<_> =
        answers::offered(Ok(answer(200, body))).unwrap().into_iter().filter_map(Offered::orderable).collect();
    let numbers: Vec<&str> = offers.iter().map(|offer| offer.e164.as_str()).collect();
    assert_eq!(numbers, ["+14155550101", "+14155550102", "+14155550103"]);
    assert_eq!(offers[2].features, ["voice", "a_new_one"]);
    assert_eq!(offers[2].state.as_deref(), Some("CA"));
    assert_eq!(offers[2].locality.as_deref(), Some("San Francisco"));
    assert_eq!(offers[2].rate_center, None);
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
        let offered = answers::offered(Ok(answer(status, body)));
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
        (json!([entry(NUMBER, id.clone(), mine.clone(), "purchase-failed")]), Ok(None)),
        (json!([good, good]), Err(())),
        (json!([entry(NUMBER, line_id, mine.clone(), "active")]), Err(())),
        (json!([entry(NUMBER, Value::Null, mine.clone(), "active")]), Err(())),
        (Value::Null, Err(())),
    ] {
        let shown = list.to_string();
        let found = answers::owned(Ok(answer(200, json!({ "data": list }))), &number(), &reference()).map_err(drop);
        let found = found.map(|found| found.map(|id| id.as_str().to_owned()));
        assert_eq!(found, expected.map(|id| id.map(str::to_owned)), "{shown}");
    }
    for status in [400, 401, 404, 429, 500] {
        let refused = answers::owned(Ok(answer(status, problem("10005", "?"))), &number(), &reference());
        assert!(refused.is_err(), "{status} is not 'not found'");
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
        (422, problem("10027", "The number is locked."), None),
        (401, problem("10009", "Authentication failed"), None),
        (429, problem("10011", "Too many requests"), None),
        (503, problem("10036", "Busy"), None),
    ] {
        let shown = body.to_string();
        assert_eq!(answers::released(Ok(answer(status, body)), &resource).ok(), expected, "{status} {shown}");
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
