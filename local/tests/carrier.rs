//! The real Telnyx client against the sandbox carrier, over loopback HTTP.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clients::telnyx::Telnyx;
use domain::carrier::{CarrierNumberId, Found, Ordered, PriceLimits, Refusal, Release, Search};
use domain::{Clock, E164, Error, MicroUsd, OrganizationId, PhoneNumberId, Timestamp};
use local::sandbox::carrier::{Carrier, Options, RateLimit};
use reqwest::{Client, Method};
use runtime::Secret;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const KEY: &str = "KEY0188";

/// A carrier that listens, and its clients.
struct Sandbox {
    carrier: Carrier,
    url: String,
    telnyx: Telnyx,
    /// For requests that the client never makes.
    http: Client,
}

impl Sandbox {
    async fn start(carrier: Carrier) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/v2", listener.local_addr().expect("an address"));
        let router = carrier.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let telnyx = Telnyx::new(&url, secret(KEY), "numbers");
        let http = Client::builder().tls_certs_only([]).build().expect("a client without TLS");
        Self { carrier, url, telnyx, http }
    }

    /// A carrier in memory whose orders finish at once.
    async fn prompt() -> Self {
        Self::start(Carrier::new(options(Duration::ZERO)).expect("a carrier without a file")).await
    }

    async fn buy(&self, number: &E164, reference: &PhoneNumberId) -> CarrierNumberId {
        assert!(self.telnyx.still_offers(number).await.expect("an answer"));
        match self.telnyx.order(number, reference, &owner()).await {
            Ordered::Yes(resource) => resource,
            other => panic!("not bought: {other:?}"),
        }
    }

    /// One request as it stands, with the key; the status and the JSON of the answer.
    async fn ask(&self, method: Method, path: &str, body: Option<&str>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.body(body.to_owned());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, None).await
    }
}

fn options(settle_after: Duration) -> Options {
    Options { api_key: KEY.to_owned(), settle_after, ..Options::default() }
}

fn secret(key: &str) -> Secret {
    Secret::given(&json!({ "apiKey": key, "connectionId": "1494404757140276705" }).to_string())
}

fn number(text: &str) -> E164 {
    E164::parse(text).expect("a number")
}

fn reference(random: u128) -> PhoneNumberId {
    PhoneNumberId::new(Timestamp::from_millis(1_784_000_000_000), random)
}

fn owner() -> OrganizationId {
    OrganizationId::parse("org_1").expect("an id")
}

fn search(area_code: Option<&str>, locality: Option<&str>, limit: u8) -> Search {
    Search { area_code: area_code.map(str::to_owned), locality: locality.map(str::to_owned), limit }
}

/// A clock that stands still until it is set.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn limits() -> PriceLimits {
    let dollars = MicroUsd::from_micros(5_000_000);
    PriceLimits { upfront: dollars, monthly: dollars }
}

/// Waits, really but briefly, until something has happened on the other side.
async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_number_is_found_bought_and_given_back() {
    let sandbox = Sandbox::start(Carrier::new(options(Duration::from_millis(20))).unwrap()).await;
    let offers = sandbox.telnyx.search(&search(Some("415"), None, 3), limits()).await.unwrap();
    let offer = offers[0].clone();
    assert_eq!((offers.len(), offer.e164.as_str()), (3, "+14155550100"));
    assert_eq!((offer.state.as_deref(), offer.locality.as_deref()), (Some("CA"), Some("San Francisco")));
    assert!(offer.features.iter().any(|feature| feature == "voice"));

    let resource = sandbox.buy(&offer.e164, &reference(1)).await;
    assert_eq!(sandbox.telnyx.find(&offer.e164, &reference(1)).await.unwrap(), Found::Ready(resource.clone()));
    assert_eq!(
        sandbox.telnyx.find(&offer.e164, &reference(2)).await.unwrap(),
        Found::Absent,
        "another order's reference"
    );
    let owned = sandbox.carrier.numbers().remove(0);
    assert_eq!(owned.id, resource.as_str());
    assert_eq!(owned.customer_reference.as_deref(), Some(reference(1).as_str()));
    assert_eq!(owned.connection_id.as_deref(), Some("1494404757140276705"));
    assert!(owned.id.parse::<u64>().unwrap() > 1 << 53);
    assert_ne!(owned.id, sandbox.carrier.orders()[0].line_id);
    assert!(!sandbox.telnyx.still_offers(&offer.e164).await.unwrap(), "a number that is ours is offered");

    sandbox.telnyx.release(&resource).await.unwrap();
    let again = sandbox.telnyx.release(&resource).await.unwrap();
    assert_eq!(again, Release::Unknown, "what is gone looks like what another account has");
    assert_eq!(sandbox.telnyx.find(&offer.e164, &reference(1)).await.unwrap(), Found::Absent);
    assert!(sandbox.carrier.numbers().is_empty());
    assert!(sandbox.telnyx.still_offers(&offer.e164).await.unwrap());
}

#[tokio::test]
async fn searches_without_coverage_are_empty() {
    let sandbox = Sandbox::prompt().await;
    for (area_code, locality, found) in [
        (Some("212"), None, 2),
        (None, Some("new york"), 2),
        (None, None, 2),
        (Some("416"), None, 0),
        (None, Some("Atlantis"), 0),
        (Some("212"), Some("Boston"), 0),
    ] {
        let offers = sandbox.telnyx.search(&search(area_code, locality, 2), limits()).await.unwrap();
        assert_eq!(offers.len(), found, "{area_code:?} {locality:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_our_trouble_and_orders_nothing() {
    let sandbox = Sandbox::prompt().await;
    let stranger = Telnyx::new(&sandbox.url, secret("KEY0000"), "numbers");
    assert!(matches!(stranger.search(&search(None, None, 1), limits()).await, Err(Error::CarrierUnavailable(_))));
    let ordered = stranger.order(&number("+14155550123"), &reference(1), &owner()).await;
    assert!(matches!(ordered, Ordered::No(Refusal::NotAccepted(_))), "{ordered:?}");
    assert!(sandbox.carrier.orders().is_empty());
}

#[tokio::test]
async fn of_two_orders_of_one_number_one_is_accepted() {
    let sandbox = Sandbox::prompt().await;
    let orders: Vec<_> = (0..8)
        .map(|random| {
            let telnyx = sandbox.telnyx.clone();
            tokio::spawn(async move { telnyx.order(&number("+14155550123"), &reference(random), &owner()).await })
        })
        .collect();
    let mut bought = 0;
    for order in orders {
        match order.await.unwrap() {
            Ordered::Yes(_) => bought += 1,
            Ordered::InDoubt { .. } => {}
            Ordered::No(refusal) => panic!("a definite no while the number is ours: {refusal:?}"),
        }
    }
    assert_eq!((bought, sandbox.carrier.numbers().len(), sandbox.carrier.orders().len()), (1, 1, 1));
}

#[tokio::test]
async fn magic_numbers_refuse_orders() {
    let sandbox = Sandbox::prompt().await;
    for (at, (magic, offered, taken)) in (1..).zip([
        ("+14155550404", true, true),
        ("+14155550410", false, true),
        ("+14155550409", true, true),
        ("+14155550402", true, false),
        ("+14155550429", true, false),
        ("+14165550123", false, true), // not magic: nothing that this carrier sells
    ]) {
        assert_eq!(sandbox.telnyx.still_offers(&number(magic)).await.unwrap(), offered, "{magic}");
        match sandbox.telnyx.order(&number(magic), &reference(at), &owner()).await {
            Ordered::No(Refusal::Taken) => assert!(taken, "{magic}"),
            Ordered::No(Refusal::NotAccepted(_) | Refusal::Throttled { .. }) => assert!(!taken, "{magic}"),
            other => panic!("{magic}: {other:?}"),
        }
    }
    assert!(sandbox.carrier.numbers().is_empty());
}

#[tokio::test]
async fn a_magic_order_that_fails_later_is_pending_first_and_never_becomes_a_number() {
    let sandbox = Sandbox::start(Carrier::new(options(Duration::from_millis(20))).unwrap()).await;
    let ordered = sandbox.telnyx.order(&number("+14155550409"), &reference(1), &owner()).await;
    assert!(matches!(ordered, Ordered::No(Refusal::Taken)), "{ordered:?}");
    assert!(sandbox.carrier.requests().iter().any(|call| call.starts_with("GET /v2/number_orders/")));
    assert!(sandbox.carrier.numbers().is_empty());
}

#[tokio::test]
async fn a_magic_order_fails_once_and_succeeds_the_next_time() {
    let sandbox = Sandbox::prompt().await;
    let fickle = number("+14155550408");
    let first = sandbox.telnyx.order(&fickle, &reference(1), &owner()).await;
    assert!(matches!(first, Ordered::No(Refusal::Taken)), "{first:?}");
    let second = sandbox.telnyx.order(&fickle, &reference(2), &owner()).await;
    assert!(matches!(second, Ordered::Yes(_)), "{second:?}");
}

#[tokio::test]
async fn a_magic_outage_is_an_outage_for_every_call_that_names_the_number() {
    let sandbox = Sandbox::prompt().await;
    let down = number("+14155550503");
    assert!(matches!(sandbox.telnyx.still_offers(&down).await, Err(Error::CarrierUnavailable(_))));
    assert!(matches!(sandbox.telnyx.find(&down, &reference(1)).await, Err(Error::CarrierUnavailable(_))));
    assert!(matches!(sandbox.telnyx.order(&down, &reference(1), &owner()).await, Ordered::InDoubt { .. }));
    assert!(sandbox.carrier.orders().is_empty());
}

#[tokio::test]
async fn a_magic_order_whose_answer_goes_wrong_is_found_afterwards() {
    let sandbox = Sandbox::prompt().await;
    let broken = number("+14155550500");
    assert!(matches!(sandbox.telnyx.order(&broken, &reference(1), &owner()).await, Ordered::InDoubt { .. }));
    assert!(matches!(sandbox.telnyx.find(&broken, &reference(1)).await.unwrap(), Found::Ready(_)));
}

#[tokio::test]
async fn a_magic_answer_that_never_comes_leaves_the_order_in_doubt() {
    for (magic, exists) in [("+14155550504", true), ("+14155550505", false)] {
        let sandbox = Sandbox::prompt().await;
        let telnyx = sandbox.telnyx.clone();
        let order = tokio::spawn(async move { telnyx.order(&number(magic), &reference(1), &owner()).await });
        let carrier = &sandbox.carrier;
        until(|| if exists { !carrier.orders().is_empty() } else { !carrier.requests().is_empty() }).await;
        // From here on the clock jumps to whatever is waited for next: the client's time-out.
        tokio::time::pause();
        let ordered = order.await.unwrap();
        tokio::time::resume();
        assert!(matches!(ordered, Ordered::InDoubt { .. }), "{ordered:?}");
        assert_eq!(carrier.requests(), ["POST /v2/number_orders"], "sent more than once");
        let found = sandbox.telnyx.find(&number(magic), &reference(1)).await.unwrap();
        assert_eq!(found != Found::Absent, exists, "{magic}");
    }
}

#[tokio::test]
async fn a_magic_order_that_stays_pending_is_in_doubt() {
    let sandbox = Sandbox::prompt().await;
    let telnyx = sandbox.telnyx.clone();
    let order = tokio::spawn(async move { telnyx.order(&number("+14155550202"), &reference(1), &owner()).await });
    until(|| sandbox.carrier.requests().len() > 1).await;
    tokio::time::pause();
    let ordered = order.await.unwrap();
    tokio::time::resume();
    assert!(matches!(ordered, Ordered::InDoubt { .. }), "{ordered:?}");
    assert_eq!(sandbox.telnyx.find(&number("+14155550202"), &reference(1)).await.unwrap(), Found::Absent);
    assert_eq!(sandbox.carrier.orders().len(), 1);
}

#[tokio::test]
async fn a_magic_release_is_refused_once_for_a_deletion_lock() {
    let sandbox = Sandbox::prompt().await;
    let resource = sandbox.buy(&number("+14155550422"), &reference(1)).await;
    assert!(matches!(sandbox.telnyx.release(&resource).await.unwrap(), Release::Refused(_)));
    assert_eq!(sandbox.carrier.numbers().len(), 1);
    assert_eq!(sandbox.telnyx.release(&resource).await.unwrap(), Release::Confirmed);
    assert!(sandbox.carrier.numbers().is_empty());
}

#[tokio::test]
async fn a_magic_release_fails_once() {
    let sandbox = Sandbox::prompt().await;
    let resource = sandbox.buy(&number("+14155550523"), &reference(1)).await;
    assert!(matches!(sandbox.telnyx.release(&resource).await, Err(Error::CarrierUnavailable(_))));
    assert_eq!(sandbox.carrier.numbers().len(), 1);
    sandbox.telnyx.release(&resource).await.unwrap();
    assert!(sandbox.carrier.numbers().is_empty());
}

#[tokio::test]
async fn too_many_calls_are_throttled_until_the_window_is_over() {
    let hand = Arc::new(Hand(AtomicI64::new(1_784_000_000_000)));
    let sandbox = Sandbox::start(Carrier::with_clock(options(Duration::ZERO), hand.clone()).unwrap()).await;
    sandbox.carrier.limit_rate(Some(RateLimit { calls: 2, window: Duration::from_secs(30) }));
    let find = async || sandbox.telnyx.find(&number("+14155550123"), &reference(1)).await;
    assert!(find().await.is_ok() && find().await.is_ok());
    hand.0.store(1_784_000_012_400, Ordering::SeqCst);
    let Err(Error::CarrierThrottled { retry_after, .. }) = find().await else { panic!("not throttled") };
    assert_eq!(retry_after, Duration::from_secs(18), "rounded up, so that coming back then helps");
    let order = sandbox.telnyx.order(&number("+14155550123"), &reference(1), &owner()).await;
    assert!(matches!(order, Ordered::No(Refusal::Throttled { .. })), "{order:?}");
    let body = json!({ "phone_numbers": [], "customer_reference": "ref" }).to_string();
    let answer = sandbox.ask(Method::POST, "/number_orders", Some(&body)).await;
    assert_eq!((answer.0, &answer.1["errors"][0]["code"]), (429, &json!("10011")));
    assert!(sandbox.carrier.orders().is_empty());
    let attempts = sandbox.carrier.order_attempts();
    assert_eq!((attempts.get(reference(1).as_str()), attempts.get("ref")), (Some(&1), Some(&1)));
    hand.0.store(1_784_000_030_000, Ordering::SeqCst);
    assert!(find().await.is_ok() && find().await.is_ok() && find().await.is_err());
    sandbox.carrier.limit_rate(None);
    assert!(find().await.is_ok());
}

#[tokio::test]
async fn a_slow_carrier_takes_its_time_for_every_call() {
    let delay = Duration::from_millis(20);
    let sandbox = Sandbox::start(Carrier::new(Options { delay, ..options(Duration::ZERO) }).unwrap()).await;
    let started = std::time::Instant::now();
    sandbox.buy(&number("+14155550123"), &reference(1)).await;
    let calls = u32::try_from(sandbox.carrier.requests().len()).unwrap();
    assert_eq!(calls, 4, "a search, an order, a question and the set-up");
    assert!(started.elapsed() >= delay * calls);
}

#[tokio::test]
async fn orders_settle_by_the_clock_and_survive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { file: Some(folder.path().join("state/carrier.json")), ..options(Duration::from_secs(5)) };
    let open = |millis| Carrier::with_clock(options.clone(), Arc::new(Hand(AtomicI64::new(millis)))).unwrap();
    let body =
        json!({ "phone_numbers": [{ "phone_number": "+14155550123" }], "customer_reference": "ref" }).to_string();

    let before = Sandbox::start(open(1_784_000_000_000)).await;
    let (status, order) = before.ask(Method::POST, "/number_orders", Some(&body)).await;
    assert_eq!((status, &order["data"]["status"]), (200, &json!("pending")));
    let path = format!("/number_orders/{}", order["data"]["id"].as_str().unwrap());
    assert_eq!(before.get("/phone_numbers").await.1["data"], json!([]), "a pending number is listed");
    // A process that dies while it writes leaves an unfinished file beside the good one.
    std::fs::write(folder.path().join("state/carrier.json.new"), "{").unwrap();

    let still_pending = Sandbox::start(open(1_784_000_004_999)).await;
    assert_eq!(still_pending.get(&path).await.1["data"]["status"], "pending");
    assert_eq!(still_pending.ask(Method::POST, "/number_orders", Some(&body)).await.0, 409, "it is ours already");

    let after = Sandbox::start(open(1_784_000_005_000)).await;
    let order = after.get(&path).await.1;
    assert_eq!(order["data"]["status"], "success");
    assert_eq!(order["data"]["phone_numbers"][0]["status"], "success");
    let listed = after.get("/phone_numbers?filter%5Bcustomer_reference%5D=ref").await.1;
    assert_eq!(listed["data"][0]["status"], "active");
    assert_eq!(listed["data"][0]["created_at"], "2026-07-14T03:33:25.000Z");
    let id = listed["data"][0]["id"].as_str().unwrap();
    assert_ne!(order["data"]["phone_numbers"][0]["id"], id, "the line's id is the number's");
    assert_eq!(after.ask(Method::DELETE, &format!("/phone_numbers/{id}"), None).await.0, 200);

    let again = Sandbox::start(open(1_784_000_005_000)).await;
    assert!(again.carrier.numbers().is_empty());
    again.ask(Method::POST, "/number_orders", Some(&body)).await;
    let ids: Vec<String> = again.carrier.orders().into_iter().flat_map(|order| [order.id, order.line_id]).collect();
    assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), 4, "an id was given out twice");
}

#[test]
fn a_damaged_file_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("carrier.json");
    std::fs::write(&file, "not JSON").unwrap();
    let opened = Carrier::new(Options { file: Some(file.clone()), ..options(Duration::ZERO) });
    let error = opened.err().expect("a damaged file was taken").to_string();
    assert!(error.contains("carrier.json"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not JSON");
}

#[tokio::test]
async fn a_change_that_cannot_be_written_did_not_happen() {
    let file = Path::new("/dev/null/carrier.json").to_owned();
    // Reading below a file that is not a folder fails as well, so the file turns bad only after the start.
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("state");
    let good = parent.join("carrier.json");
    assert!(Carrier::new(Options { file: Some(file), ..options(Duration::ZERO) }).is_err());
    let sandbox = Sandbox::start(Carrier::new(Options { file: Some(good), ..options(Duration::ZERO) }).unwrap()).await;
    std::fs::write(&parent, "a file where the folder should be").unwrap();
    assert!(matches!(
        sandbox.telnyx.order(&number("+14155550123"), &reference(1), &owner()).await,
        Ordered::InDoubt { .. }
    ));
    assert!(sandbox.carrier.orders().is_empty() && sandbox.carrier.numbers().is_empty());
}

#[tokio::test]
async fn the_wire_is_telnyx_s() {
    let sandbox = Sandbox::prompt().await;
    for random in 1..=3 {
        sandbox.buy(&number(&format!("+1415555012{random}")), &reference(random)).await;
    }

    let (_, page) = sandbox.get("/phone_numbers?page[size]=2&page%5Bnumber%5D=2").await;
    let meta = json!({ "page_number": 2, "page_size": 2, "total_pages": 2, "total_results": 3 });
    assert_eq!((page["data"].as_array().unwrap().len(), &page["meta"]), (1, &meta));
    for (filter, found) in [("1415555012", 3), ("5550122", 1), ("%2B14155550122", 0), ("9999", 0)] {
        let (_, list) = sandbox.get(&format!("/phone_numbers?filter[phone_number]={filter}")).await;
        assert_eq!(list["data"].as_array().unwrap().len(), found, "{filter}");
    }

    let (_, orders) = sandbox.get(&format!("/number_orders?filter[customer_reference]={}", reference(2))).await;
    let order = &orders["data"][0];
    assert_eq!((orders["data"].as_array().unwrap().len(), &order["status"]), (1, &json!("success")));
    assert_eq!(order["phone_numbers"][0].get("status"), None, "a listed order's line has a status");
    let (_, order) = sandbox.get(&format!("/number_orders/{}", order["id"].as_str().unwrap())).await;
    assert_eq!(order["data"]["phone_numbers"][0]["status"], "success");

    let path = format!("/phone_numbers/{}", sandbox.carrier.numbers()[0].id);
    let changes = r#"{"tags":["support"],"customer_reference":"moved","connection_id":null,"unknown":1}"#;
    let (status, number) = sandbox.ask(Method::PATCH, &path, Some(changes)).await;
    assert_eq!((status, &number["data"]["tags"]), (200, &json!(["support"])));
    let (_, number) = sandbox.get(&path).await;
    assert_eq!(number["data"]["customer_reference"], "moved");
    assert_eq!(number["data"]["connection_id"], "1494404757140276705");
    let (status, number) = sandbox.ask(Method::DELETE, &path, None).await;
    assert_eq!((status, &number["data"]["status"]), (200, &json!("deleted")));

    assert_eq!(sandbox.get("/balance").await.1["data"]["currency"], "USD");
    let several = r#"{"phone_numbers":[{"phone_number":"+14155550130"},{"phone_number":"+14155550131"}]}"#;
    for (method, path, body, status, code) in [
        (Method::GET, path.as_str(), None, 404, "10005"),
        (Method::DELETE, path.as_str(), None, 404, "10005"),
        (Method::PATCH, path.as_str(), Some("{}"), 404, "10005"),
        (Method::GET, "/number_orders/none", None, 404, "10005"),
        (Method::GET, "/nothing", None, 404, "10005"),
        (Method::PUT, "/balance", None, 405, "10015"),
        (Method::POST, "/number_orders", Some("{"), 400, "10015"),
        (Method::POST, "/number_orders", Some("[]"), 400, "10015"),
        (Method::POST, "/number_orders", Some("{}"), 422, "10004"),
        (Method::POST, "/number_orders", Some(several), 422, "10004"),
        (Method::POST, "/number_orders", Some(r#"{"phone_numbers":[{"phone_number":"a"}]}"#), 422, "10027"),
        (Method::POST, "/number_orders", Some(r#"{"phone_numbers":[{"phone_number":"+1415é550123"}]}"#), 422, "10027"),
        (Method::GET, "/available_phone_numbers?filter[national_destination_code]=416", None, 400, "10031"),
    ] {
        let (answered, problem) = sandbox.ask(method.clone(), path, body).await;
        let error = &problem["errors"][0];
        assert_eq!((answered, &error["code"]), (status, &json!(code)), "{method} {path} {body:?}");
        assert!(["title", "detail"].iter().all(|field| error[field].is_string()) && error["meta"]["url"].is_string());
    }

    let unsigned = sandbox.http.get(format!("{}/balance", sandbox.url)).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    let problem: Value = unsigned.json().await.unwrap();
    assert_eq!(problem["errors"][0]["code"], "10009");
    assert_eq!(sandbox.carrier.requests().last().unwrap(), "GET /v2/balance");
}
