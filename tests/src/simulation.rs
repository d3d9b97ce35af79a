//! A whole deployment in one thread, without a socket: time, randomness and the network are the simulation's, so a seed is
//! one run, to the byte.
//!
//! Time is tokio's paused clock. It moves on when everybody waits, so a pause of a day takes no time, and calls that are
//! under way together meet in an order that the seed decides.

mod engine;
mod network;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use domain::{Clock, Randomness, Timestamp};
pub use engine::{Commit, Engine, Item, Key, Write};
use local::deployment::{Deployment, Recurring};
use local::sandbox::carrier::{self, Carrier};
use local::sandbox::queue::Queues;
use local::sandbox::slack::{self, Slack};
use local::surroundings;
use local::template::Stack;
use network::{Place, SimulatedNetwork};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use table::Table;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::faults::Faults;
pub use network::Hardship;

/// The deployment's name, which is the table's.
pub const TABLE: &str = "phone-numbers";

/// Time since a run began, in tokio's paused time.
pub struct SimulatedClock {
    began: Instant,
    epoch: Timestamp,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.epoch.plus(self.began.elapsed())
    }
}

/// Randomness that a seed repeats.
pub struct Seeded(Mutex<StdRng>);

impl Seeded {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Randomness for Seeded {
    fn draw(&self) -> u128 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

/// How a simulated deployment is to be.
pub struct Setting {
    pub seed: u64,
    /// When the run begins.
    pub epoch: Timestamp,
    /// The template's parameters where they are not its defaults.
    pub parameters: BTreeMap<&'static str, String>,
}

/// A deployment: the template's functions behind its routes, queues and schedules, with carrier, Slack and table.
pub struct Simulated {
    pub clock: Arc<SimulatedClock>,
    pub randomness: Arc<Seeded>,
    pub engine: Engine,
    pub carrier: Carrier,
    pub queues: Queues,
    pub schedules: Vec<Recurring>,
    /// The table as operators reach it.
    pub table: Table,
    pub faults: Faults,
    pub hardship: Hardship,
    api: axum::Router,
}

impl Simulated {
    /// Starts everything, in a runtime of one thread whose time is paused.
    ///
    /// # Panics
    /// A function does not start.
    pub async fn start(Setting { seed, epoch, parameters }: Setting) -> Self {
        // The AWS SDK and the table draw their pauses from here.
        fastrand::seed(seed);
        let clock = Arc::new(SimulatedClock { began: Instant::now(), epoch });
        let randomness = Arc::new(Seeded::new(seed));
        let (faults, hardship) = (Faults::default(), Hardship::new(seed));
        let engine = Engine::new(clock.clone(), seed);
        let network = Arc::new(SimulatedNetwork::new(seed, faults.clone(), hardship.clone(), engine.clone()));
        let (carrier, slack) = (sandbox_carrier(clock.clone()), sandbox_slack(clock.clone()));
        network.put(Place::Carrier, carrier.router());
        network.put(Place::Slack, slack.router());
        let (carrier_url, slack_url) = (format!("{}/v2", Place::Carrier.url()), format!("{}/api", Place::Slack.url()));
        let mut around = surroundings(&Place::Table.url(), &carrier_url, &slack_url, &Place::Queues.url());
        around.parameters.extend(parameters);
        let Deployment { routes, workers, schedules, starts, .. } =
            Deployment::start(Stack::built_in(), &around, |start| {
                start.clock = clock.clone();
                start.randomness = randomness.clone();
                start.network = Some(network.clone());
            })
            .expect("the functions start");
        let table = Table::from_start(&starts["reconciler"]).expect("a table");
        table.create_if_absent().await.expect("a table");
        let queues = Queues::new(workers);
        network.put(Place::Queues, queues.router());
        let api = axum::Router::new().fallback_service(web::serve(routes));
        Self { clock, randomness, engine, carrier, queues, schedules, table, faults, hardship, api }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Calls the API as a customer with this key; status and body of the answer. Nobody sees whether the function died: its
    /// caller gets a 500.
    ///
    /// # Panics
    /// The request is none.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: Option<&Value>,
        idempotency: &str,
    ) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
        if !idempotency.is_empty() {
            request = request.header("idempotency-key", idempotency);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.header("content-type", "application/json").body(body).expect("a request");
        let Ok(answer) = self.api.clone().oneshot(request).await;
        let status = answer.status().as_u16();
        let body = bytes(answer).await.unwrap_or_default();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Runs a function's `rate(…)` schedule once, in a process of its own, which may fail or die.
    ///
    /// # Panics
    /// It has none.
    pub async fn run(&self, function: &str) {
        let is_it =
            |recurring: &&Recurring| recurring.function == function && recurring.expression.starts_with("rate(");
        let recurring = self.schedules.iter().find(is_it);
        let recurring = recurring.unwrap_or_else(|| panic!("the template has no schedule of {function}"));
        let (schedule, event) = (recurring.schedule.clone(), recurring.event.clone());
        drop(tokio::spawn(async move { schedule.handle(event).await }).await);
    }
}

/// The whole body; an error when it breaks off.
pub(crate) async fn bytes(answer: Response) -> io::Result<Bytes> {
    axum::body::to_bytes(answer.into_body(), 1 << 24).await.map_err(io::Error::other)
}

fn sandbox_carrier(clock: Arc<SimulatedClock>) -> Carrier {
    Carrier::with_clock(carrier::Options::default(), clock).expect("a carrier without a file")
}

fn sandbox_slack(clock: Arc<SimulatedClock>) -> Slack {
    let options = slack::Options { bot_token: "xoxb-sandbox".to_owned(), file: None, clicks: None };
    Slack::with_clock(options, clock).expect("a Slack without a file")
}
