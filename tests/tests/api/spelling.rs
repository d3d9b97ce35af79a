//! One telephone has one spelling, on every route that takes a phone number; and which numbers count as US.

use std::time::Duration;

use axum::{Json, Router};
use domain::audit::{Action, Actor};
use domain::carrier::CarrierNumberId;
use domain::number::{PhoneNumber, Routing, Source, Trunk};
use domain::{Clock, E164, MicroUsd, Name, PhoneNumberId};
use local::Options;
use serde_json::{Value, json};
use tests::Answer;
use tests::{TestApp, approved, full_form};
use tokio::net::TcpListener;

const DRAFT: &str = "/v1/phone-numbers/kyb/draft";
/// Texts that no route takes for a phone number, and what each answers.
const REFUSED: &[(&str, &str)] = &[
    ("+114155550143", "must be spelled +14155550143:"), // a country code written twice
    ("+4444 20 7183 8750", "is not a possible phone number"),
    ("+4402071838750", "must be spelled +442071838750:"), // a trunk 0 after the country code
    ("+44 (0)20 7183 8750", "must be spelled +442071838750:"),
    ("+330123456789", "must be spelled +33123456789:"),
    ("+610412345678", "must be spelled +61412345678:"),
    ("+1 (415) 555-0143", "must be spelled +14155550143:"),
    ("+12345678", "is too short to be called from abroad"),
    ("+15551234", "is too short to be called from abroad"),
    ("+441111222", "is too short to be called from abroad"),
    ("+10234567890", "no North American area code begins with 0"),
    ("+19115550143", "codes such as 911 are no area codes"),
    ("4155550143", "must be an E.164 phone number"),
];

/// Checks that an answer refuses one field, and why.
#[track_caller]
fn refuses(answer: Answer, field: &str, why: &str) {
    let message = answer.body["issues"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains(why), "{why}: {}", answer.text);
    answer.invalid(&[field]);
}

async fn draft_with_phone(app: &TestApp, phone: &str) -> Answer {
    let mut form = full_form();
    form["authorizedRepresentative"]["phone"] = json!(phone);
    app.put(DRAFT, &form).send().await
}

#[tokio::test]
async fn another_spelling_is_refused_and_the_right_one_named_wherever_a_number_is_written() {
    let (app, newcomer) = (TestApp::approved().await, TestApp::empty().await);
    for (text, why) in REFUSED {
        refuses(app.import(text).send().await, "e164", why);
        refuses(app.buy(text).send().await, "e164", why);
        refuses(draft_with_phone(&newcomer, text).await, "authorizedRepresentative.phone", why);
    }
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    assert!(app.bundle.carrier.requests().is_empty());
}

#[tokio::test]
async fn a_number_in_its_own_form_is_taken_as_it_is() {
    let (app, newcomer) = (TestApp::approved().await, TestApp::empty().await);
    for own in ["+390266307129", "+375291234567", "+5491123456789", "+442071838750", "+448001111", "+19243051111"] {
        assert_eq!(app.import(own).send().await.ok()["e164"], own);
        let draft = draft_with_phone(&newcomer, own).await.ok();
        assert_eq!(draft["authorizedRepresentative"]["phone"], own);
    }
}

#[tokio::test]
async fn a_number_that_is_not_us_is_not_sold_and_the_answer_says_what_it_is() {
    let app = TestApp::approved().await;
    for (number, why) in [
        ("+14165550143", "area code 416 belongs to Canada"),
        ("+19425550143", "area code 942 belongs to Canada"),
        ("+18765550143", "area code 876 belongs to Jamaica"),
        ("+17872345678", "area code 787 belongs to Puerto Rico, and numbers of US territories are not sold"),
        ("+16715550143", "area code 671 belongs to Guam, and numbers of US territories are not sold"),
        ("+18005550199", "area code 800 is toll-free"),
        ("+19002345678", "area code 900 is premium rate"),
        ("+15335550143", "area code 533 is for personal numbers"),
        ("+442071838750", "must be a number of the United States"),
    ] {
        refuses(app.buy(number).send().await, "e164", why);
    }
    assert!(app.bundle.carrier.requests().is_empty());
    assert_eq!(app.balance().await, 100_000_000);
}

#[tokio::test]
async fn area_codes_that_opened_after_the_built_in_numbering_data_are_offered_and_sold() {
    let app = TestApp::approved().await;
    for (code, number) in [("924", "+19243051111"), ("624", "+16245550143"), ("436", "+14365550143")] {
        let offered = app.get(&format!("/v1/phone-numbers/available?areaCode={code}&limit=1")).send().await.ok();
        assert_eq!(offered[0]["friendlyName"], format!("+1 ({code}) 555-0100"));
        for number in [number, offered[0]["e164"].as_str().unwrap()] {
            let row = app.buy(number).send().await.ok();
            assert_eq!((&row["e164"], &row["setupStatus"]["status"]), (&json!(number), &json!("ready")));
        }
    }
    app.check_books().await;
}

#[tokio::test]
async fn each_of_the_800_area_codes_is_offered_exactly_when_its_numbers_are_sold() {
    let app = TestApp::approved().await;
    let mut offered = 0;
    for code in 200..=999 {
        app.clock.advance(Duration::from_secs(2));
        let number = format!("+1{code}5550143");
        let list = app.get(&format!("/v1/phone-numbers/available?areaCode={code}&limit=1")).send().await.ok();
        if E164::parse_us(&number).is_ok() {
            assert_eq!(list[0]["e164"], format!("+1{code}5550100"));
            offered += 1;
        } else {
            assert_eq!(list, json!([]), "{code}");
            app.buy(&number).send().await.invalid(&["e164"]);
        }
    }
    assert!((400..700).contains(&offered), "{offered}");
}

/// A carrier that answers every search with these numbers, as local ones of the United States.
async fn carrier_that_offers(numbers: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2", listener.local_addr().unwrap());
    let offer = |number: &&str| {
        json!({
            "phone_number": number, "phone_number_type": "local", "features": [{ "name": "voice" }],
            "cost_information": { "upfront_cost": "1.00", "monthly_cost": "1.00", "currency": "USD" },
            "region_information": [{ "region_type": "country_code", "region_name": "US" }],
        })
    };
    let answer = json!({ "data": numbers.iter().map(offer).collect::<Vec<Value>>() });
    let router = Router::new().fallback(move || async move { Json(answer.clone()) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn what_the_carrier_offers_counts_as_us_by_the_same_rule() {
    const OFFERED: &[&str] = &["+18005550199", "+14165550143", "+17872345678", "+19243051111", "+1924305xxxx"];
    let carrier_url = Some(carrier_that_offers(OFFERED).await);
    let app = TestApp::start(approved(), Options { carrier_url, ..Options::default() }).await;
    for (query, expected) in [("", &["+19243051111"][..]), ("?areaCode=924", &["+19243051111"]), ("?areaCode=800", &[])]
    {
        let list = app.get(&format!("/v1/phone-numbers/available{query}")).send().await.ok();
        let found: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["e164"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    refuses(app.buy("+18005550199").send().await, "e164", "toll-free");
}

#[tokio::test]
async fn numbers_that_were_registered_under_older_rules_are_listed_found_and_released() {
    const IMPORTED: &str = "+4402071838750";
    const BOUGHT: &str = "+114155550143";
    let app = TestApp::approved().await;
    let (table, actor, now) = (&app.bundle.table, Actor::System("tests"), app.clock.now());

    let source = Source::SipTrunk { trunk: Trunk::Legacy(Name::parse("ST_1").unwrap()), provider_name: None };
    let (id, organization) = (PhoneNumberId::new(now, 1), app.organization.clone());
    let e164 = E164::from_stored(IMPORTED).unwrap();
    let imported =
        PhoneNumber::imported(id, organization, e164, source, Routing::default(), MicroUsd::from_micros(0), now);
    table.import_number(&imported, 1_000, None, &actor).await.unwrap();

    // The carrier's side of it is a number that the sandbox really has.
    let held = app.buy("+14155550143").send().await.ok();
    let held = CarrierNumberId::parse(held["providerResourceId"].as_str().unwrap()).unwrap();
    let bought = app.begin_purchase(&PhoneNumberId::new(now, 2), BOUGHT, Routing::default()).await;
    let activate = |number: PhoneNumber| number.activate(held.clone(), now);
    table.transition(bought, activate, Action::Activated, &actor).await.unwrap();

    let list = app.get("/v1/phone-numbers").send().await.ok();
    assert_eq!(list.as_array().unwrap().len(), 3);
    for old in [IMPORTED, BOUGHT] {
        let found = app.get(&format!("/v1/phone-numbers?e164=%2B{}", &old[1..])).send().await.ok();
        assert_eq!((found.as_array().unwrap().len(), &found[0]["e164"]), (1, &json!(old)));
        let path = format!("/v1/phone-numbers/{}", found[0]["id"].as_str().unwrap());
        assert_eq!(app.get(&path).send().await.ok()["e164"], old);
        assert_eq!(app.patch(&path, &json!({ "label": "Old" })).send().await.ok()["label"], "Old");
        assert_eq!(app.delete(&path).send().await.ok(), json!({ "released": true }));
        app.get(&path).send().await.refused(404, "NOT_FOUND");
    }
    assert!(app.bundle.carrier.numbers().is_empty());
}
