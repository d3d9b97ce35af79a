//! No order is ever sent twice for one row, whatever happens on the way: processes that die, a table that forgets its
//! answers, a carrier that never gives one, callers who ask again, and clocks that run on.
//!
//! The generator is seeded, so that a run repeats.

use std::cell::RefCell;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tests::TestApp;
use tests::dynamo::Weather;
use tokio::runtime::Runtime;

const CASES: u32 = 32;
/// Numbers that the carrier treats differently: it sells the first two, and the module of the sandbox carrier says what
/// the others bring about.
const LINES: [&str; 10] = ["1000", "1001", "0500", "0409", "0404", "0429", "0523", "0202", "0504", "0505"];
/// Those whose purchase waits long for the carrier. Nobody waits here: the process dies once the order is sent.
const SILENT: [&str; 3] = ["0202", "0504", "0505"];

#[derive(Clone, Debug)]
enum Step {
    /// Somebody buys, under one of a few keys or without one. The process dies after so many calls to the table.
    Buy {
        line: &'static str,
        key: Option<u8>,
        dies_after: Option<usize>,
    },
    /// The newest number is released.
    Release,
    Weather(Weather),
    Pass(Duration),
    Reconcile,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let buy = (select(LINES.to_vec()), option::weighted(0.7, 0..3_u8), option::weighted(0.4, 0..12_usize));
    let weathers = vec![Weather::Fair, Weather::Contended, Weather::Forgetful, Weather::NoTransactions];
    let step = prop_oneof![
        6 => buy.prop_map(|(line, key, dies_after)| Step::Buy { line, key, dies_after }),
        1 => Just(Step::Release),
        2 => select(weathers).prop_map(Step::Weather),
        // A minute ends leases and makes rows due.
        3 => (1..5_u64).prop_map(|halves| Step::Pass(Duration::from_secs(30 * halves))),
        2 => Just(Step::Reconcile),
    ];
    vec(step, 4..16)
}

/// What the cases have met all together.
#[derive(Debug, Default)]
struct Met {
    orders: usize,
    deaths: usize,
    adopted: u32,
}

struct World {
    app: TestApp,
    met: Met,
}

impl World {
    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Buy { line, key, dies_after } => self.buy(line, *key, *dies_after).await?,
            Step::Release => {
                let rows = self.app.get("/v1/phone-numbers").send().await.body;
                if let Some(id) = rows[0]["id"].as_str() {
                    self.app.delete(&format!("/v1/phone-numbers/{id}")).send().await;
                }
            }
            Step::Weather(weather) => self.app.dynamo.set(*weather),
            Step::Pass(time) => self.app.clock.advance(*time),
            Step::Reconcile => self.reconcile().await,
        }
        Ok(())
    }

    async fn buy(&mut self, line: &str, key: Option<u8>, dies_after: Option<usize>) -> Result<(), TestCaseError> {
        let call = self.app.post("/v1/phone-numbers", &json!({ "e164": format!("+1415555{line}") }));
        let call = match key {
            None => call,
            Some(key) => call.header("idempotency-key", &format!("key-{key}")),
        };
        let (app, before) = (&self.app, (self.app.dynamo.seen().len(), sent(&self.app)));
        let mut running = tokio::spawn(call.send());
        let dies = || {
            dies_after.is_some_and(|calls| app.dynamo.seen().len() >= before.0 + calls)
                || SILENT.contains(&line) && sent(app) > before.1
        };
        while !running.is_finished() {
            if dies() {
                // The server drops a request whose caller is gone, as a crash would.
                running.abort();
                self.met.deaths += 1;
                break;
            }
            tokio::task::yield_now().await;
        }
        if let Ok(answer) = (&mut running).await {
            prop_assert!(answer.status != 500, "{}", answer.text);
        }
        Ok(())
    }

    async fn reconcile(&mut self) {
        // A run that cannot read what is due is made again by the schedule.
        if let Ok(report) = self.app.reconciler.run().await {
            self.met.adopted += report.adopted;
        }
    }

    /// Lets everything come to its end, and looks at what is left.
    async fn end(mut self) -> Result<Met, TestCaseError> {
        self.app.dynamo.set(Weather::Fair);
        for _ in 0..3 {
            self.app.clock.advance(Duration::from_mins(16));
            self.reconcile().await;
        }
        let attempts = self.app.bundle.carrier.order_attempts();
        prop_assert!(attempts.values().all(|times| *times == 1), "an order was sent twice: {attempts:?}");
        let rows = self.app.get("/v1/phone-numbers").send().await.ok();
        for row in rows.as_array().into_iter().flatten().filter(|row| row["providerResourceId"].is_null()) {
            let known = self.app.bundle.carrier.orders();
            let taken = known.iter().any(|order| row["id"].as_str() == order.customer_reference.as_deref());
            prop_assert!(!taken, "the carrier knows what became of {row}");
        }
        self.app.check_books().await;
        self.met.orders = attempts.len();
        Ok(self.met)
    }
}

/// How many orders have been sent.
fn sent(app: &TestApp) -> u32 {
    app.bundle.carrier.order_attempts().values().sum()
}

#[test]
fn no_order_is_sent_twice_whatever_happens() {
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runtime = Runtime::new().expect("a runtime");
    let all = RefCell::new(Met::default());
    let outcome = runner.run(&steps(), |steps| {
        runtime.block_on(async {
            let mut world = World { app: TestApp::approved().await, met: Met::default() };
            for step in &steps {
                world.take(step).await?;
            }
            let met = world.end().await?;
            let mut all = all.borrow_mut();
            all.orders += met.orders;
            all.deaths += met.deaths;
            all.adopted += met.adopted;
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let met = all.into_inner();
    assert!(met.orders > 10 && met.deaths > 10 && met.adopted > 0, "the cases are too tame: {met:?}");
}
