//! The world that tests run in: the whole bundle in memory, one organization of the test's own, and a DynamoDB that
//! can be made to fail.

#![expect(clippy::must_use_candidate, reason = "a call or an answer that a test drops is part of the test")]

mod answer;
pub mod books;
mod carrier_wire;
pub mod chance;
mod clock;
pub mod crowd;
pub mod deployed;
pub mod dynamo;
pub mod faults;
mod gate;
#[cfg(feature = "lambda")]
pub mod hostile;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod permission;
pub mod routes;
pub mod simulation;
pub mod stack;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub use answer::{Answer, Call};
use carrier_wire::CarrierWire;
pub use clock::TestClock;
use domain::api_key::{ApiKey, Grant, Scope};
use domain::audit::Actor;
use domain::credits::{LOW_WITHIN, LedgerEntry};
use domain::feed::Shortage;
use domain::kyb::{Decision, Review};
use domain::number::{PhoneNumber, Prices, Routing};
use domain::organization::PurchasePolicy;
use domain::{
    ApiKeyId, BookingReference, Clock, E164, KybId, MicroUsd, OrganizationId, PhoneNumberId, SystemRandomness,
};
use dynamo::{Dynamo, Weather};
use faults::Faults;
use local::seed::{Seed, World, plant};
use local::{Bundle, Options, engine};
use reconciler::Reconciler;
use renewals::{Charger, Found, Scheduler};
pub use reqwest::Method;
use serde_json::{Value, json};
use table::{Booked, Heartbeat};

/// One bundle in memory, called by one organization.
pub struct TestApp {
    pub bundle: Bundle,
    pub dynamo: Dynamo,
    pub clock: Arc<TestClock>,
    /// The reconciler of the bundle, to be run when a test wants it.
    pub reconciler: Reconciler,
    /// The schedule of renewals, to be run when a test wants it.
    pub scheduler: Scheduler,
    /// What charges numbers, without the queue in front of it.
    pub charger: Charger,
    pub organization: OrganizationId,
    pub key: String,
    http: reqwest::Client,
}

/// An approved organization with 100 USD, two agents, and a connected and a disconnected SIP connection.
#[must_use]
pub fn approved() -> World {
    World {
        approved: true,
        credits: MicroUsd::from_micros(100_000_000),
        agents: vec!["agent_1", "agent_2"],
        connections: vec![("sip_up", true), ("sip_down", false)],
        brand: None,
    }
}

/// An approved organization whose credits cover `numbers` purchases at the default prices.
#[must_use]
pub fn with_credit_for(numbers: i64) -> World {
    World { credits: MicroUsd::from_micros(2_000_000 * numbers), ..approved() }
}

/// The schedule of renewals of a bundle, started as Lambda starts it.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn scheduler_of(bundle: &Bundle) -> Scheduler {
    Scheduler::from_start(bundle.start_of("renewals-due")).expect("the schedule of renewals starts")
}

/// What charges numbers, started as Lambda starts it.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn charger_of(bundle: &Bundle) -> Charger {
    Charger::from_start(bundle.start_of("renewals-charge")).expect("what charges numbers starts")
}

/// The reconciler of a bundle, started as Lambda starts it.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn reconciler_of(bundle: &Bundle) -> Reconciler {
    Reconciler::from_start(bundle.start_of("reconciler")).expect("the reconciler starts")
}

/// The upfront and the monthly price in tests, in US dollars. They are the tests' own, so that the defaults may change.
const PRICES_USD: [(&str, &str); 2] = [("UpfrontPriceUsd", "1.00"), ("MonthlyPriceUsd", "1.00")];

/// What a number costs in tests: one dollar upfront and one a month.
#[must_use]
pub fn usual_prices() -> Prices {
    let dollar = MicroUsd::from_micros(1_000_000);
    Prices { upfront: dollar, monthly: dollar }
}

/// A business verification with every field of the full form.
#[must_use]
pub fn full_form() -> Value {
    json!({
        "businessProfile": {
            "legalName": "Acme Voice Inc", "displayName": "Acme", "entityType": "corporation", "country": "US",
            "registrationId": "12-3456789", "website": "https://acme.example.com",
            "address": {
                "street": "1 Main St", "city": "Springfield", "state": "IL", "postalCode": "62701", "country": "US",
            },
            "useCase": "Appointment reminders", "expectedUsage": "100 calls a day",
        },
        "authorizedRepresentative": {
            "name": "Ada Park", "title": "CEO", "email": "ada@acme.example.com", "phone": "+12015551234",
        },
        "attestationAccepted": true,
    })
}

/// The least that a business verification may say.
#[must_use]
pub fn short_form() -> Value {
    json!({
        "declaration": { "businessName": "Maple Dental", "useCase": "Appointments" }, "attestationAccepted": true,
    })
}

impl TestApp {
    /// A bundle with an approved organization.
    pub async fn approved() -> Self {
        Self::start(approved(), Options::default()).await
    }

    /// A bundle with an organization that has nothing.
    pub async fn empty() -> Self {
        Self::start(World::default(), Options::default()).await
    }

    /// A bundle with an organization that has `world`.
    pub async fn with(world: World) -> Self {
        Self::start(world, Options::default()).await
    }

    /// A bundle that runs as `options` say; its clock, engine and waits are the test's.
    ///
    /// # Panics
    /// The bundle does not start.
    pub async fn start(world: World, options: Options) -> Self {
        Self::start_on(Dynamo::start(engine_url().await, Faults::default()).await, world, options).await
    }

    /// Another process of the same deployment: it shares table, carrier and clock, and whatever strikes them.
    #[must_use]
    pub fn sibling(&self) -> Options {
        Options {
            carrier_url: Some(self.bundle.carrier_url.clone()),
            dynamo_db_url: Some(self.dynamo.url().to_owned()),
            table_time_out: SOON,
            clock: self.clock.clone(),
            ..Options::default()
        }
    }

    /// A bundle with an approved organization, whose calls to the table and to the carrier can be struck. An imported number
    /// costs a dollar a month.
    pub async fn struck_by(faults: &Faults) -> Self {
        let (wire, carrier_url) = CarrierWire::start(faults.clone()).await;
        let dynamo = Dynamo::start(engine_url().await, faults.clone()).await;
        let options = Options::with("ImportMonthlyFeeUsd", "1.00");
        let options = Options { carrier_url: Some(carrier_url), table_time_out: SOON, ..options };
        let app = Self::start_on(dynamo, approved(), options).await;
        wire.point_at(format!("{}/sandbox/carrier/v2", app.bundle.base_url));
        app
    }

    async fn start_on(dynamo: Dynamo, world: World, mut options: Options) -> Self {
        let clock = Arc::new(TestClock::default());
        for (parameter, usd) in PRICES_USD {
            options.parameters.entry(parameter).or_insert_with(|| usd.to_owned());
        }
        let options = Options {
            clock: clock.clone(),
            dynamo_db_url: Some(dynamo.url().to_owned()),
            settle_after: Duration::ZERO,
            visibility: Duration::from_millis(1),
            ..options
        };
        let bundle = Bundle::start(options).await.expect("the bundle starts");
        let (reconciler, http) = (reconciler_of(&bundle), plain_http());
        let (scheduler, charger) = (scheduler_of(&bundle), charger_of(&bundle));
        let organization = unused_organization();
        let mut app =
            Self { bundle, dynamo, clock, reconciler, scheduler, charger, organization, key: String::new(), http };
        app.key = app.plant(&app.organization.clone(), &world).await;
        app
    }

    /// Makes another organization and returns its key.
    pub async fn stranger(&self, world: World) -> String {
        self.plant(&unused_organization(), &world).await
    }

    async fn plant(&self, organization: &OrganizationId, world: &World) -> String {
        let api_key = ApiKey::new(rand::random()).reveal().to_owned();
        let seed = Seed {
            name: organization.to_string(),
            id: organization.to_string(),
            api_key: api_key.clone(),
            agent_ids: Vec::new(),
            sip_connection_installation_ids: Vec::new(),
        };
        plant(&self.bundle.table, &seed, world, self.clock.now(), &SystemRandomness)
            .await
            .expect("the organization is planted");
        api_key
    }

    /// Issues another key of the organization's, with just these scopes.
    ///
    /// # Panics
    /// The table does not take it.
    pub async fn key_with(&self, scopes: &[Scope]) -> String {
        let key = ApiKey::new(rand::random());
        let grant = Grant {
            id: ApiKeyId::new(self.clock.now(), rand::random()),
            organization: self.organization.clone(),
            name: None,
            scopes: scopes.to_vec(),
            created_at: self.clock.now(),
            expires_at: None,
            revoked_at: None,
        };
        self.bundle
            .table
            .create_api_key(&key.hash(), &grant, &Actor::System("tests"))
            .await
            .expect("the key is stored");
        key.reveal().to_owned()
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        self.call_at(&self.bundle.base_url, method, path)
    }

    /// Calls another process than the test's own.
    pub fn call_at(&self, base_url: &str, method: Method, path: &str) -> Call {
        let url = format!("{base_url}{path}");
        Call::new(self.http.request(method, url)).key(&self.key)
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    pub fn patch(&self, path: &str, body: &Value) -> Call {
        self.call(Method::PATCH, path).json(body)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    pub fn buy(&self, e164: &str) -> Call {
        self.post("/v1/phone-numbers", &json!({ "e164": e164 }))
    }

    /// A purchase whose process died before it sent its order: paid for, and unknown to the carrier.
    ///
    /// # Panics
    /// It may not be bought.
    pub async fn begin_purchase(&self, id: &PhoneNumberId, e164: &str, routing: Routing) -> PhoneNumber {
        let e164 = E164::from_stored(e164).expect("a number");
        let prices = usual_prices();
        let (id, organization) = (id.clone(), self.organization.clone());
        let number = PhoneNumber::ordering(id, organization, e164, routing, prices, self.clock.now());
        let table = &self.bundle.table;
        let owner = table.organization(&self.organization).await.expect("an organization");
        let begun =
            table.begin_purchase(&owner, &number, PurchasePolicy::Approved, None, &Actor::System("tests")).await;
        begun.expect("a purchase");
        number
    }

    /// Sends a request whose writes fail, and sends it again with the same key: it looks for what it may have made.
    pub async fn resumed(&self, call: impl Fn() -> Call) -> Answer {
        let call = || call().header("idempotency-key", "resumed");
        self.dynamo.set(Weather::NoTransactions);
        call().send().await.refused(503, "BUSY");
        self.dynamo.set(Weather::Fair);
        call().send().await
    }

    /// Lets time pass until a minute of the clock begins: calls are counted by the minute.
    pub fn wait_for_a_full_minute(&self) {
        let into = self.clock.now().millis().rem_euclid(60_000).unsigned_abs();
        self.clock.advance(Duration::from_millis(60_000 - into));
    }

    /// A number of the organization's, as it is stored.
    ///
    /// # Panics
    /// It has none of this E.164.
    pub async fn stored_number(&self, e164: &str) -> PhoneNumber {
        let items = self.items().await;
        let row = |item: &&Value| {
            item["e164"]["S"] == e164 && item["SK"]["S"].as_str().is_some_and(|key| key.starts_with("NUMBER#"))
        };
        let id = items.iter().find(row).and_then(|row| row["id"]["S"].as_str()).expect("a row");
        let id = PhoneNumberId::parse(id).expect("an id");
        self.bundle.table.find_number(&self.organization, &id).await.expect("an answer").expect("a number")
    }

    /// Imports a number through the connected SIP connection.
    pub fn import(&self, e164: &str) -> Call {
        let body = json!({ "e164": e164, "sipConnectionInstallationId": "sip_up" });
        self.post("/v1/phone-numbers/import", &body)
    }

    /// Decides a submission of the organization's, as the member of staff `U1` would.
    ///
    /// # Panics
    /// It may not be decided so.
    pub async fn decide(&self, id: &Value, decision: &Decision) {
        let review = Review { at: self.clock.now(), reviewer_id: "U1".into(), reviewer_email: None };
        let actor = Actor::Reviewer { id: "U1".into(), email: None };
        let id = KybId::parse(id.as_str().expect("an id")).expect("a submission's id");
        let decided = self.bundle.table.decide(&self.organization, &id, decision, &review, &actor).await;
        decided.expect("a decision");
    }

    /// Gives credits, in micro-USD, as the operator does.
    ///
    /// # Panics
    /// They cannot be booked.
    pub async fn grant(&self, reference: &str, micros: i64) {
        let reference = BookingReference::parse(reference).expect("a reference");
        let entry = LedgerEntry::grant(reference.as_str(), MicroUsd::from_micros(micros));
        let booked = self.bundle.table.book_once(&self.organization, &reference, &entry, "grace").await;
        assert_eq!(booked.expect("a booking"), Booked::Now);
    }

    /// Takes all credits away, as an operator's correction.
    ///
    /// # Panics
    /// It cannot be booked.
    pub async fn take_all(&self, reference: &str) {
        let reference = BookingReference::parse(reference).expect("a reference");
        let amount = MicroUsd::from_micros(-self.balance().await);
        let entry = LedgerEntry::adjustment(reference.as_str(), amount);
        let booked = self.bundle.table.book_once(&self.organization, &reference, &entry, "grace").await;
        assert_eq!(booked.expect("a booking"), Booked::Now);
    }

    /// Lets the schedule of renewals have run without a gap for a day and more.
    ///
    /// # Panics
    /// It cannot be remembered.
    pub async fn keep_alive(&self) {
        let (table, now) = (&self.bundle.table, self.clock.now());
        let before = table.heartbeat().await.expect("a heartbeat");
        let alive_since = before.map_or(now, |before| before.alive_since);
        let next = Heartbeat { alive_since, last_run_at: now, looked_ahead_to: now.plus(LOW_WITHIN) };
        assert!(table.beat(before.as_ref(), &next).await.expect("a heartbeat"));
    }

    /// Tells the organization that its credits are low, as renewals do.
    ///
    /// # Panics
    /// The event cannot be written.
    pub async fn tell_low(&self) {
        let (table, now) = (&self.bundle.table, self.clock.now());
        let credits = table.credits(&self.organization).await.expect("credits");
        let shortage = Shortage { balance: credits.balance, due: credits.balance, covered_until: now };
        assert!(table.credits_looked_at(&self.organization, &credits, Some(&shortage), now).await.expect("an answer"));
    }

    /// Has everything charged that is due, as the schedule and the queue do.
    ///
    /// # Panics
    /// What is due cannot be read.
    pub async fn renew(&self) -> Found {
        let found = self.scheduler.run().await.expect("the schedule runs");
        self.bundle.renewals.settled().await;
        found
    }

    /// What the organization has left, in micro-USD.
    ///
    /// # Panics
    /// The table does not answer.
    pub async fn balance(&self) -> i64 {
        self.bundle.table.balance(&self.organization).await.expect("a balance").micros()
    }

    /// Every item of the table, as it is stored.
    ///
    /// # Panics
    /// The engine does not answer.
    pub async fn items(&self) -> Vec<Value> {
        self.scan(json!({})).await
    }

    /// Every item that has this attribute: far fewer to read than all.
    ///
    /// # Panics
    /// The engine does not answer.
    pub async fn items_with(&self, attribute: &str) -> Vec<Value> {
        self.scan(json!({ "FilterExpression": format!("attribute_exists({attribute})") })).await
    }

    async fn scan(&self, mut scan: Value) -> Vec<Value> {
        scan["TableName"] = self.bundle.table_name.into();
        scan["ConsistentRead"] = true.into();
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            if !start.is_null() {
                scan["ExclusiveStartKey"] = start;
            }
            let mut answer = self.dynamo.ask("Scan", &scan).await;
            items.extend(answer["Items"].as_array().expect("items").iter().cloned());
            start = answer["LastEvaluatedKey"].take();
            if start.is_null() {
                return items;
            }
        }
    }

    /// Checks that the books are right, everybody's.
    ///
    /// # Panics
    /// They are wrong.
    pub async fn check_books(&self) {
        let wrong = books::violations(self).await;
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.bundle.notifications.unfinished(), 0, "queued work was left unprocessed");
        }
    }
}

/// How long a call to the table may take where silence is one of the faults.
const SOON: Duration = Duration::from_secs(5);

/// A client that speaks to this machine only: reading the system's certificates takes longer than most tests.
pub(crate) fn plain_http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client")
}

async fn engine_url() -> String {
    engine::start(None).await.expect("the engine starts")
}

fn unused_organization() -> OrganizationId {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    OrganizationId::parse(&format!("org_{next}")).expect("a valid id")
}
