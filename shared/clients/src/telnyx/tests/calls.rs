//! What goes over the wire, and what becomes of a call when the wire misbehaves.

use std::cell::RefCell;
use std::io;
use std::sync::Once;
use std::time::Duration;

use domain::carrier::{CarrierNumberId, CarrierOrderId, Found, OrderStanding, Ordered, Refusal, Release, Search};
use domain::{Cause, Error};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::wire::Failure;
use super::super::{Limits, Telnyx};
use super::limits as price_limits;
use super::server::{Asked, Reply, Server, says};
use super::{NUMBER, NUMBER_ID, all_of_it, number, owner, reference};
use runtime::{Secret, aws};

const KEY: &str = "KEY0188_secret";
const LINE_ID: &str = "dc8e4d67-33a0-4cbb-af74-7b58f05bd494";

fn telnyx(base_url: &str) -> Telnyx {
    Telnyx::new(base_url, Secret::given(&json!({ "apiKey": KEY }).to_string()), "numbers")
}

/// A client that gives up soon, for tests in which nobody answers.
fn impatient(base_url: &str) -> Telnyx {
    let soon = Duration::from_millis(60);
    let limits = Limits {
        search: soon,
        order: soon,
        follow: soon * 3,
        question: soon,
        release: soon,
        pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(20),
    };
    Telnyx { limits, ..telnyx(base_url) }
}

fn quick(base_url: &str) -> Telnyx {
    let limits = Limits { pause: Duration::from_millis(1), ..Limits::USUAL };
    Telnyx { limits, ..telnyx(base_url) }
}

fn search(area_code: &str, limit: u8) -> Search {
    Search { area_code: Some(area_code.to_owned()), locality: None, limit }
}

fn pending() -> Reply {
    order("pending")
}

fn order(status: &str) -> Reply {
    let line = json!({ "id": LINE_ID, "phone_number": NUMBER, "status": status });
    says(200, &json!({ "data": { "id": LINE_ID, "status": status, "phone_numbers": [line] } }).to_string())
}

fn listed() -> Reply {
    let entry = json!({ "id": NUMBER_ID, "phone_number": NUMBER, "customer_reference": reference().as_str() });
    says(200, &json!({ "data": [entry], "meta": {} }).to_string())
}

/// What a carrier answers whose order under our reference has failed, as the only one.
fn failed(asked: &Asked) -> Reply {
    match asked.line.as_str() {
        "GET /v2/number_orders" => listed_orders(&[LINE_ID]),
        _ => order("failure"),
    }
}

fn listed_orders(ids: &[&str]) -> Reply {
    let listed = |id| json!({ "id": id, "customer_reference": reference().as_str() });
    says(200, &json!({ "data": ids.iter().map(listed).collect::<Vec<_>>() }).to_string())
}

/// The carrier shows the number as it was to be set up.
fn set_up() -> Reply {
    let number = json!({ "id": NUMBER_ID, "tags": ["org_1", "table:numbers"], "connection_id": "149" });
    says(200, &json!({ "data": number }).to_string())
}

fn in_doubt(ordered: Ordered) -> Cause {
    match ordered {
        Ordered::InDoubt { source, .. } => source,
        other => panic!("not in doubt: {other:?}"),
    }
}

fn not_accepted(ordered: Ordered) -> Cause {
    match ordered {
        Ordered::No(Refusal::NotAccepted(source)) => source,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_search_sends_the_documented_filters_and_the_key() {
    let server = Server::start(|_, _| says(200, r#"{"data":[]}"#)).await;
    let wanted = Search { area_code: Some("415".to_owned()), locality: Some("San José & co".to_owned()), limit: 7 };
    assert_eq!(telnyx(&format!("{}/", server.url)).search(&wanted, price_limits()).await.unwrap(), []);
    let asked: Asked = server.asked().remove(0);
    assert_eq!(asked.line, "GET /v2/available_phone_numbers");
    assert_eq!(asked.authorization, format!("Bearer {KEY}"));
    let query: Vec<(&str, &str)> = asked.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("filter[country_code]", "US"),
        ("filter[phone_number_type]", "local"),
        ("filter[features][]", "voice"),
        ("filter[limit]", "7"),
        ("filter[national_destination_code]", "415"),
        ("filter[locality]", "San José & co"),
    ];
    assert_eq!(query, expected);
}

#[tokio::test]
async fn a_search_answers_only_what_was_asked_for() {
    let numbers = [
        "+12125550100", // another area code
        "+1415xxxxxxx", // redacted
        "+14155550101",
        "+14155550101",  // again
        "+442071838750", // another country
        "+14155550102",
        "+14155550103", // one too many
    ];
    let data: Vec<Value> = numbers.iter().map(|number| json!({ "phone_number": number })).collect();
    let body = json!({ "data": data }).to_string();
    let server = Server::start(move |_, _| says(200, &body)).await;
    let offers = telnyx(&server.url).search(&search("415", 2), price_limits()).await.unwrap();
    let found: Vec<&str> = offers.iter().map(|offer| offer.e164.as_str()).collect();
    assert_eq!(found, ["+14155550101", "+14155550102"]);
}

#[tokio::test]
async fn the_last_look_before_an_order_accepts_only_the_number_itself() {
    for (offered, expected) in [(NUMBER, true), ("+14155550124", false), ("+1415xxxxxxx", false)] {
        let body = json!({ "data": [{ "phone_number": offered }] }).to_string();
        let server = Server::start(move |_, _| says(200, &body)).await;
        assert_eq!(telnyx(&server.url).still_sells(&number(), price_limits()).await.unwrap(), expected, "{offered}");
        let query = server.asked().remove(0).query;
        assert!(query.contains(&("filter[national_destination_code]".to_owned(), "415".to_owned())));
        assert!(query.contains(&("filter[phone_number][ends_with]".to_owned(), "5550123".to_owned())));
    }
}

#[tokio::test]
async fn searches_fail_when_the_carrier_gives_no_usable_answer() {
    for (status, body) in [(500, "{}"), (429, "{}"), (401, "{}"), (200, "<html>"), (200, "{}"), (302, "")] {
        let server = Server::start(move |_, _| says(status, body)).await;
        let failed = telnyx(&server.url).search(&search("415", 1), price_limits()).await;
        assert!(matches!(failed, Err(Error::CarrierUnavailable(_))), "{status} {body}");
    }
    let silent = Server::start(|_, _| Reply::Silence).await;
    assert!(matches!(impatient(&silent.url).still_offers(&number()).await, Err(Error::CarrierUnavailable(_))));
}

#[tokio::test]
async fn an_answer_of_more_than_a_mebibyte_is_not_read() {
    let server = Server::start(|_, _| says(200, &format!(r#"{{"data":[],"pad":"{}"}}"#, "x".repeat(1 << 20)))).await;
    let Err(Error::CarrierUnavailable(source)) = telnyx(&server.url).search(&search("415", 1), price_limits()).await
    else {
        panic!("a huge answer was taken");
    };
    assert!(source.to_string().contains("longer than 1 MiB"));
}

#[tokio::test]
async fn an_order_names_the_number_the_reference_and_the_connection_when_there_is_one() {
    for (secret, connection) in [
        (json!({ "apiKey": KEY }), None),
        (json!({ "apiKey": KEY, "connectionId": null }), None),
        (json!({ "apiKey": KEY, "connectionId": "1494404757140276705" }), Some("1494404757140276705")),
    ] {
        let server = Server::start(|asked, _| failed(asked)).await;
        let telnyx = Telnyx::new(&server.url, Secret::given(&secret.to_string()), "numbers");
        assert!(matches!(telnyx.order(&number(), &reference(), &owner()).await, Ordered::No(Refusal::Taken)));
        let asked = server.asked().remove(0);
        assert_eq!(asked.line, "POST /v2/number_orders");
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let mut expected =
            json!({ "phone_numbers": [{ "phone_number": NUMBER }], "customer_reference": reference().as_str() });
        if let Some(connection) = connection {
            expected["connection_id"] = connection.into();
        }
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn a_pending_order_is_followed_until_the_number_has_its_own_id() {
    let server = Server::start(|asked, before| match (asked.line.split('/').nth(2), before) {
        (_, 0 | 1) => pending(),
        (_, 2) => says(503, "busy"),
        (Some("number_orders"), _) => order("success"),
        (_, 4) => says(200, r#"{"data":[]}"#),
        (_, 5) => says(500, ""),
        (_, 6) => listed(),
        _ => set_up(),
    })
    .await;
    let Ordered::Yes(resource) = quick(&server.url).order(&number(), &reference(), &owner()).await else {
        panic!("the order went wrong");
    };
    assert_eq!(resource.as_str(), NUMBER_ID);
    let order = format!("GET /v2/number_orders/{LINE_ID}");
    let (list, set_up) = ("GET /v2/phone_numbers", format!("PATCH /v2/phone_numbers/{NUMBER_ID}"));
    assert_eq!(server.lines(), ["POST /v2/number_orders", &order, &order, &order, list, list, list, &set_up]);
    let query = server.asked().swap_remove(6).query;
    let reference = reference().to_string();
    let expected = [("filter[phone_number]", "14155550123"), ("filter[customer_reference]", &reference)];
    assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn an_owned_number_is_routed_to_the_connection_and_tagged_with_its_owner_and_the_deployment() {
    let tags = ["org_1", "table:numbers"];
    let resource = CarrierNumberId::parse(NUMBER_ID).unwrap();
    for (secret, expected) in [
        (json!({ "apiKey": KEY }), json!({ "tags": tags })),
        (json!({ "apiKey": KEY, "connectionId": "149" }), json!({ "tags": tags, "connection_id": "149" })),
    ] {
        let server = Server::start(|_, _| set_up()).await;
        let telnyx = Telnyx::new(&server.url, Secret::given(&secret.to_string()), "numbers");
        telnyx.configure(&resource, &owner()).await.unwrap();
        let asked = server.asked().remove(0);
        assert_eq!(asked.line, format!("PATCH /v2/phone_numbers/{NUMBER_ID}"));
        assert_eq!(serde_json::from_str::<Value>(&asked.body).unwrap(), expected);
    }
    for (status, body) in
        [(422, "{}"), (404, r#"{"errors":[{"code":"10005"}]}"#), (500, "{}"), (200, "<html>"), (200, "{}")]
    {
        let server = Server::start(move |_, _| says(status, body)).await;
        let failed = telnyx(&server.url).configure(&resource, &owner()).await;
        assert!(matches!(failed, Err(Error::CarrierUnavailable(_))), "{status} {body}");
    }
}

#[tokio::test]
async fn a_number_that_cannot_be_set_up_is_in_doubt_not_ready() {
    let server = Server::start(|asked, _| match asked.line.split(' ').next() {
        Some("POST") => order("success"),
        Some("GET") => listed(),
        _ => says(422, r#"{"errors":[{"code":"10015"}]}"#),
    })
    .await;
    in_doubt(telnyx(&server.url).order(&number(), &reference(), &owner()).await);
}

/// A carrier that has delivered the number, and answers each attempt to set it up with what `reply` says to its place.
async fn sets_up(reply: impl Fn(usize) -> Reply + Clone + Send + Sync + 'static) -> Server {
    Server::start(move |asked, before| match asked.line.split(' ').next() {
        Some("POST") => order("success"),
        Some("GET") => listed(),
        _ => reply(before - 2),
    })
    .await
}

fn attempts(server: &Server) -> usize {
    server.lines().iter().filter(|line| line.starts_with("PATCH")).count()
}

#[tokio::test]
async fn a_number_that_cannot_be_set_up_at_once_is_set_up_by_the_same_purchase() {
    for (status, body) in [
        (404, r#"{"errors":[{"code":"10005"}]}"#),
        (409, "{}"),
        (429, r#"{"errors":[{"code":"10011"}]}"#),
        (500, "{}"),
        (503, "busy"),
        (200, "<html>"),
        (200, "{}"),
        (200, r#"{"data":{"id":"2718281828459045235","tags":[]}}"#),
    ] {
        let server = sets_up(move |at| if at < 2 { says(status, body) } else { set_up() }).await;
        let ordered = quick(&server.url).order(&number(), &reference(), &owner()).await;
        assert!(matches!(ordered, Ordered::Yes(_)), "{status} {body}: {ordered:?}");
        assert_eq!(attempts(&server), 3, "{status}");
    }
    let mute = sets_up(|at| if at == 0 { Reply::Silence } else { set_up() }).await;
    let limits = Limits { question: Duration::from_millis(200), ..quick(&mute.url).limits };
    let ordered = Telnyx { limits, ..telnyx(&mute.url) }.order(&number(), &reference(), &owner()).await;
    assert!(matches!(ordered, Ordered::Yes(_)), "{ordered:?}");
}

#[tokio::test]
async fn what_the_carrier_refuses_for_good_is_not_tried_again() {
    for status in [400, 401, 402, 403, 422] {
        let server = sets_up(move |_| says(status, r#"{"errors":[{"code":"10015"}]}"#)).await;
        in_doubt(quick(&server.url).order(&number(), &reference(), &owner()).await);
        assert_eq!(attempts(&server), 1, "{status}");
    }
}

#[tokio::test]
async fn a_person_is_called_only_for_what_a_person_can_mend() {
    let unknown = || says(404, r#"{"errors":[{"code":"10005"}]}"#);
    let resource = CarrierNumberId::parse(NUMBER_ID).unwrap();
    let lagging = sets_up(move |at| if at == 0 { unknown() } else { set_up() }).await;
    listen();
    assert!(matches!(quick(&lagging.url).order(&number(), &reference(), &owner()).await, Ordered::Yes(_)));
    assert_eq!(errors(), 0, "right after its order the carrier may not know a number yet");
    let ignorant = Server::start(move |_, _| unknown()).await;
    assert!(telnyx(&ignorant.url).configure(&resource, &owner()).await.is_err());
    assert_eq!(errors(), 1);
    let refusing = Server::start(|_, _| says(422, r#"{"errors":[{"code":"10015"}]}"#)).await;
    assert!(telnyx(&refusing.url).configure(&resource, &owner()).await.is_err());
    assert_eq!(errors(), 2);
}

#[tokio::test]
async fn an_order_that_is_refused_for_a_reason_of_ours_is_told_to_the_operator_once_with_its_cause() {
    for (status, body, cause) in [
        (401, r#"{"errors":[{"code":"20002","detail":"The API key has been revoked"}]}"#, "20002"),
        (401, r#"{"errors":[]}"#, "401"),
        (403, r#"{"errors":[{"code":"20014","detail":"The account has not been verified"}]}"#, "20014"),
        (402, r#"{"errors":[{"code":"20100"}]}"#, "20100"),
        (422, r#"{"errors":[{"code":"10017","detail":"connection_id is invalid"}]}"#, "connection_id"),
        (422, r#"{"errors":[{"code":"10004","source":{"pointer":"/connection_id"}}]}"#, "connection_id"),
        (400, r#"{"errors":[{"code":"10015","detail":"?"}]}"#, "10015"),
    ] {
        let server = Server::start(move |asked, _| match (asked.line.as_str(), status) {
            ("POST /v2/number_orders", _) | (_, 401 | 403) => says(status, body),
            _ => listed_orders(&[]),
        })
        .await;
        listen();
        not_accepted(quick(&server.url).order(&number(), &reference(), &owner()).await);
        assert_eq!(errors(), 1, "{status} {body}");
        assert!(logged().contains(cause) && logged().contains("CarrierRefuses"), "{}", logged());
    }
}

#[tokio::test]
async fn a_throttled_order_says_how_long_to_wait_and_calls_nobody() {
    let server = Server::start(|asked, _| match asked.line.as_str() {
        "POST /v2/number_orders" => Reply::Throttled(7),
        _ => listed_orders(&[]),
    })
    .await;
    listen();
    let ordered = quick(&server.url).order(&number(), &reference(), &owner()).await;
    assert!(
        matches!(ordered, Ordered::No(Refusal::Throttled { retry_after, .. }) if retry_after == Duration::from_secs(7)),
        "{ordered:?}"
    );
    assert_eq!(errors(), 0);
}

#[tokio::test]
async fn an_order_whose_only_line_has_failed_is_a_no() {
    for status in ["success", "pending"] {
        let server = Server::start(move |asked, _| match asked.line.as_str() {
            "GET /v2/number_orders" => listed_orders(&[LINE_ID]),
            "GET /v2/phone_numbers" => says(200, r#"{"data":[]}"#),
            _ => {
                let line = json!({ "id": LINE_ID, "phone_number": NUMBER, "status": "failure" });
                says(200, &json!({ "data": { "id": LINE_ID, "status": status, "phone_numbers": [line] } }).to_string())
            }
        })
        .await;
        let ordered = quick(&server.url).order(&number(), &reference(), &owner()).await;
        assert!(matches!(ordered, Ordered::No(Refusal::Taken)), "{status}: {ordered:?}");
    }
}

#[tokio::test]
async fn a_number_that_the_carrier_is_still_preparing_is_in_doubt() {
    let entry = json!({ "id": NUMBER_ID, "phone_number": NUMBER, "status": "requirement-info-pending" });
    let listed = json!({ "data": [entry] }).to_string();
    let server = Server::start(move |_, before| if before == 0 { order("success") } else { says(200, &listed) }).await;
    let limits = Limits { follow: Duration::from_millis(100), ..quick(&server.url).limits };
    let source = in_doubt(Telnyx { limits, ..telnyx(&server.url) }.order(&number(), &reference(), &owner()).await);
    assert!(source.to_string().contains("preparing"), "{source}");
    assert!(server.lines().iter().all(|line| !line.starts_with("PATCH")), "it is not set up before it is there");
}

#[tokio::test]
async fn what_a_search_does_not_show_is_told_to_the_operator_once() {
    let offer = |number: &str, kind: &str| json!({ "phone_number": number, "phone_number_type": kind });
    for (offers, told) in [
        (vec![offer("+1779xxxxxxx", "local"), offer("+17792------", "local")], Some("masked")),
        (vec![offer("+14155550101", "toll_free"), offer("+14155550102", "local")], Some("not sold")),
        (vec![offer("+14165550101", "local"), offer("+14155550102", "local")], None),
    ] {
        let body = json!({ "data": offers }).to_string();
        let server = Server::start(move |_, _| says(200, &body)).await;
        listen();
        let wanted = Search { area_code: None, locality: None, limit: 10 };
        telnyx(&server.url).search(&wanted, price_limits()).await.unwrap();
        assert_eq!(lines("WARN"), usize::from(told.is_some()), "{}", logged());
        assert!(logged().contains(told.unwrap_or_default()), "{}", logged());
    }
}

thread_local! {
    static LOGGED: RefCell<Vec<u8>> = RefCell::default();
}

/// Hears from now on what is logged for people. One subscriber for all threads: with one for this thread
/// alone, another thread that comes first to a line of the code could decide that nobody wants to hear of it.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_ansi(false).with_writer(|| Lines);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
    LOGGED.take();
}

/// How many errors this thread has logged since.
fn errors() -> usize {
    lines("ERROR")
}

fn lines(level: &str) -> usize {
    logged().lines().filter(|line| line.contains(level)).count()
}

fn logged() -> String {
    LOGGED.with_borrow(|lines| String::from_utf8_lossy(lines).into_owned())
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|lines| lines.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_number_that_cannot_be_set_up_in_time_is_in_doubt() {
    let server = sets_up(|_| says(503, "")).await;
    let limits = Limits { follow: Duration::from_millis(300), ..impatient(&server.url).limits };
    let limits = Limits { order: Limits::USUAL.order, question: Limits::USUAL.question, ..limits };
    let began = std::time::Instant::now();
    in_doubt(Telnyx { limits, ..telnyx(&server.url) }.order(&number(), &reference(), &owner()).await);
    assert!(attempts(&server) > 2, "{}", attempts(&server));
    assert!(began.elapsed() < Limits::USUAL.follow, "it follows no longer than it may");
}

#[tokio::test]
async fn a_pause_that_the_carrier_asks_for_is_kept_or_nothing_is_asked_at_all() {
    let throttled = |seconds| Failure::Refused {
        status: StatusCode::TOO_MANY_REQUESTS,
        codes: "code 10011".to_owned(),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    let mut pauses = quick("http://127.0.0.1:1").pauses(Instant::now() + Duration::from_secs(8));
    assert!(pauses.outlast(&throttled(5)));
    assert_eq!(pauses.next, Duration::from_secs(5));
    assert!(!pauses.outlast(&throttled(60)));
}

#[tokio::test]
async fn an_order_that_fails_later_is_a_no() {
    let server = Server::start(|asked, before| if before < 2 { pending() } else { failed(asked) }).await;
    assert!(matches!(quick(&server.url).order(&number(), &reference(), &owner()).await, Ordered::No(Refusal::Taken)));
}

#[tokio::test]
async fn a_refusal_is_a_no_only_when_the_carrier_lists_no_order() {
    let unknown = r#"{"errors":[{"code":"10027","detail":"We don't recognize the number(s)"}]}"#;
    let poor = r#"{"errors":[{"code":"20100"}]}"#;
    for (status, body) in [(422, unknown), (402, poor)] {
        let doubled = Server::start(move |asked, _| match asked.line.as_str() {
            "POST /v2/number_orders" => says(status, body),
            _ => listed_orders(&[LINE_ID]),
        })
        .await;
        in_doubt(quick(&doubled.url).order(&number(), &reference(), &owner()).await);
        let alone = Server::start(move |asked, _| match asked.line.as_str() {
            "POST /v2/number_orders" => says(status, body),
            _ => listed_orders(&[]),
        })
        .await;
        let ordered = quick(&alone.url).order(&number(), &reference(), &owner()).await;
        assert!(matches!(ordered, Ordered::No(_)), "{status}: {ordered:?}");
    }
    let mute = Server::start(move |_, before| if before == 0 { says(422, unknown) } else { says(500, "") }).await;
    let limits = Limits { follow: Duration::from_millis(50), ..quick(&mute.url).limits };
    in_doubt(Telnyx { limits, ..telnyx(&mute.url) }.order(&number(), &reference(), &owner()).await);
    // The first order of a doubled one may have taken the money: only a refusal of both calls is one of our account.
    let poor_and_mute = Server::start(move |_, before| if before == 0 { says(402, poor) } else { says(500, "") }).await;
    let limits = Limits { follow: Duration::from_millis(50), ..quick(&poor_and_mute.url).limits };
    in_doubt(Telnyx { limits, ..telnyx(&poor_and_mute.url) }.order(&number(), &reference(), &owner()).await);
    let locked = Server::start(move |_, _| says(401, r#"{"errors":[{"code":"10009"}]}"#)).await;
    not_accepted(quick(&locked.url).order(&number(), &reference(), &owner()).await);
}

#[tokio::test]
async fn an_order_that_arrived_twice_is_in_doubt_even_when_one_of_them_has_failed() {
    let server = Server::start(|asked, _| match asked.line.as_str() {
        "GET /v2/number_orders" => listed_orders(&[LINE_ID, "another-order"]),
        _ => order("failure"),
    })
    .await;
    in_doubt(quick(&server.url).order(&number(), &reference(), &owner()).await);
}

#[tokio::test]
async fn an_order_that_does_not_finish_in_time_is_in_doubt() {
    let still_pending = Server::start(|_, _| pending()).await;
    let never_listed = Server::start(|asked, _| match asked.line.as_str() {
        "POST /v2/number_orders" => order("success"),
        _ => says(200, r#"{"data":[]}"#),
    })
    .await;
    let mute = Server::start(|_, before| if before == 0 { pending() } else { Reply::Silence }).await;
    for server in [still_pending, never_listed, mute] {
        // The order itself gets all the time: only following it ends early.
        let limits = Limits { order: Limits::USUAL.order, ..impatient(&server.url).limits };
        let telnyx = Telnyx { limits, ..telnyx(&server.url) };
        in_doubt(telnyx.order(&number(), &reference(), &owner()).await);
        let posts = server.lines().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 1);
    }
}

#[tokio::test]
async fn an_order_without_a_clear_answer_is_in_doubt_and_never_sent_twice() {
    let elsewhere = Server::start(|_, _| pending()).await;
    let to = format!("{}/number_orders", elsewhere.url);
    let servers = [
        Server::start(|_, _| says(500, "")).await,
        Server::start(|_, _| says(200, "<html>")).await,
        Server::start(|_, _| says(409, r#"{"errors":[{"code":"10012"}]}"#)).await,
        Server::start(|_, _| Reply::Silence).await,
        Server::start(move |_, _| Reply::Redirects(to.clone())).await,
    ];
    for server in servers {
        in_doubt(impatient(&server.url).order(&number(), &reference(), &owner()).await);
        assert!(server.lines().len() <= 1, "{:?}", server.lines());
    }
    assert_eq!(elsewhere.lines(), Vec::<String>::new(), "a redirect was followed");
}

#[tokio::test]
async fn an_order_whose_connection_breaks_after_sending_is_in_doubt_and_never_sent_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2", listener.local_addr().unwrap());
    let connections = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let read = loop {
            connection.readable().await.unwrap();
            if let Ok(read) = connection.try_read(&mut [0; 64]) {
                break read;
            }
        };
        drop(connection);
        let another = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        (read, another.is_ok())
    });
    in_doubt(telnyx(&url).order(&number(), &reference(), &owner()).await);
    let (read, another) = connections.await.unwrap();
    assert!(read > 0 && !another, "the order was sent again");
}

#[tokio::test]
async fn an_order_that_cannot_leave_is_not_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/v2", listener.local_addr().unwrap());
    drop(listener);
    not_accepted(telnyx(&closed).order(&number(), &reference(), &owner()).await);
    not_accepted(telnyx(&closed.replace("http:", "https:")).order(&number(), &reference(), &owner()).await);
    not_accepted(telnyx("not an address").order(&number(), &reference(), &owner()).await);
    for secret in ["", "\"KEY0188_secret\"", r#"{"apiKey":7}"#, r#"{"apiKey":"KEY0188_secret\n"}"#] {
        let server = Server::start(|_, _| pending()).await;
        let source = not_accepted(
            Telnyx::new(&server.url, Secret::given(secret), "numbers").order(&number(), &reference(), &owner()).await,
        );
        assert!(!all_of_it(source.as_ref()).contains("0188"), "{}", all_of_it(source.as_ref()));
        assert_eq!(server.lines(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn errors_show_no_token_no_address_and_no_number() {
    let silent = Server::start(|_, _| Reply::Silence).await;
    let garbled = Server::start(|_, _| says(200, &format!(r#"{{"data":"{NUMBER}"}}"#))).await;
    let refusing =
        Server::start(|_, _| says(422, &format!(r#"{{"errors":[{{"code":"{NUMBER}","detail":"not {NUMBER}"}}]}}"#)))
            .await;
    let closed = "http://127.0.0.1:1/v2";
    for url in [&silent.url, &garbled.url, &refusing.url, closed] {
        let telnyx = impatient(url);
        let mut shown = vec![];
        match telnyx.order(&number(), &reference(), &owner()).await {
            Ordered::InDoubt { source, .. } | Ordered::No(Refusal::NotAccepted(source)) => {
                shown.push(all_of_it(source.as_ref()));
            }
            other => panic!("{other:?}"),
        }
        shown.push(all_of_it(&telnyx.find(&number(), &reference()).await.unwrap_err()));
        if let Err(error) = telnyx.still_offers(&number()).await {
            shown.push(all_of_it(&error));
        }
        for text in shown {
            assert!(!text.contains("5550123") && !text.contains("0188") && !text.contains("/v2"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_refused_key_is_read_again_before_the_next_call() {
    let vault = Server::start(|_, before| {
        let secret = json!({ "apiKey": format!("KEY{before}") }).to_string();
        says(200, &json!({ "Name": "telnyx", "SecretString": secret }).to_string())
    })
    .await;
    let carrier = Server::start(|asked, _| match asked.authorization.as_str() {
        "Bearer KEY0" => says(401, r#"{"errors":[{"code":"10009"}]}"#),
        _ => says(200, r#"{"data":[]}"#),
    })
    .await;
    let config = aws::Account::local(vault.url.clone()).sdk_config();
    let secret = Secret::stored(aws_sdk_secretsmanager::Client::new(&config), "telnyx".to_owned());
    let telnyx = Telnyx::new(&carrier.url, secret, "numbers");
    not_accepted(telnyx.order(&number(), &reference(), &owner()).await);
    assert_eq!(telnyx.find(&number(), &reference()).await.unwrap(), Found::Absent);
    assert_eq!(telnyx.find(&number(), &reference()).await.unwrap(), Found::Absent);
    let keys: Vec<String> = carrier.asked().into_iter().map(|asked| asked.authorization).collect();
    assert_eq!(keys, ["Bearer KEY0", "Bearer KEY1", "Bearer KEY1", "Bearer KEY1"]);
    assert_eq!(vault.asked().len(), 2);
}

#[tokio::test]
async fn a_number_is_released_by_its_own_id() {
    let deleted = json!({ "data": { "id": NUMBER_ID, "status": "deleted" } }).to_string();
    let server = Server::start(move |_, before| match before {
        0 => says(200, &deleted),
        1 => says(404, r#"{"errors":[{"code":"10005"}]}"#),
        2 => says(503, ""),
        _ => says(200, "{}"),
    })
    .await;
    let resource = CarrierNumberId::parse(NUMBER_ID).unwrap();
    let telnyx = telnyx(&server.url);
    assert_eq!(telnyx.release(&resource).await.unwrap(), Release::Confirmed);
    assert_eq!(telnyx.release(&resource).await.unwrap(), Release::Unknown);
    for _ in 0..2 {
        assert!(matches!(telnyx.release(&resource).await, Err(Error::CarrierUnavailable(_))));
    }
    assert_eq!(server.lines(), vec![format!("DELETE /v2/phone_numbers/{NUMBER_ID}"); 4]);
}

#[tokio::test]
async fn an_account_is_ours_when_it_shows_another_number_of_this_deployment() {
    let resource = CarrierNumberId::parse(NUMBER_ID).unwrap();
    let entry = |id: &str, tag: &str, status: &str| json!({ "id": id, "tags": ["org_1", tag], "status": status });
    for (entries, expected) in [
        (vec![], false),
        (vec![entry("7", "table:numbers", "active")], true),
        (vec![entry(NUMBER_ID, "table:numbers", "active")], false),
        (vec![entry("7", "table:numbers", "deleted")], false),
        (vec![entry("7", "table:staging", "active"), Value::Null, json!({ "id": "8" })], false),
        (vec![entry("7", "table:staging", "active"), entry("8", "table:numbers", "active")], true),
    ] {
        let body = json!({ "data": entries }).to_string();
        let server = Server::start(move |_, _| says(200, &body)).await;
        assert_eq!(telnyx(&server.url).holds_another(&resource).await.unwrap(), expected, "{entries:?}");
        let asked = server.asked().remove(0);
        assert_eq!(asked.query, [("filter[tag]".to_owned(), "table:numbers".to_owned())]);
    }
    let lying = Server::start(|_, _| says(200, "{}")).await;
    assert!(telnyx(&lying.url).holds_another(&resource).await.is_err());
}

/// A carrier that lists these orders under our reference, each as failed.
async fn lists_orders(ids: &'static [&'static str]) -> Server {
    Server::start(move |asked, _| match asked.line.strip_prefix("GET /v2/number_orders/") {
        Some(id) => says(200, &json!({ "data": { "id": id, "status": "failure" } }).to_string()),
        None => listed_orders(ids),
    })
    .await
}

#[tokio::test]
async fn only_the_one_order_under_our_reference_speaks_for_it() {
    let ours = CarrierOrderId::parse("o-1").unwrap();
    for (listed, known, expected) in [
        (&[][..], false, (OrderStanding::Unlisted, false)),
        (&["o-1"], false, (OrderStanding::Failed, true)),
        (&["o-1"], true, (OrderStanding::Failed, true)),
        (&[], true, (OrderStanding::Open, true)),
        (&["o-1", "o-2"], false, (OrderStanding::Several, false)),
        (&["o-2", "o-1"], true, (OrderStanding::Several, false)),
        (&["o-2"], true, (OrderStanding::Several, false)),
    ] {
        let server = lists_orders(listed).await;
        let (standing, order) = telnyx(&server.url).standing(&reference(), known.then_some(&ours)).await.unwrap();
        assert_eq!((standing, order.is_some()), expected, "{listed:?} {known}");
        assert!(order.is_none_or(|order| order == ours));
    }
}

#[test]
fn all_calls_of_one_purchase_end_before_the_gateway_gives_up() {
    let Limits { search, order, follow, .. } = Limits::USUAL;
    assert!(search + order + follow < Duration::from_secs(25));
}
