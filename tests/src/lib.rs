//! The world that tests run in: the whole bundle in memory, one organization of the test's own, and a DynamoDB that
//! can be made to fail.

#![expect(clippy::must_use_candidate, reason = "a call or an answer that a test drops is part of the test")]

mod answer;
mod clock;
pub mod dynamo;
#[cfg(feature = "lambda")]
pub mod lambda;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub use answer::{Answer, Call};
pub use clock::TestClock;
use domain::api_key::{ApiKey, Grant, Scope};
use domain::{ApiKeyId, Clock, MicroUsd, OrganizationId};
use dynamo::Dynamo;
use local::seed::{Seed, World, plant};
use local::{Bundle, Options, engine};
use reqwest::Method;
use serde_json::{Value, json};

/// One bundle in memory, called by one organization.
pub struct TestApp {
    pub bundle: Bundle,
    pub dynamo: Dynamo,
    pub clock: Arc<TestClock>,
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
        let clock = Arc::new(TestClock::default());
        let engine_url = engine::start(None).await.expect("the engine starts");
        let dynamo = Dynamo::start(engine_url).await;
        let options = Options {
            clock: clock.clone(),
            dynamo_db_url: Some(dynamo.url().to_owned()),
            settle_after: Duration::ZERO,
            visibility: Duration::from_millis(1),
            ..options
        };
        let bundle = Bundle::start(options).await.expect("the bundle starts");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut app = Self { bundle, dynamo, clock, organization: unused_organization(), key: String::new(), http };
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
        plant(&self.bundle.table, &seed, world, self.clock.now()).await.expect("the organization is planted");
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
            scopes: scopes.to_vec(),
            created_at: self.clock.now(),
            revoked_at: None,
        };
        self.bundle.table.create_api_key(&key.hash(), &grant).await.expect("the key is stored");
        key.reveal().to_owned()
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        let url = format!("{}{path}", self.bundle.base_url);
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

    /// Imports a number through the connected SIP connection.
    pub fn import(&self, e164: &str) -> Call {
        let body = json!({ "e164": e164, "sipConnectionInstallationId": "sip_up" });
        self.post("/v1/phone-numbers/import", &body)
    }

    /// What the organization has left, in micro-USD.
    ///
    /// # Panics
    /// The table does not answer.
    pub async fn balance(&self) -> i64 {
        self.bundle.table.balance(&self.organization).await.expect("a balance").micros()
    }

    /// Checks that the books are right: what the ledger adds up to is the balance, which is not below zero; every
    /// number has its claim; every managed one that is not in doubt is owned at the carrier, and nothing else is.
    ///
    /// # Panics
    /// The books are wrong.
    pub async fn check_books(&self) {
        let ledger = self.bundle.table.ledger(&self.organization).await.expect("a ledger");
        let sum: i64 = ledger.iter().map(|line| line.amount.micros()).sum();
        let balance = self.balance().await;
        assert_eq!(sum, balance, "the ledger adds up to the balance");
        assert!(balance >= 0, "credits never go below zero");
        let rows = self.get("/v1/phone-numbers").send().await;
        let rows = rows.body.as_array().expect("a list");
        for row in rows {
            let e164 = domain::E164::parse(row["e164"].as_str().expect("a number")).expect("a number");
            let claim = self.bundle.table.claim(&e164).await.expect("a claim").expect("every number has its claim");
            assert_eq!(claim.number.as_str(), row["id"]);
        }
        let at_carrier = self.bundle.carrier.numbers();
        let orders = self.bundle.carrier.orders();
        let refunded = |id: &str| ledger.iter().any(|line| line.reference == format!("refund:{id}"));
        for id in ledger.iter().filter_map(|line| line.reference.strip_prefix("purchase:")) {
            let has_row = rows.iter().any(|row| row["id"] == id);
            // Ordered under this reference and no longer owned: it was released.
            let released = orders.iter().any(|order| order.customer_reference.as_deref() == Some(id))
                && at_carrier.iter().all(|number| number.customer_reference.as_deref() != Some(id));
            let explained =
                usize::from(has_row) + usize::from(refunded(id)) + usize::from(!has_row && released && !refunded(id));
            assert_eq!(explained, 1, "a purchase has a row, or was given back, or was released: {id}");
        }
        for row in rows.iter().filter(|row| row["source"] == "managed") {
            let reference = format!("purchase:{}", row["id"].as_str().expect("an id"));
            assert!(ledger.iter().any(|line| line.reference == reference), "every managed number is paid for");
        }
        for number in &at_carrier {
            assert!(
                rows.iter().any(|row| row["e164"] == number.phone_number.as_str()),
                "every carrier number has a row"
            );
        }
        let confirmed = rows.iter().filter(|row| !row["providerResourceId"].is_null());
        for row in confirmed {
            assert!(at_carrier.iter().any(|number| row["providerResourceId"] == number.id.as_str()));
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.bundle.queue.unfinished(), 0, "queued work was left unprocessed");
        }
    }
}

fn unused_organization() -> OrganizationId {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    OrganizationId::parse(&format!("org_{next}")).expect("a valid id")
}
