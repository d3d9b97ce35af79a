//! The storm's own audit can fail: each kind of mistake is shown to it once.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tests::books::{Ends, violations};
use tests::chance::{Chance, Odds};
use tests::faults::Faults;
use tests::{Answer, TestApp};

use crate::record::{Heard, Record};
use crate::requests::{Deed, Request};

fn answered(status: u16, body: &Value, replayed: bool) -> Heard {
    let mut headers = HeaderMap::new();
    if replayed {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Heard::Answer(Answer { status, headers, text: body.to_string(), body: body.clone() })
}

fn row(id: &str, status: &str) -> Value {
    json!({ "id": id, "setupStatus": { "status": status } })
}

fn buy() -> Request {
    Request { deed: Deed::Buy, id: None, body: None, key: Some("key".to_owned()) }
}

fn judged(told: &[(Request, Heard)], ends: &Ends) -> Vec<String> {
    let record = Record::new(std::sync::Arc::default());
    for (request, heard) in told {
        record.sends(request);
        record.hears(0, 0, request, heard);
    }
    record.judge(ends)
}

fn there(ids: &[&str]) -> Ends {
    Ends { rows: ids.iter().map(|id| ((*id).to_owned(), "active".to_owned())).collect(), ..Ends::default() }
}

#[test]
fn what_clients_are_told_is_held_against_the_end() {
    let (one, other) = (row("pn_1", "ready"), row("pn_2", "ready"));
    let open = row("pn_1", "action_required");
    let release = || (Request::about(Deed::Release, "pn_1"), answered(200, &json!({ "released": true }), false));
    let told = |answers: &[(&Value, bool)]| -> Vec<_> {
        answers.iter().map(|(body, replayed)| (buy(), answered(200, body, *replayed))).collect()
    };
    for (said, ends, expected) in [
        (vec![(buy(), answered(500, &json!({}), false))], there(&[]), "is answered 500"),
        (vec![(Request::list(), answered(409, &json!({}), false))], there(&[]), "is answered 409"),
        (vec![(buy(), answered(503, &Value::Null, false))], there(&[]), "without JSON"),
        (told(&[(&one, false), (&other, false)]), there(&["pn_1", "pn_2"]), "later with another id"),
        (told(&[(&one, false), (&one, true), (&open, true)]), there(&["pn_1"]), "different replays"),
        (told(&[(&one, false), (&open, true)]), there(&["pn_1"]), "replays what nobody was told"),
        (told(&[(&one, false)]), there(&[]), "was ready, and is gone"),
        (told(&[(&open, false)]), there(&[]), "was promised, and is gone"),
        (vec![release()], there(&["pn_1"]), "was released, and is there"),
    ] {
        let wrong = judged(&said, &ends).join("\n");
        assert!(wrong.contains(expected), "{expected}: {wrong}");
    }
    let mut right = told(&[(&one, false), (&one, true)]);
    assert_eq!(judged(&right, &there(&["pn_1"])), Vec::<String>::new());
    right.push(release());
    right.push((buy(), Heard::Nothing));
    right.extend(told(&[(&other, false)]));
    assert_eq!(judged(&right, &there(&["pn_2"])), Vec::<String>::new(), "the first one was dismissed");
}

#[tokio::test]
async fn an_order_that_is_sent_twice_is_seen_even_where_the_carrier_refuses_the_second() {
    let faults = Faults::default();
    let app = TestApp::struck_by(&faults).await;
    let fair = Odds { table: 0.0, carrier: 0.0, delayed: 0.0 };
    faults.leave_to(Chance::new(1, fair, app.clock.clone()));
    let row = app.buy("+14155550142").send().await.ok();
    assert_eq!(violations(&app).await, Vec::<String>::new());
    let order = json!({ "phone_numbers": [{ "phone_number": "+14155550142" }], "customer_reference": row["id"] });
    let again = app.call_at(&app.bundle.carrier_url, Method::POST, "/number_orders").key("sandbox").json(&order);
    assert_eq!(again.send().await.status, 409);
    let wrong = violations(&app).await.join("\n");
    assert!(wrong.contains("was sent 2 times and paid for 1 times"), "{wrong}");
}
