//! What the reconciler makes of orders in doubt, releases that stopped half-way, and submissions that nobody heard of.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::audit::Actor;
use domain::carrier::{CarrierNumberId, CarrierOrderId};
use domain::number::{PhoneNumber, Prices, Routing};
use domain::organization::PurchasePolicy;
use domain::{Clock, E164, MicroUsd, PhoneNumberId, Timestamp};
use futures_util::{StreamExt, stream};
use local::sandbox::carrier::RateLimit;
use reconciler::Report;
use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::faults::{Fault, Faults, Place};
use tests::{TestApp, full_form, with_credit_for};

const ACTOR: Actor = Actor::System("tests");

fn path(row: &Value) -> String {
    format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())
}

/// Lets `by` pass and runs the reconciler once.
async fn run_after(app: &TestApp, by: Duration) -> Report {
    app.clock.advance(by);
    app.reconciler.run().await.unwrap()
}

const A_WHILE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn nothing_is_due_when_all_is_settled() {
    let app = TestApp::approved().await;
    app.buy("+14155550142").send().await.ok();
    app.import("+12125550142").send().await.ok();
    assert_eq!(run_after(&app, Duration::from_hours(1)).await, Report::default());
}

#[tokio::test]
async fn an_order_in_doubt_that_the_carrier_has_is_adopted() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550500").send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required");
    let report = run_after(&app, A_WHILE).await;
    assert_eq!(report, Report { adopted: 1, ..Report::default() });
    let row = app.get(&path(&row)).send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "ready");
    assert_eq!(row["providerResourceId"], app.bundle.carrier.numbers()[0].id.as_str());
    assert_eq!((app.balance().await, app.bundle.carrier.orders().len()), (98_000_000, 1));
    assert_eq!(run_after(&app, A_WHILE).await, Report::default());
    app.check_books().await;
}

#[tokio::test]
async fn an_order_that_the_carrier_never_got_is_refunded_once_two_looks_find_the_number_for_sale() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550505").send().await.ok();
    assert_eq!(run_after(&app, A_WHILE).await, Report { waiting: 1, ..Report::default() });
    assert_eq!(run_after(&app, Duration::ZERO).await, Report::default(), "it is not asked about all the time");
    assert_eq!(run_after(&app, Duration::from_mins(20)).await, Report { waiting: 1, ..Report::default() }, "too early");
    assert_eq!(run_after(&app, Duration::from_mins(20)).await, Report { waiting: 1, ..Report::default() }, "one look");
    assert_eq!(app.balance().await, 98_000_000);
    assert_eq!(run_after(&app, Duration::from_mins(15)).await, Report { refunded: 1, ..Report::default() });
    app.get(&path(&row)).send().await.refused(404, "NOT_FOUND");
    assert_eq!((app.balance().await, app.bundle.carrier.orders().len()), (100_000_000, 0));
    // It is looked for an hour, a day and a week after the refund, and then never again.
    for (hours, looked) in [(1, 1), (22, 0), (1, 1), (143, 0), (1, 1), (1_000, 0)] {
        let report = run_after(&app, Duration::from_hours(hours)).await;
        assert_eq!(report, Report { settled_already: looked, ..Report::default() }, "{hours}");
    }
    app.check_books().await;
}

/// A purchase that was refunded because its order never left, and nothing of it is at the carrier.
async fn refunded(app: &TestApp, e164: &str) -> PhoneNumber {
    let number = ordered(app, e164, 0).await;
    run_after(app, Duration::from_mins(40)).await;
    assert_eq!(run_after(app, Duration::from_mins(20)).await, Report { refunded: 1, ..Report::default() });
    number
}

#[tokio::test]
async fn an_order_that_arrives_after_its_refund_is_released_at_the_carrier_and_told_of() {
    for (e164, looks) in [("+14155550142", 1), ("+14155550523", 2), ("+14155550202", 1)] {
        let app = TestApp::approved().await;
        let number = refunded(&app, e164).await;
        assert_eq!(place_order(&app, e164, number.id.as_str()).await, 200);
        for _ in 1..looks {
            let report = run_after(&app, Duration::from_hours(1)).await;
            assert_eq!((report.failed, report.late_released), (1, 0), "{e164}");
        }
        let report = run_after(&app, Duration::from_hours(1)).await;
        assert_eq!(report, Report { late_released: 1, ..Report::default() }, "{e164}");
        assert!(app.bundle.carrier.numbers().is_empty());
        assert_eq!(app.balance().await, 100_000_000);
        let page = table::EventPage { after: None, limit: 1 };
        let events = app.bundle.table.events(&app.organization, number.id.as_str(), &page).await.unwrap();
        assert_eq!(events[0].action, "late_order_released");
        app.check_books().await;
        // The order stays in the carrier's list, done, and is looked at twice more.
        for (hours, looked) in [(23, 1), (144, 1), (1_000, 0)] {
            let report = run_after(&app, Duration::from_hours(hours)).await;
            assert_eq!(report, Report { settled_already: looked, ..Report::default() }, "{e164} {hours}");
        }
    }
}

#[tokio::test]
async fn an_order_that_is_pending_when_it_is_looked_for_is_asked_about_again_soon() {
    let app = TestApp::approved().await;
    let number = refunded(&app, "+14155550202").await;
    app.clock.advance(Duration::from_hours(1));
    // Its number comes a minute later.
    assert_eq!(place_order(&app, "+14155550202", number.id.as_str()).await, 200);
    assert_eq!(run_after(&app, Duration::ZERO).await, Report { waiting: 1, ..Report::default() });
    assert_eq!(run_after(&app, Duration::from_mins(15)).await, Report { late_released: 1, ..Report::default() });
    assert!(app.bundle.carrier.numbers().is_empty());
}

#[tokio::test]
async fn a_number_that_was_bought_again_after_a_refund_is_not_taken_for_the_late_order() {
    let app = TestApp::approved().await;
    refunded(&app, "+14155550142").await;
    let row = app.buy("+14155550142").send().await.ok();
    for hours in [1, 24, 168] {
        assert_eq!(run_after(&app, Duration::from_hours(hours)).await.late_released, 0);
    }
    assert_eq!(app.get(&path(&row)).send().await.ok()["setupStatus"]["status"], "ready");
    assert_eq!(app.bundle.carrier.numbers().len(), 1);
    app.check_books().await;
}

#[tokio::test]
async fn a_number_that_is_not_for_sale_at_one_of_two_looks_stays_charged() {
    let app = TestApp::approved().await;
    let number = ordered(&app, "+14155550142", 0).await;
    assert_eq!(run_after(&app, Duration::from_mins(40)).await, Report { waiting: 1, ..Report::default() });
    let absent_since = async || {
        let row = app.bundle.table.find_number(&app.organization, &number.id).await.unwrap().unwrap();
        let domain::number::Source::Managed(domain::number::Order::Ordering { absent_since, .. }) = row.source else {
            panic!("it is settled")
        };
        absent_since
    };
    assert!(absent_since().await.is_some());
    // Somebody else has it: perhaps we, under an order that is on its way.
    assert_eq!(place_order(&app, "+14155550142", "of somebody else").await, 200);
    assert_eq!(run_after(&app, Duration::from_mins(20)).await, Report { waiting: 1, ..Report::default() });
    assert_eq!(absent_since().await, None, "the proof begins anew");
    assert_eq!(app.balance().await, 98_000_000);
}

#[tokio::test]
async fn an_order_without_an_outcome_and_without_a_proof_is_for_a_person_after_a_day() {
    let app = TestApp::approved().await;
    let number = ordered(&app, "+14155550410", 0).await;
    assert_eq!(run_after(&app, Duration::from_hours(1)).await, Report { waiting: 1, ..Report::default() });
    let report = run_after(&app, Duration::from_hours(24)).await;
    assert_eq!(report, Report { handed_over: 1, ..Report::default() });
    let row = app.get(&format!("/v1/phone-numbers/{}", number.id)).send().await.ok();
    assert_eq!(row["setupStatus"]["status"], "action_required", "it is kept");
    assert_eq!((app.balance().await, app.bundle.carrier.orders().len()), (98_000_000, 0));
}

#[tokio::test]
async fn a_number_that_cannot_be_set_up_is_told_of_after_a_day_and_adopted_once_it_can() {
    let faults = Faults::default();
    let app = TestApp::struck_by(&faults).await;
    let row = app.buy("+14155550500").send().await.ok();
    faults.arm(Some((Place::Named("carrier PATCH /phone_numbers/{id}"), Fault::Conflict)));
    assert_eq!(run_after(&app, A_WHILE).await, Report { failed: 1, ..Report::default() });
    let report = run_after(&app, Duration::from_hours(24)).await;
    assert_eq!(report, Report { failed: 1, handed_over: 1, ..Report::default() });
    faults.spare();
    assert_eq!(run_after(&app, Duration::from_hours(1)).await, Report { adopted: 1, ..Report::default() });
    assert_eq!(app.get(&path(&row)).send().await.ok()["setupStatus"]["status"], "ready");
    app.check_books().await;
}

/// A number that is paid for and waits for its order, and the carrier's orders under its id.
async fn ordered(app: &TestApp, e164: &str, times: usize) -> PhoneNumber {
    let id = PhoneNumberId::new(app.clock.now(), rand::random());
    let number = app.begin_purchase(&id, e164, Routing::default()).await;
    for _ in 0..times {
        assert_eq!(place_order(app, e164, id.as_str()).await, 200);
    }
    number
}

/// Orders a number at the carrier, past this service; the status of the answer.
async fn place_order(app: &TestApp, e164: &str, reference: &str) -> u16 {
    let order = json!({ "phone_numbers": [{ "phone_number": e164 }], "customer_reference": reference });
    let url = format!("{}/number_orders", app.bundle.carrier_url);
    reqwest::Client::new().post(&url).bearer_auth("sandbox").json(&order).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn several_orders_under_one_number_are_for_a_person_at_once_and_nothing_is_given_back() {
    let app = TestApp::approved().await;
    ordered(&app, "+14155550409", 2).await;
    assert_eq!(run_after(&app, A_WHILE).await, Report { handed_over: 1, ..Report::default() });
    assert_eq!(app.balance().await, 98_000_000);
}

#[tokio::test]
async fn a_row_remembers_which_order_decides_about_it() {
    let app = TestApp::approved().await;
    let number = ordered(&app, "+14155550202", 1).await;
    // The order stays pending for a minute: it is asked about before it has an outcome.
    let now = app.clock.now();
    app.bundle.table.postpone_number(&number, now).await.unwrap();
    assert_eq!(app.reconciler.run().await.unwrap(), Report { waiting: 1, ..Report::default() });
    let waiting = app.bundle.table.find_number(&app.organization, &number.id).await.unwrap().unwrap();
    let order = app.bundle.carrier.orders()[0].id.clone();
    assert_eq!(waiting.placed_order().map(CarrierOrderId::as_str), Some(order.as_str()));
    assert_eq!(waiting.version, number.version, "customers see no change");
    assert_eq!(run_after(&app, A_WHILE).await, Report { adopted: 1, ..Report::default() });
}

#[tokio::test]
async fn an_order_that_failed_at_the_carrier_is_given_back() {
    let app = TestApp::approved().await;
    // The order fails at the carrier, but the table cannot be told at that moment.
    let refused = {
        let body = json!({ "e164": "+14155550409", "agentId": "agent_1" });
        let app = &app;
        async move { app.post("/v1/phone-numbers", &body).send().await }
    };
    let weather = async {
        while app.bundle.carrier.orders().is_empty() {
            tokio::task::yield_now().await;
        }
        app.dynamo.set(Weather::NoRemovals);
    };
    let (answer, ()) = tokio::join!(refused, weather);
    app.dynamo.set(Weather::Fair);
    if answer.status == 200 {
        assert_eq!(app.balance().await, 98_000_000);
        assert_eq!(run_after(&app, A_WHILE).await, Report { refunded: 1, ..Report::default() });
    }
    assert_eq!(app.balance().await, 100_000_000);
    assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
    app.check_books().await;
}

#[tokio::test]
async fn a_release_that_stopped_half_way_is_finished() {
    let app = TestApp::approved().await;
    let row = app.buy("+14155550523").send().await.ok();
    app.delete(&path(&row)).send().await.refused(503, "CARRIER_UNAVAILABLE");
    assert_eq!(run_after(&app, A_WHILE).await, Report { released: 1, ..Report::default() });
    app.get(&path(&row)).send().await.refused(404, "NOT_FOUND");
    assert!(app.bundle.carrier.numbers().is_empty());
    app.check_books().await;
}

#[tokio::test]
async fn a_submission_that_the_queue_lost_is_queued_again_until_staff_have_heard() {
    let app = TestApp::empty().await;
    app.bundle.notifications.set_down(true);
    app.post("/v1/phone-numbers/kyb/submit", &full_form()).send().await.ok();
    assert_eq!(run_after(&app, Duration::from_mins(3)).await, Report { failed: 1, ..Report::default() });
    app.bundle.notifications.set_down(false);
    assert_eq!(run_after(&app, Duration::from_mins(5)).await, Report { queued: 1, ..Report::default() });
    app.bundle.notifications.settled().await;
    assert_eq!(app.bundle.slack.messages().len(), 1);
    let overview = app.get("/v1/phone-numbers/kyb").send().await.ok();
    assert_eq!(overview["submission"]["slackNotificationStatus"], "queued");
    assert_eq!(run_after(&app, Duration::from_hours(1)).await, Report::default());
}

#[tokio::test]
async fn one_row_that_cannot_be_settled_keeps_nobody_waiting() {
    let app = TestApp::approved().await;
    let stuck = app.buy("+14155550503");
    stuck.send().await.refused(503, "CARRIER_UNAVAILABLE");
    let doubtful = app.buy("+14155550505").send().await.ok();
    let adopted = app.buy("+14155550500").send().await.ok();
    let report = run_after(&app, A_WHILE).await;
    assert_eq!((report.waiting, report.adopted), (1, 1));
    assert_eq!(app.get(&path(&adopted)).send().await.ok()["setupStatus"]["status"], "ready");
    assert_eq!(app.get(&path(&doubtful)).send().await.ok()["setupStatus"]["status"], "action_required");
}

#[tokio::test]
async fn two_runs_at_once_do_each_thing_once() {
    for weather in [Weather::Fair, Weather::Contended, Weather::Forgetful] {
        let app = Arc::new(TestApp::approved().await);
        let adopted = app.buy("+14155550500").send().await.ok();
        let released = app.buy("+14155550523").send().await.ok();
        app.delete(&path(&released)).send().await.refused(503, "CARRIER_UNAVAILABLE");
        app.clock.advance(A_WHILE);
        app.dynamo.set(weather);
        let (one, other) = tokio::join!(app.reconciler.run(), app.reconciler.run());
        app.dynamo.set(Weather::Fair);
        drop((one, other));
        app.clock.advance(Duration::from_hours(1));
        app.reconciler.run().await.unwrap();
        assert_eq!(app.get(&path(&adopted)).send().await.ok()["setupStatus"]["status"], "ready");
        app.get(&path(&released)).send().await.refused(404, "NOT_FOUND");
        assert_eq!(app.balance().await, 96_000_000);
        app.check_books().await;
    }
}

/// What has become of an order whose outcome nobody has recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It takes another minute; then the number is there.
    Pending,
    Delivered,
    Failed,
    NeverSent,
}

/// Rows in doubt, as purchases leave them that die after their transaction. Row 0 is the oldest.
struct Backlog {
    rows: Vec<(PhoneNumber, Fate)>,
}

impl Backlog {
    /// Each row is one millisecond younger than the one before it.
    fn new(app: &TestApp, fates: impl IntoIterator<Item = Fate>) -> Self {
        let now = app.clock.now().millis();
        let dollar = MicroUsd::from_micros(1_000_000);
        let prices = Prices { upfront: dollar, monthly: dollar };
        let (mut slow, mut failing, mut ordinary) = (numbers(202..203), numbers(409..410), numbers(1_000..1_010));
        let rows = (now..).zip(fates).map(|(millis, fate)| {
            let e164 = match fate {
                Fate::Pending => slow.next(),
                Fate::Failed => failing.next(),
                Fate::Delivered | Fate::NeverSent => ordinary.next(),
            };
            let (e164, at) = (e164.expect("enough numbers"), Timestamp::from_millis(millis));
            let id = PhoneNumberId::new(at, rand::random());
            (PhoneNumber::ordering(id, app.organization.clone(), e164, Routing::default(), prices, at), fate)
        });
        Self { rows: rows.collect() }
    }

    /// Pays for all of it, one after another: side by side, purchases of one organization may lose too many rounds to each other.
    async fn pay(&self, app: &TestApp) {
        let owner = app.bundle.table.organization(&app.organization).await.unwrap();
        for (number, _) in &self.rows {
            app.bundle.table.begin_purchase(&owner, number, PurchasePolicy::Approved, None, &ACTOR).await.unwrap();
        }
    }

    /// Confirms all of it, as if the carrier had.
    async fn activate(&self, app: &TestApp) {
        let (table, now) = (&app.bundle.table, app.clock.now());
        let activate = async |number: &PhoneNumber| {
            let resource = CarrierNumberId::parse(number.e164.digits()).unwrap();
            let active = |number: PhoneNumber| number.activate(resource.clone(), now);
            table.transition(number.clone(), active, domain::audit::Action::Activated, &ACTOR).await
        };
        let done: Vec<_> =
            stream::iter(&self.rows).map(|(number, _)| activate(number)).buffer_unordered(8).collect().await;
        assert!(done.iter().all(Result::is_ok), "{done:?}");
    }

    /// Sends the orders of this fate.
    async fn order(&self, app: &TestApp, fate: Fate) {
        let (http, url) = (reqwest::Client::new(), format!("{}/number_orders", app.bundle.carrier_url));
        let post = |(number, _): &(PhoneNumber, Fate)| {
            let body = json!({
                "phone_numbers": [{ "phone_number": number.e164.as_str() }], "customer_reference": number.id.as_str(),
            });
            http.post(&url).bearer_auth("sandbox").body(body.to_string()).send()
        };
        let these = self.rows.iter().filter(|(_, known)| *known == fate);
        let sent: Vec<_> = stream::iter(these).map(post).buffer_unordered(8).collect().await;
        assert!(sent.into_iter().all(|answer| answer.unwrap().status() == 200));
    }

    /// The delivered rows that are set up, by their place in the backlog.
    fn delivered(&self, app: &TestApp) -> Vec<bool> {
        let numbers = app.bundle.carrier.numbers();
        let tagged = numbers.iter().filter(|number| !number.tags.is_empty());
        let done: HashSet<_> = tagged.filter_map(|number| number.customer_reference.as_deref()).collect();
        let these = self.rows.iter().filter(|(_, fate)| *fate == Fate::Delivered);
        these.map(|(number, _)| done.contains(number.id.as_str())).collect()
    }
}

/// The sandbox carrier's numbers with these lines, area code by area code.
fn numbers(lines: std::ops::Range<u16>) -> impl Iterator<Item = E164> {
    // Among the area codes that begin so, each is a place.
    let codes = (201..500).chain(601..700);
    let texts = codes.flat_map(move |code| lines.clone().map(move |line| format!("+1{code}555{line:04}")));
    texts.filter_map(|text| E164::parse(&text).ok()).filter(E164::is_us)
}

/// The calls that a run has made to the table and to the carrier.
async fn counted_run(app: &TestApp) -> (Report, usize, usize) {
    let before = (app.dynamo.seen().len(), app.bundle.carrier.requests().len());
    let report = app.reconciler.run().await.unwrap();
    (report, app.dynamo.seen().len() - before.0, app.bundle.carrier.requests().len() - before.1)
}

fn looked_at(report: &Report) -> u32 {
    let Report { adopted, refunded, late_released, waiting, handed_over, released, queued, settled_already, failed } =
        *report;
    adopted + refunded + late_released + waiting + handed_over + released + queued + settled_already + failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_orders_in_doubt_are_settled_within_the_carriers_rate_limit() {
    let app = TestApp::with(with_credit_for(1_000)).await;
    let mixed = [Fate::Failed, Fate::NeverSent, Fate::NeverSent].repeat(150);
    let fates = [vec![Fate::Pending; 150], vec![Fate::Delivered; 400], mixed].concat();
    let backlog = Backlog::new(&app, fates);
    backlog.pay(&app).await;
    backlog.order(&app, Fate::Delivered).await;
    backlog.order(&app, Fate::Failed).await;
    app.clock.advance(A_WHILE);
    backlog.order(&app, Fate::Pending).await;
    let orders = app.bundle.carrier.order_attempts();
    // A window longer than a run may last: whoever is throttled has to leave the rest to the next run.
    let limit = RateLimit { calls: 400, window: A_WHILE };
    app.bundle.carrier.limit_rate(Some(limit));
    let (mut total, mut runs, mut put_off, mut full) = (Report::default(), 0, 0, 0);
    while total.adopted < 550 || total.refunded < 150 || total.waiting < 450 {
        let (report, table_calls, carrier_calls) = counted_run(&app).await;
        let looked = looked_at(&report);
        runs += 1;
        assert!(runs <= 12, "{total:?}");
        assert!(looked <= 200, "{report:?}");
        full += u32::from(looked == 200);
        // One call too many ends the run.
        assert!(report.failed <= 1 && carrier_calls <= limit.calls as usize + report.failed as usize, "{report:?}");
        assert!(looked == 200 || report.failed == 1 || total.adopted + report.adopted == 550, "{report:?}");
        // What is due takes a query for each of eight shards; a row takes a read and a write, and three questions.
        assert!(table_calls <= 8 + 2 * looked as usize && carrier_calls <= 3 * looked as usize, "{report:?}");
        put_off += report.failed;
        let delivered = backlog.delivered(&app);
        let end = delivered.iter().rposition(|set_up| *set_up).map_or(0, |last| last + 1);
        let overtaken = delivered[..end].iter().filter(|set_up| !**set_up).count();
        assert!(overtaken <= put_off as usize, "{overtaken} rows were overtaken, {put_off} were throttled");
        total = Report {
            adopted: total.adopted + report.adopted,
            refunded: total.refunded + report.refunded,
            waiting: total.waiting + report.waiting,
            failed: total.failed + report.failed,
            ..total
        };
        app.clock.advance(A_WHILE);
    }
    assert!(full >= 1 && put_off >= 1, "neither limit was met: {full} full runs, {put_off} throttled");
    assert_eq!((total.adopted, total.refunded), (550, 150));
    assert_eq!(app.bundle.carrier.order_attempts(), orders, "nothing was ordered");
    assert_eq!(app.balance().await, 150 * 2_000_000, "what failed was refunded, the rest is paid for");
    let rows = app.get("/v1/phone-numbers").send().await.ok();
    let with = |status: &str| {
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| row["setupStatus"]["status"] == status).count()
    };
    assert_eq!((with("ready"), with("action_required")), (550, 300));
}

#[tokio::test]
async fn a_row_that_the_carrier_was_too_busy_for_waits_as_long_as_the_carrier_asks_and_no_longer() {
    let app = TestApp::approved().await;
    let backlog = Backlog::new(&app, [Fate::Delivered; 2]);
    backlog.pay(&app).await;
    backlog.order(&app, Fate::Delivered).await;
    // By its age alone, a row would wait a quarter of an hour.
    app.clock.advance(Duration::from_hours(1));
    app.bundle.carrier.limit_rate(Some(RateLimit { calls: 0, window: Duration::from_secs(50) }));
    let (report, _, calls) = counted_run(&app).await;
    assert_eq!((report, calls), (Report { failed: 1, ..Report::default() }, 1), "the others would hear the same");
    app.bundle.carrier.limit_rate(None);
    assert_eq!(run_after(&app, Duration::ZERO).await, Report { adopted: 1, ..Report::default() });
    assert_eq!(run_after(&app, Duration::from_secs(50)).await, Report { adopted: 1, ..Report::default() });
    app.check_books().await;
}

#[tokio::test]
async fn a_carrier_that_is_too_busy_keeps_no_submission_from_staff() {
    let app = TestApp::approved().await;
    let backlog = Backlog::new(&app, [Fate::Delivered]);
    backlog.pay(&app).await;
    let stranger = app.stranger(local::seed::World::default()).await;
    app.bundle.notifications.set_down(true);
    app.post("/v1/phone-numbers/kyb/submit", &full_form()).key(&stranger).send().await.ok();
    app.bundle.notifications.set_down(false);
    app.bundle.carrier.limit_rate(Some(RateLimit { calls: 0, window: Duration::from_secs(50) }));
    let report = run_after(&app, Duration::from_hours(1)).await;
    assert_eq!(report, Report { failed: 1, queued: 1, ..Report::default() });
    app.bundle.notifications.settled().await;
    assert_eq!(app.bundle.slack.messages().len(), 1);
}

#[tokio::test]
async fn a_short_pause_that_the_carrier_asks_for_is_kept_within_the_run() {
    let app = TestApp::approved().await;
    let backlog = Backlog::new(&app, [Fate::Delivered; 2]);
    backlog.pay(&app).await;
    backlog.order(&app, Fate::Delivered).await;
    app.clock.advance(A_WHILE);
    app.bundle.carrier.limit_rate(Some(RateLimit { calls: 2, window: Duration::from_secs(1) }));
    let (report, _, calls) = counted_run(&app).await;
    assert_eq!((report, calls), (Report { adopted: 2, ..Report::default() }, 5), "one call was too many");
    app.check_books().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_settled_numbers_add_no_call_to_a_run() {
    let app = TestApp::with(with_credit_for(1_002)).await;
    let mut first = Backlog::new(&app, [Fate::Delivered; 1_002]);
    let mut settled = Backlog { rows: first.rows.split_off(1) };
    let second = Backlog { rows: settled.rows.split_off(1_000) };
    let run_with_one_in_doubt = async |row: Backlog| {
        row.pay(&app).await;
        row.order(&app, Fate::Delivered).await;
        app.clock.advance(A_WHILE);
        counted_run(&app).await
    };
    let idle = counted_run(&app).await;
    let busy = run_with_one_in_doubt(first).await;
    assert_eq!((idle.0, idle.2, busy.0.adopted), (Report::default(), 0, 1));

    settled.pay(&app).await;
    settled.activate(&app).await;
    assert_eq!(counted_run(&app).await, idle);
    assert_eq!(run_with_one_in_doubt(second).await, busy);
}
