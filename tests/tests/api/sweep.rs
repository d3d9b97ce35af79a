//! What the sweep makes of numbers that only the carrier has, and of rows whose number it has lost.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use clients::telnyx::Telnyx;
use domain::audit::Actor;
use domain::carrier::CarrierNumberId;
use domain::number::{PhoneNumber, Routing};
use domain::organization::Organization;
use domain::{Clock, OrganizationId, PhoneNumberId};
use reconciler::sweep::{
    BooksSide, CarrierSide, Finding, FoundInBooks, From, SWEEP_TIME, SweepOrder, SweepReport, TableSide,
};
use reconciler::{Reconciler, Task};
use reqwest::Method;
use runtime::Secret;
use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::{TestApp, with_credit_for};
use tokio::net::TcpListener;
use tokio::time::Instant;

const ACTOR: Actor = Actor::System("tests");

const TWO_DAYS: Duration = Duration::from_hours(48);

fn applied() -> SweepOrder {
    SweepOrder { apply: true, ..SweepOrder::default() }
}

async fn sweep(reconciler: &Reconciler, order: &SweepOrder) -> SweepReport {
    reconciler.sweep(order, Instant::now() + SWEEP_TIME).await
}

/// Sweeps without changing anything.
async fn look(app: &TestApp) -> SweepReport {
    sweep(&app.reconciler, &SweepOrder::default()).await
}

async fn apply(app: &TestApp) -> SweepReport {
    sweep(&app.reconciler, &applied()).await
}

/// A client for this machine alone; reading the system's certificates takes longer than all else here.
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

/// Calls the carrier past this service.
async fn carrier(app: &TestApp, method: Method, path: &str, body: &Value) -> Value {
    let url = format!("{}/{path}", app.bundle.carrier_url);
    let answer = http().request(method, url).bearer_auth("sandbox").json(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Orders a number at the carrier past this service, and returns the carrier's id of it.
async fn order(app: &TestApp, e164: &str, reference: &str) -> String {
    let body = json!({ "phone_numbers": [{ "phone_number": e164 }], "customer_reference": reference });
    carrier(app, Method::POST, "number_orders", &body).await;
    app.bundle.carrier.numbers().into_iter().find(|number| number.phone_number == e164).unwrap().id
}

/// Orders a number as this service does: under its own reference, and set up.
async fn buy(app: &TestApp, e164: &str, reference: &PhoneNumberId) -> String {
    let id = order(app, e164, reference.as_str()).await;
    tag(app, &id, &[app.organization.as_str(), &here(app)]).await;
    id
}

async fn tag(app: &TestApp, id: &str, tags: &[&str]) {
    carrier(app, Method::PATCH, &format!("phone_numbers/{id}"), &json!({ "tags": tags })).await;
}

/// This deployment, as numbers are tagged with it.
fn here(app: &TestApp) -> String {
    format!("table:{}", app.bundle.table_name)
}

fn new_reference(app: &TestApp) -> PhoneNumberId {
    PhoneNumberId::new(app.clock.now(), rand::random())
}

/// A number at the carrier, two days old, that nobody here has.
async fn orphan(app: &TestApp, e164: &str) -> String {
    let id = buy(app, e164, &new_reference(app)).await;
    app.clock.advance(TWO_DAYS);
    id
}

fn holds(app: &TestApp, id: &str) -> bool {
    app.bundle.carrier.numbers().iter().any(|number| number.id == id)
}

fn findings(report: &SweepReport) -> Vec<Finding> {
    report.at_carrier.found.iter().map(|found| found.finding).collect()
}

/// Reads what a stopped sweep asks to be sent, as the function reads an event.
fn next(report: &SweepReport) -> SweepOrder {
    let event = serde_json::to_value(report.next.as_ref().unwrap()).unwrap();
    match Task::read(event).unwrap() {
        Task::Sweep(order) => order,
        Task::Settle {} => panic!("it asks for something else"),
    }
}

/// A call of the reconciler's to the carrier: `METHOD /path` and the query.
struct Asked {
    line: String,
    query: String,
}

type Reaction = Pin<Box<dyn Future<Output = Option<Response>> + Send>>;

/// Stands between a reconciler and the carrier. It writes calls down, answers what a test wants, and shows two numbers a
/// page whatever is asked for, so that few numbers make several pages.
struct Relay {
    reconciler: Reconciler,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    async fn start(app: &TestApp, react: impl Fn(Asked) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (lines, target) = (Arc::new(Mutex::new(Vec::new())), app.bundle.carrier_url.clone());
        let (react, written) = (Arc::new(react), lines.clone());
        let router = Router::new().fallback(move |request: Request| {
            let (react, written, target) = (react.clone(), written.clone(), target.clone());
            async move {
                let line = format!("{} {}", request.method(), request.uri().path());
                written.lock().unwrap().push(line.clone());
                let query = request.uri().query().unwrap_or_default().to_owned();
                match react(Asked { line, query }).await {
                    Some(answer) => answer,
                    None => pass(&target, request).await,
                }
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        let carrier = Telnyx::new(&url, Secret::given(r#"{"apiKey":"sandbox"}"#), app.bundle.table_name);
        Self { reconciler: Reconciler { carrier, ..app.reconciler.clone() }, lines }
    }

    fn calls(&self, start: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }
}

async fn pass(target: &str, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().replace("page%5Bsize%5D=250", "page%5Bsize%5D=2");
    let url = format!("{target}{}?{query}", request.uri().path());
    let answer = http().request(request.method().clone(), url).bearer_auth("sandbox").send().await.unwrap();
    let (status, body): (StatusCode, Bytes) = (answer.status(), answer.bytes().await.unwrap());
    (status, body).into_response()
}

/// The carrier throttles for a minute.
fn throttled() -> Response {
    let body = r#"{"errors":[{"code":"10011"}]}"#;
    (StatusCode::TOO_MANY_REQUESTS, [("x-ratelimit-reset", "60")], body).into_response()
}

fn quiet(_: Asked) -> Reaction {
    Box::pin(async { None })
}

fn is_page(asked: &Asked, page: u32) -> bool {
    asked.line == "GET /phone_numbers" && asked.query.contains(&format!("page%5Bnumber%5D={page}&"))
}

#[tokio::test]
async fn clean_books_have_no_orphans() {
    let app = TestApp::approved().await;
    for number in ["+14155550142", "+14155550143", "+14155550144"] {
        app.buy(number).send().await.ok();
    }
    app.import("+12125550142").send().await.ok();
    app.clock.advance(TWO_DAYS);
    let relay = Relay::start(&app, quiet).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    let expected = SweepReport {
        complete: true,
        at_carrier: CarrierSide { matched: 3, ..CarrierSide::default() },
        in_table: TableSide { matched: 3, ..TableSide::default() },
        in_books: BooksSide { matched: 1, ..BooksSide::default() },
        ..SweepReport::default()
    };
    assert_eq!(report, expected);
    assert_eq!((relay.calls("GET /phone_numbers"), relay.calls("")), (2, 2), "nobody is asked about by id");
}

#[tokio::test]
async fn an_empty_account_and_a_table_without_numbers_agree() {
    let app = TestApp::empty().await;
    let in_books = BooksSide { matched: 1, ..BooksSide::default() };
    assert_eq!(look(&app).await, SweepReport { complete: true, in_books, ..SweepReport::default() });
}

#[tokio::test]
async fn an_orphan_is_reported_and_given_back_only_when_told_so() {
    let app = TestApp::approved().await;
    let kept = app.buy("+14155550142").send().await.ok();
    let reference = new_reference(&app);
    let id = buy(&app, "+14155550143", &reference).await;
    app.clock.advance(TWO_DAYS);

    let report = look(&app).await;
    assert!(report.complete && report.next.is_none());
    assert_eq!((report.at_carrier.matched, report.at_carrier.orphans, report.at_carrier.released), (1, 1, 0));
    let found = serde_json::to_value(&report.at_carrier.found).unwrap();
    let expected = json!([{
        "finding": "orphan", "numberId": reference.as_str(), "carrierId": id, "organizationId": app.organization.as_str(),
        "last4": "0143", "ageHours": 48, "released": false,
    }]);
    assert_eq!(found, expected);
    assert!(holds(&app, &id), "a dry sweep changes nothing");

    let report = apply(&app).await;
    assert_eq!((report.at_carrier.orphans, report.at_carrier.released), (1, 1));
    assert!(report.at_carrier.found[0].released);
    assert!(!holds(&app, &id));
    assert!(holds(&app, kept["providerResourceId"].as_str().unwrap()));
    assert_eq!(findings(&look(&app).await), []);
    app.check_books().await;
}

#[tokio::test]
async fn a_number_younger_than_a_day_is_left_alone() {
    let app = TestApp::approved().await;
    let id = buy(&app, "+14155550143", &new_reference(&app)).await;
    app.clock.advance(Duration::from_hours(24) - Duration::from_mins(1));
    let report = apply(&app).await;
    assert_eq!((findings(&report), report.at_carrier.young, report.at_carrier.orphans), (vec![Finding::Young], 1, 0));
    assert!(holds(&app, &id));
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(apply(&app).await.at_carrier.released, 1);
    assert!(!holds(&app, &id));
}

#[tokio::test]
async fn numbers_that_this_service_never_ordered_are_never_touched() {
    let app = TestApp::approved().await;
    for (number, reference) in
        [("+14155550143", ""), ("+14155550144", "order 7"), ("+14155550145", "PN_01KWDFKD000000000000000001")]
    {
        order(&app, number, reference).await;
    }
    app.clock.advance(TWO_DAYS);
    let report = apply(&app).await;
    assert_eq!((report.at_carrier.foreign, findings(&report)), (3, vec![]));
    assert_eq!(app.bundle.carrier.numbers().len(), 3);
}

#[tokio::test]
async fn a_number_that_is_not_tagged_with_this_deployment_is_never_given_back() {
    let app = TestApp::approved().await;
    let id = orphan(&app, "+14155550143").await;
    let (organization, here) = (app.organization.as_str(), here(&app));
    for tags in [
        &[][..],
        &[organization],
        &[&here],
        &["org_elsewhere", &here],
        &[organization, "table:elsewhere"],
        &[organization, "table:elsewhere", &here],
    ] {
        tag(&app, &id, tags).await;
        let report = apply(&app).await;
        assert_eq!((findings(&report), report.at_carrier.strangers), (vec![Finding::Stranger], 1), "{tags:?}");
        assert!(holds(&app, &id), "{tags:?}");
    }
    tag(&app, &id, &["a tag of somebody's", organization, &here]).await;
    let report = apply(&app).await;
    assert_eq!(report.at_carrier.found[0].organization_id.as_deref(), Some(organization));
    assert!(report.at_carrier.found[0].released);
}

/// Shows the sweep one entry of the carrier's, whatever it asks for.
async fn showing(app: &TestApp, entry: Value) -> Relay {
    let react = move |asked: Asked| -> Reaction {
        let data = match asked.line.as_str() {
            "GET /phone_numbers" if is_page(&asked, 1) => json!([entry]),
            "GET /phone_numbers" => json!([]),
            _ => entry.clone(),
        };
        Box::pin(async move { Some(json!({ "data": data }).to_string().into_response()) })
    };
    Relay::start(app, react).await
}

#[tokio::test]
async fn a_number_of_unknown_age_is_as_old_as_its_reference() {
    let app = TestApp::approved().await;
    let (old, tomorrow) = (new_reference(&app), app.clock.now().plus(TWO_DAYS + Duration::from_hours(24)));
    app.clock.advance(TWO_DAYS);
    let recent = new_reference(&app);
    let future = PhoneNumberId::new(tomorrow, rand::random());
    for (reference, moment, finding, age) in [
        (&old, json!(null), Finding::Orphan, Some(48)),
        (&old, json!("some day"), Finding::Orphan, Some(48)),
        (&old, json!(tomorrow.to_string()), Finding::Orphan, Some(48)),
        (&old, json!(app.clock.now().to_string()), Finding::Young, Some(0)),
        (&recent, json!(null), Finding::Young, Some(0)),
        (&future, json!(null), Finding::Disputed, None),
    ] {
        let entry = json!({
            "id": "7000", "phone_number": "+14155550143", "customer_reference": reference.as_str(),
            "tags": [app.organization.as_str(), here(&app)], "purchased_at": moment,
        });
        let relay = showing(&app, entry).await;
        let report = sweep(&relay.reconciler, &SweepOrder::default()).await;
        let found = &report.at_carrier.found[0];
        assert_eq!((found.finding, found.age_hours), (finding, age), "{reference} {moment}");
    }
}

#[tokio::test]
async fn more_orphans_than_allowed_are_rather_a_wrong_table_and_are_kept() {
    let app = TestApp::approved().await;
    for line in 1000..1011 {
        buy(&app, &format!("+1415555{line}"), &new_reference(&app)).await;
    }
    app.clock.advance(TWO_DAYS);
    let report = apply(&app).await;
    assert_eq!((report.at_carrier.orphans, report.at_carrier.held_back, report.at_carrier.released), (11, 11, 0));
    assert_eq!(app.bundle.carrier.numbers().len(), 11);
    let report = sweep(&app.reconciler, &SweepOrder { most: 11, ..applied() }).await;
    assert_eq!((report.at_carrier.held_back, report.at_carrier.released), (0, 11));
    assert_eq!(app.bundle.carrier.numbers().len(), 0);
}

#[tokio::test]
async fn a_number_that_somebody_has_imported_meanwhile_is_for_a_person() {
    let app = TestApp::approved().await;
    let id = orphan(&app, "+14155550143").await;
    app.import("+14155550143").send().await.ok();
    let report = apply(&app).await;
    assert_eq!((findings(&report), report.at_carrier.disputed), (vec![Finding::Disputed], 1));
    assert!(holds(&app, &id));
}

#[tokio::test]
async fn a_number_whose_row_has_another_phone_number_is_for_a_person() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    app.clock.advance(TWO_DAYS);
    let entry = json!({
        "id": row["providerResourceId"], "phone_number": "+14155550199", "customer_reference": row["id"],
        "tags": ["a tag of somebody's", app.organization.as_str()], "purchased_at": "2020-01-01T00:00:00Z",
    });
    let relay = showing(&app, entry).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((findings(&report), relay.calls("DELETE")), (vec![Finding::Disputed], 0));
}

#[tokio::test]
async fn a_number_that_its_row_knows_under_another_id_is_for_a_person() {
    let app = TestApp::approved().await;
    let reference = new_reference(&app);
    let id = order(&app, "+14155550143", reference.as_str()).await;
    register(&app, "+14155550143", &reference, "7000").await;
    app.clock.advance(TWO_DAYS);
    let report = apply(&app).await;
    assert_eq!((findings(&report), report.in_table.orphans), (vec![Finding::Disputed], 1));
    assert!(holds(&app, &id), "a customer may be using it");
}

#[tokio::test]
async fn a_row_that_is_released_while_it_is_looked_at_is_no_orphan() {
    let app = Arc::new(TestApp::approved().await);
    let row = app.buy("+14155550142").send().await.ok();
    let id = row["providerResourceId"].as_str().unwrap();
    carrier(&app, Method::DELETE, &format!("phone_numbers/{id}"), &json!({})).await;
    let (known, path) = (app.clone(), format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap()));
    let react = move |asked: Asked| -> Reaction {
        let (app, path) = (known.clone(), path.clone());
        Box::pin(async move {
            if asked.line.starts_with("GET /phone_numbers/") {
                app.delete(&path).send().await.ok();
            }
            None
        })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &SweepOrder::default()).await;
    assert_eq!((report.complete, report.in_table.settling, report.in_table.orphans), (true, 1, 0));
}

#[tokio::test]
async fn a_row_whose_number_the_carrier_has_lost_is_reported_and_kept() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    app.buy("+14155550143").send().await.ok();
    let id = row["providerResourceId"].as_str().unwrap();
    carrier(&app, Method::DELETE, &format!("phone_numbers/{id}"), &json!({})).await;
    app.clock.advance(TWO_DAYS);
    let report = apply(&app).await;
    assert!(report.complete);
    assert_eq!((report.in_table.matched, report.in_table.orphans, report.at_carrier.matched), (1, 1, 1));
    let expected = json!([{
        "numberId": row["id"], "organizationId": app.organization.as_str(), "carrierId": id, "last4": "0142",
    }]);
    assert_eq!(serde_json::to_value(&report.in_table.found).unwrap(), expected);
    let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    assert_eq!(app.get(&path).send().await.ok(), row, "a customer has paid for it");
    assert_eq!(app.balance().await, 96_000_000);
}

#[tokio::test]
async fn orders_in_doubt_and_unfinished_releases_are_no_orphans() {
    let app = TestApp::approved().await;
    app.buy("+14155550500").send().await.ok();
    let row = app.buy("+14155550523").send().await.ok();
    let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    app.delete(&path).send().await.refused(503, "CARRIER_UNAVAILABLE");
    app.clock.advance(TWO_DAYS);
    let report = apply(&app).await;
    assert_eq!((report.at_carrier.settling, findings(&report), report.in_table.orphans), (2, vec![], 0));
    assert_eq!(app.bundle.carrier.numbers().len(), 2);
}

#[tokio::test]
async fn a_list_of_several_pages_is_read_to_its_end() {
    let app = TestApp::approved().await;
    // The sandbox lists the latest first, so the number that is paid for comes last.
    app.buy("+14155550142").send().await.ok();
    for line in 1000..1260 {
        buy(&app, &format!("+1415555{line}"), &new_reference(&app)).await;
    }
    app.clock.advance(TWO_DAYS);
    let report = sweep(&app.reconciler, &SweepOrder { most: 99, ..applied() }).await;
    let side = &report.at_carrier;
    assert_eq!((side.matched, side.orphans, side.found.len(), side.more), (1, 100, 100, 160));
    assert_eq!((side.held_back, side.released), (100, 0));
    assert_eq!(app.bundle.carrier.numbers().len(), 261);
    let report = sweep(&app.reconciler, &SweepOrder { most: 260, ..applied() }).await;
    let side = &report.at_carrier;
    assert_eq!((side.orphans, side.found.len(), side.more, side.released), (260, 260, 0, 260), "a person has looked");
    assert_eq!(app.bundle.carrier.numbers().len(), 1);
}

#[tokio::test]
async fn orphans_do_not_wait_behind_what_is_for_a_person() {
    let app = TestApp::approved().await;
    let id = orphan(&app, "+14155550143").await;
    // The sandbox lists the latest first.
    for line in 1000..1102 {
        order(&app, &format!("+1415555{line}"), new_reference(&app).as_str()).await;
    }
    app.clock.advance(TWO_DAYS);
    let report = apply(&app).await;
    let side = &report.at_carrier;
    assert_eq!((side.strangers, side.more, side.orphans, side.released), (100, 2, 1, 1));
    assert!(!holds(&app, &id));
}

/// Five numbers on three pages, the orphans on the first and on the last one, as the sandbox lists the latest first.
async fn two_orphans_far_apart(app: &TestApp) -> [String; 2] {
    let last = buy(app, "+14155550146", &new_reference(app)).await;
    for number in ["+14155550142", "+14155550143", "+14155550144"] {
        app.buy(number).send().await.ok();
    }
    [orphan(app, "+14155550145").await, last]
}

/// A carrier that throttles for longer than the sweep has time wherever `strikes` says.
async fn throttling(app: &TestApp, strikes: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> SweepReport {
    let react = move |asked: Asked| -> Reaction {
        let answer = strikes(&asked).then(throttled);
        Box::pin(async move { answer })
    };
    let relay = Relay::start(app, react).await;
    relay.reconciler.sweep(&applied(), Instant::now() + Duration::from_secs(30)).await
}

#[tokio::test]
async fn a_sweep_that_is_throttled_half_way_gives_nothing_back_and_says_how_to_go_on() {
    let app = TestApp::approved().await;
    let [first, last] = two_orphans_far_apart(&app).await;
    let report = throttling(&app, |asked| is_page(asked, 2)).await;
    assert!(!report.complete);
    assert_eq!((report.at_carrier.matched, report.at_carrier.orphans, report.at_carrier.released), (1, 1, 0));
    let event = serde_json::to_value(&report.next).unwrap();
    let from = json!({ "carrier": { "page": 2, "orphans": [first] } });
    assert_eq!(event, json!({ "task": "sweep", "apply": true, "most": 10, "from": from }));
    assert!(holds(&app, &first), "nobody knows yet how many there are");

    let relay = Relay::start(&app, quiet).await;
    let report = sweep(&relay.reconciler, &next(&report)).await;
    assert!(report.complete && report.next.is_none());
    assert_eq!((report.at_carrier.matched, report.in_table.matched), (2, 3));
    assert_eq!((report.at_carrier.orphans, report.at_carrier.released), (2, 2));
    assert!(report.at_carrier.found.iter().all(|found| found.released));
    assert!(!holds(&app, &first) && !holds(&app, &last));
    app.check_books().await;
}

#[tokio::test]
async fn more_orphans_than_allowed_are_kept_in_however_many_parts_the_list_is_read() {
    let app = TestApp::approved().await;
    let ids = two_orphans_far_apart(&app).await;
    let report = throttling(&app, |asked| is_page(asked, 2)).await;
    let relay = Relay::start(&app, quiet).await;
    let report = sweep(&relay.reconciler, &SweepOrder { most: 1, ..next(&report) }).await;
    assert_eq!((report.complete, report.at_carrier.held_back, report.at_carrier.released), (true, 2, 0));
    assert!(ids.iter().all(|id| holds(&app, id)));
}

#[tokio::test]
async fn a_page_that_is_read_again_counts_no_orphan_twice() {
    let app = TestApp::approved().await;
    let ids = two_orphans_far_apart(&app).await;
    let page = From::Carrier { page: NonZeroU32::MIN, orphans: vec![CarrierNumberId::parse(&ids[0]).unwrap()] };
    let report = sweep(&app.reconciler, &SweepOrder { most: 2, from: page, ..applied() }).await;
    assert_eq!((report.at_carrier.orphans, report.at_carrier.held_back, report.at_carrier.released), (2, 0, 2));
}

#[tokio::test]
async fn what_is_left_to_give_back_is_given_back_by_the_next_part() {
    let app = TestApp::approved().await;
    let [first, last] = two_orphans_far_apart(&app).await;
    let second = format!("DELETE /phone_numbers/{last}");
    let report = throttling(&app, move |asked| asked.line == second).await;
    assert_eq!((report.complete, report.at_carrier.released, holds(&app, &first)), (false, 1, false));
    assert_eq!(serde_json::to_value(&report.next).unwrap()["from"], json!({ "orphans": [last] }));
    let report = sweep(&app.reconciler, &next(&report)).await;
    assert_eq!((report.complete, report.at_carrier.released, report.in_table.matched), (true, 1, 3));
    assert!(!holds(&app, &last));
}

#[tokio::test]
async fn ids_that_are_told_to_a_sweep_are_no_orphans_because_of_that() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    let id = CarrierNumberId::parse(row["providerResourceId"].as_str().unwrap()).unwrap();
    app.clock.advance(TWO_DAYS);
    let relay = Relay::start(&app, quiet).await;
    let order = SweepOrder { from: From::Orphans(vec![id.clone()]), ..applied() };
    let report = sweep(&relay.reconciler, &order).await;
    assert_eq!((report.complete, report.at_carrier.matched, relay.calls("DELETE")), (true, 1, 0));
    assert!(holds(&app, id.as_str()));
}

#[tokio::test]
async fn an_orphan_is_looked_at_again_before_each_attempt_to_give_it_back() {
    let app = Arc::new(TestApp::approved().await);
    let reference = new_reference(&app);
    let id = buy(&app, "+14155550143", &reference).await;
    app.clock.advance(TWO_DAYS);
    let known = app.clone();
    // The row appears while the carrier throttles the first attempt.
    let react = move |asked: Asked| -> Reaction {
        let (app, reference) = (known.clone(), reference.clone());
        Box::pin(async move {
            if asked.line.starts_with("DELETE") {
                app.begin_purchase(&reference, "+14155550143", Routing::default()).await;
                return Some((StatusCode::TOO_MANY_REQUESTS, [("x-ratelimit-reset", "1")], "{}").into_response());
            }
            None
        })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.complete, report.at_carrier.released, relay.calls("DELETE")), (true, 0, 1));
    assert!(holds(&app, &id));
}

#[tokio::test]
async fn an_orphan_that_cannot_be_looked_at_counts_among_those_that_are_allowed() {
    let app = TestApp::approved().await;
    let [first, last] = two_orphans_far_apart(&app).await;
    let broken = format!("GET /phone_numbers/{first}");
    let react = move |asked: Asked| -> Reaction {
        let broken = asked.line == broken;
        Box::pin(async move { broken.then(|| (StatusCode::INTERNAL_SERVER_ERROR, "{}").into_response()) })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &SweepOrder { most: 1, ..applied() }).await;
    let side = &report.at_carrier;
    assert_eq!((side.orphans, side.failed, side.held_back, side.released), (1, 1, 2, 0));
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.complete, report.at_carrier.failed, report.at_carrier.released), (true, 1, 1));
    assert!(holds(&app, &first) && !holds(&app, &last));
}

#[tokio::test]
async fn a_hole_in_the_list_is_not_its_end() {
    let app = TestApp::approved().await;
    let ids = two_orphans_far_apart(&app).await;
    let react = |asked: Asked| -> Reaction {
        let hole = json!({ "data": [], "meta": { "page_number": 2, "total_pages": 3 } }).to_string();
        Box::pin(async move { is_page(&asked, 2).then(|| hole.into_response()) })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.complete, report.at_carrier.orphans, report.at_carrier.released), (false, 1, 0));
    assert!(ids.iter().all(|id| holds(&app, id)));
}

#[tokio::test]
async fn a_throttle_that_ends_in_time_is_waited_for() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    let asked_before = AtomicBool::new(false);
    let react = move |_: Asked| -> Reaction {
        let first = !asked_before.swap(true, Ordering::SeqCst);
        Box::pin(async move {
            first.then(|| (StatusCode::TOO_MANY_REQUESTS, [("x-ratelimit-reset", "1")], "{}").into_response())
        })
    };
    let relay = Relay::start(&app, react).await;
    let began = Instant::now();
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.complete, report.at_carrier.matched, relay.calls("")), (true, 1, 2));
    assert!(began.elapsed() >= Duration::from_secs(1), "it stays away for as long as it is asked to");
}

#[tokio::test]
async fn a_suspect_that_cannot_be_looked_at_again_is_not_lost() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    app.buy("+14155550143").send().await.ok();
    let id = orphan(&app, "+14155550144").await;
    let react = |asked: Asked| -> Reaction {
        Box::pin(async move { asked.line.starts_with("GET /phone_numbers/").then(throttled) })
    };
    let relay = Relay::start(&app, react).await;
    let soon = Instant::now() + Duration::from_secs(30);
    let report = relay.reconciler.sweep(&applied(), soon).await;
    assert_eq!((report.complete, findings(&report)), (false, vec![]));
    assert!(holds(&app, &id));
    let report = sweep(&app.reconciler, &next(&report)).await;
    assert_eq!((report.complete, report.at_carrier.released), (true, 1));
}

#[tokio::test]
async fn a_sweep_of_the_table_goes_on_where_it_was_throttled() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550142").send().await.ok();
    let id = row["providerResourceId"].as_str().unwrap();
    carrier(&app, Method::DELETE, &format!("phone_numbers/{id}"), &json!({})).await;
    let react = |asked: Asked| -> Reaction {
        Box::pin(async move { asked.line.starts_with("GET /phone_numbers/").then(throttled) })
    };
    let relay = Relay::start(&app, react).await;
    let report = relay.reconciler.sweep(&applied(), Instant::now() + Duration::from_secs(30)).await;
    assert_eq!((report.complete, report.in_table.orphans), (false, 0), "nothing is believed at first sight");
    assert!(serde_json::to_value(&report.next).unwrap()["from"]["table"]["shard"].is_u64());
    let report = sweep(&app.reconciler, &next(&report)).await;
    assert_eq!((report.complete, report.in_table.orphans), (true, 1));
}

#[tokio::test]
async fn no_step_is_begun_when_the_time_is_up() {
    let app = TestApp::approved().await;
    let id = orphan(&app, "+14155550143").await;
    let relay = Relay::start(&app, quiet).await;
    let report = relay.reconciler.sweep(&applied(), Instant::now()).await;
    assert_eq!((report.complete, relay.calls("")), (false, 0));
    assert_eq!(next(&report), applied());
    assert!(holds(&app, &id));
}

#[tokio::test]
async fn a_purchase_that_races_the_sweep_keeps_its_number() {
    let app = Arc::new(TestApp::approved().await);
    let reference = new_reference(&app);
    let id = buy(&app, "+14155550143", &reference).await;
    app.clock.advance(TWO_DAYS);
    // The row appears after the list was compared, just before the sweep looks again.
    let known = app.clone();
    let react = move |asked: Asked| -> Reaction {
        let (app, reference) = (known.clone(), reference.clone());
        Box::pin(async move {
            if asked.line.starts_with("GET /phone_numbers/") {
                app.begin_purchase(&reference, "+14155550143", Routing::default()).await;
            }
            None
        })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.at_carrier.settling, findings(&report), relay.calls("DELETE")), (1, vec![], 0));
    assert!(holds(&app, &id));
}

#[tokio::test]
async fn an_orphan_that_gets_an_owner_after_the_second_look_is_not_given_back() {
    let app = Arc::new(TestApp::approved().await);
    let first = buy(&app, "+14155550143", &new_reference(&app)).await;
    let reference = new_reference(&app);
    let claimed = buy(&app, "+14155550144", &reference).await;
    app.clock.advance(TWO_DAYS);
    // The sandbox lists the latest first, so this number has been looked at twice when the other one is.
    let (known, other) = (app.clone(), format!("GET /phone_numbers/{first}"));
    let react = move |asked: Asked| -> Reaction {
        let (app, reference, is_other) = (known.clone(), reference.clone(), asked.line == other);
        Box::pin(async move {
            if is_other {
                app.begin_purchase(&reference, "+14155550144", Routing::default()).await;
            }
            None
        })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.at_carrier.orphans, report.at_carrier.released, relay.calls("DELETE")), (2, 1, 1));
    assert!(holds(&app, &claimed) && !holds(&app, &first));
}

#[tokio::test]
async fn rows_of_several_pages_are_all_compared_and_the_first_hundred_named() {
    let app = TestApp::with(with_credit_for(101)).await;
    for at in 0..101 {
        // The last five bits choose the partition of the index: all of these stand in one.
        let id = PhoneNumberId::new(app.clock.now(), at << 5);
        register(&app, &format!("+1415555{}", 1000 + at), &id, &format!("{}", 7000 + at)).await;
    }
    let report = look(&app).await;
    assert!(report.complete);
    assert_eq!((report.in_table.orphans, report.in_table.found.len(), report.in_table.more), (101, 100, 1));
}

/// Puts an active number into the table without a word to the carrier.
async fn register(app: &TestApp, e164: &str, id: &PhoneNumberId, resource: &str) {
    let number = app.begin_purchase(id, e164, Routing::default()).await;
    let resource = CarrierNumberId::parse(resource).unwrap();
    let activate = |number: PhoneNumber| number.activate(resource.clone(), app.clock.now());
    app.bundle.table.transition(number, activate, domain::audit::Action::Activated, &ACTOR).await.unwrap();
}

#[tokio::test]
async fn purchases_and_releases_beside_a_sweep_end_as_they_would_alone() {
    for weather in [Weather::Fair, Weather::Contended, Weather::Forgetful] {
        let app = TestApp::approved().await;
        let released = app.buy("+14155550142").send().await.ok();
        let path = format!("/v1/phone-numbers/{}", released["id"].as_str().unwrap());
        app.clock.advance(TWO_DAYS);
        app.dynamo.set(weather);
        let buys = ["+14155550143", "+14155550144", "+14155550145"].map(|number| app.buy(number).send());
        let [first, second, third] = buys;
        let (one, other, _, _, _, _) =
            tokio::join!(apply(&app), apply(&app), first, second, third, app.delete(&path).send());
        app.dynamo.set(Weather::Fair);
        for report in [one, other] {
            assert_eq!((report.at_carrier.orphans, report.at_carrier.released), (0, 0), "{weather:?} {report:?}");
        }
        app.clock.advance(Duration::from_hours(1));
        app.reconciler.run().await.unwrap();
        let report = apply(&app).await;
        assert_eq!((report.complete, findings(&report), report.in_table.orphans), (true, vec![], 0), "{weather:?}");
        app.check_books().await;
    }
}

#[tokio::test]
async fn a_number_that_goes_while_it_is_looked_at_is_nobodys_orphan() {
    let app = Arc::new(TestApp::approved().await);
    let id = orphan(&app, "+14155550143").await;
    let (known, gone) = (app.clone(), format!("phone_numbers/{id}"));
    let react = move |asked: Asked| -> Reaction {
        let (app, path) = (known.clone(), gone.clone());
        Box::pin(async move {
            if asked.line == format!("GET /{path}") {
                carrier(&app, Method::DELETE, &path, &json!({})).await;
            }
            None
        })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.complete, findings(&report), relay.calls("DELETE")), (true, vec![], 0));
}

#[tokio::test]
async fn two_sweeps_at_once_give_an_orphan_back_and_do_no_harm() {
    for weather in [Weather::Fair, Weather::Contended, Weather::Forgetful] {
        let app = TestApp::approved().await;
        app.buy("+14155550142").send().await.ok();
        let id = orphan(&app, "+14155550143").await;
        app.dynamo.set(weather);
        let (one, other) = tokio::join!(apply(&app), apply(&app));
        app.dynamo.set(Weather::Fair);
        assert!(one.at_carrier.failed + other.at_carrier.failed == 0, "{weather:?} {one:?} {other:?}");
        assert!(apply(&app).await.complete);
        assert!(!holds(&app, &id), "{weather:?}");
        app.check_books().await;
    }
}

#[tokio::test]
async fn a_table_or_a_carrier_that_is_down_condemns_nobody() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    let id = orphan(&app, "+14155550143").await;
    for weather in [Weather::Down, Weather::Throttled] {
        app.dynamo.set(weather);
        let report = apply(&app).await;
        assert_eq!((report.complete, findings(&report), report.in_table.orphans), (false, vec![], 0), "{weather:?}");
        assert_eq!(next(&report), applied());
    }
    app.dynamo.set(Weather::Fair);
    for (status, body) in [
        (500, r#"{"errors":[{"code":"10007"}]}"#),
        (404, "<h1>no such host</h1>"),
        (401, r#"{"errors":[{"code":"10009"}]}"#),
        (200, "null"),
        (200, r#"{"data":null}"#),
        (200, "not JSON"),
    ] {
        let react = move |_: Asked| -> Reaction {
            Box::pin(async move { Some((StatusCode::from_u16(status).unwrap(), body).into_response()) })
        };
        let relay = Relay::start(&app, react).await;
        let report = sweep(&relay.reconciler, &applied()).await;
        assert_eq!((report.complete, findings(&report), report.in_table.orphans), (false, vec![], 0), "{body}");
    }
    assert!(holds(&app, &id));
}

#[tokio::test]
async fn a_carrier_that_shows_an_empty_list_loses_nobodys_number() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    let react = |asked: Asked| -> Reaction {
        Box::pin(async move { (asked.line == "GET /phone_numbers").then(|| r#"{"data":[]}"#.into_response()) })
    };
    let relay = Relay::start(&app, react).await;
    let report = sweep(&relay.reconciler, &applied()).await;
    assert_eq!((report.complete, report.in_table.matched, report.in_table.orphans), (true, 1, 0));
}

/// Takes an entry out of an organization's ledger, past the product's own code.
async fn lose_an_entry(app: &TestApp) {
    let ledger = format!("LEDGER#{}", app.organization);
    let entry = app.items().await.into_iter().find(|item| item["PK"]["S"] == ledger).unwrap();
    let key = json!({ "PK": entry["PK"], "SK": entry["SK"] });
    app.dynamo.ask("DeleteItem", &json!({ "TableName": app.bundle.table_name, "Key": key })).await;
}

#[tokio::test]
async fn books_that_do_not_agree_are_reported_with_whose_they_are() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    let report = look(&app).await;
    assert_eq!(report.in_books, BooksSide { matched: 1, ..BooksSide::default() });
    lose_an_entry(&app).await;
    let report = look(&app).await;
    let found = FoundInBooks {
        organization_id: app.organization.to_string(),
        why: "the ledger does not add up to the balance".to_owned(),
    };
    assert_eq!(report.in_books, BooksSide { matched: 0, wrong: 1, found: vec![found] });
    assert!(report.complete && report.next.is_none());
}

#[tokio::test]
async fn the_books_of_every_organization_are_compared_whatever_their_number() {
    let app = TestApp::approved().await;
    let organization = app.bundle.table.organization(&app.organization).await.unwrap();
    for number in 0..45 {
        let id = OrganizationId::parse(&format!("org_more{number:02}")).unwrap();
        assert!(app.bundle.table.create_organization(&Organization { id, ..organization.clone() }).await.unwrap());
    }
    let from = |books| SweepOrder { from: From::Books(books), ..SweepOrder::default() };
    assert_eq!(sweep(&app.reconciler, &from(None)).await.in_books.matched, 46);
    let half = OrganizationId::parse("org_more22").ok();
    let rest = sweep(&app.reconciler, &from(half)).await;
    assert_eq!(
        (rest.in_books.matched, rest.at_carrier, rest.in_table),
        (22, CarrierSide::default(), TableSide::default())
    );
}

#[tokio::test]
async fn books_for_which_no_time_is_left_are_compared_by_the_next_part() {
    let app = TestApp::approved().await;
    lose_an_entry(&app).await;
    let order = SweepOrder { from: From::Books(None), ..SweepOrder::default() };
    let report = app.reconciler.sweep(&order, Instant::now()).await;
    assert_eq!((report.complete, next(&report)), (false, order));
    assert_eq!(sweep(&app.reconciler, &next(&report)).await.in_books.wrong, 1);
}

#[tokio::test]
async fn a_table_that_does_not_answer_stops_the_comparison_of_books_where_it_is() {
    let app = TestApp::approved().await;
    let order = SweepOrder { from: From::Books(None), ..SweepOrder::default() };
    app.dynamo.set(Weather::Down);
    let report = sweep(&app.reconciler, &order).await;
    app.dynamo.set(Weather::Fair);
    assert_eq!((report.complete, &report.in_books), (false, &BooksSide::default()));
    assert_eq!(next(&report), order);
}
