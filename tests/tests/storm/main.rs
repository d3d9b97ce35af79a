//! A storm over the money promise: no purchase ends charged without a number, no number at the carrier ends without a
//! row, and nothing is ordered twice.
//!
//! Many clients buy, import, change and release at once, and repeat themselves, while months fall due and are charged; processes die under them or freeze for a
//! while; calls to the table and to the carrier are lost, late, doubled, garbled, and answered with lies; the clock runs
//! twenty times as fast as the machine's. Then the weather clears, the schedule runs on for a day, and the books are audited
//! past the product's code.
//!
//! The matrix of `faults.rs` strikes each call of each flow once and leaves nothing out; a storm strikes what nobody has
//! thought of: several calls of several requests at once. Its seed fixes what clients ask for, in which order each of
//! them, and what the sequence of faults is. It does not fix how threads interleave, so the same seed gives the same kind
//! of storm, not the same one: run a seed that has failed several times, and longer.
//!
//! ```sh
//! STORM_SEED=7 STORM_SECONDS=300 cargo test -p tests --test storm -- --nocapture
//! ```

mod audit;
mod clients;
mod figures;
mod processes;
mod record;
mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Clock, MicroUsd};
use local::Bundle;
use local::seed::World;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reconciler::{Reconciler, Report};
use tests::chance::{Chance, Odds};
use tests::faults::{Delivery, Faults};
use tests::{TestApp, TestClock, approved, reconciler_of, scheduler_of};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::clients::{Client, Scene};
use crate::figures::Figures;
use crate::processes::{Processes, Toll};
use crate::record::Record;
use crate::requests::AGENTS;

const CLIENTS: usize = 32;
/// The first one has little credit, the others have plenty.
const ORGANIZATIONS: usize = 5;
/// How much faster time runs than it does: a lease ends within two seconds, a row is due within three.
const HASTE: u32 = 20;
/// How many numbers of each organization are charged in the storm.
const DUE_NUMBERS: u32 = 12;
/// How long a storm of a minute lasts on its own clock.
const STORM_TIME: Duration = Duration::from_mins(20);
/// How often the clock is moved on.
const TICK: Duration = Duration::from_millis(25);
/// How long a call that comes late may take. Its caller is gone, and some are never answered.
const LATE: Duration = Duration::from_secs(2);
/// How many of its old keys each client repeats when the storm is over.
const REPEATED: usize = 12;
/// More runs of the reconciler than any number of rows here takes.
const RUNS: usize = 20;
/// What passes after the storm, as in the fault matrix.
const CALM: [Duration; 4] =
    [Duration::from_mins(2), Duration::from_mins(20), Duration::from_hours(2), Duration::from_hours(25)];

/// How a storm is to be.
#[derive(Clone, Copy)]
struct Settings {
    seed: u64,
    length: Duration,
}

impl Settings {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the test's settings are read")]
    fn read() -> Self {
        let number = |name: &str| -> Option<u64> {
            let text = std::env::var(name).ok()?;
            Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number")))
        };
        let seed = number("STORM_SEED").unwrap_or_else(|| rand::random::<u64>() >> 32);
        Self { seed, length: Duration::from_secs(number("STORM_SECONDS").unwrap_or(30)) }
    }

    fn command(self) -> String {
        format!("STORM_SEED={} STORM_SECONDS={} cargo test -p tests --test storm", self.seed, self.length.as_secs())
    }
}

async fn world(faults: &Faults, settings: Settings) -> Scene {
    let app = Arc::new(TestApp::struck_by(faults).await);
    let mut api_keys = vec![app.key.clone()];
    let rich = || World { credits: MicroUsd::from_micros(1_000_000_000_000), agents: AGENTS.to_vec(), ..approved() };
    while api_keys.len() < ORGANIZATIONS {
        api_keys.push(app.stranger(rich()).await);
    }
    import_what_is_due(&app, &api_keys).await;
    let record = Record::new(app.clock.clone());
    let addresses = processes::Addresses::default();
    Scene { app, seed: settings.seed, addresses, record, api_keys, over: AtomicBool::new(false) }
}

/// Each organization begins with numbers whose next month begins in the storm, some at its beginning and some later.
async fn import_what_is_due(app: &TestApp, api_keys: &[String]) {
    let begin = app.clock.now();
    let month = begin.months_later(1).since(begin);
    for place in 0..DUE_NUMBERS {
        for (organization, key) in api_keys.iter().enumerate() {
            app.import(&format!("+4420718{organization}{place:04}")).key(key).send().await.ok();
        }
        app.clock.advance(STORM_TIME / DUE_NUMBERS);
    }
    app.clock.advance(month.saturating_sub(STORM_TIME));
}

/// Lets time run.
async fn hurry(clock: Arc<TestClock>) {
    let mut ticks = interval(TICK);
    loop {
        ticks.tick().await;
        clock.advance(TICK * (HASTE - 1));
    }
}

/// Lets calls arrive that were held back, now and then some.
async fn bring_late(faults: Faults, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    loop {
        sleep(Duration::from_millis(rng.random_range(50..600))).await;
        for delivery in faults.take_late(|| rng.random_bool(0.25)) {
            tokio::spawn(timeout(LATE, delivery));
        }
    }
}

async fn all_at_once(late: Vec<Delivery>) {
    let mut arriving: JoinSet<_> = late.into_iter().map(|delivery| timeout(LATE, delivery)).collect();
    while arriving.join_next().await.is_some() {}
}

/// The storm itself; the clients come out of it with what they remember, and all processes are dead.
async fn rage(
    scene: &Arc<Scene>,
    faults: &Faults,
    settings: Settings,
    mut processes: Processes,
) -> (Vec<Client>, Toll) {
    let mut rng = StdRng::seed_from_u64(settings.seed ^ 0xdead);
    faults.leave_to(Chance::new(settings.seed, Odds::default(), scene.app.clock.clone()));
    let mut beside = JoinSet::new();
    beside.spawn(hurry(scene.app.clock.clone()));
    beside.spawn(bring_late(faults.clone(), settings.seed ^ 0x1a7e));
    let mut clients: JoinSet<Client> = (0..CLIENTS).map(|number| Client::new(scene.clone(), number).run()).collect();
    processes.die_in_turn(&mut rng, Instant::now() + settings.length).await;
    scene.over.store(true, Ordering::SeqCst);
    // Whoever still waits for an answer does not get one.
    processes.end().await;
    let mut left = Vec::new();
    while let Some(client) = clients.join_next().await {
        left.push(client.expect("a client"));
    }
    faults.spare();
    (left, processes.toll)
}

/// What happens in the day after: calls that come late, the schedule, and customers who ask once more.
async fn clear_up(scene: &Scene, faults: &Faults, clients: Vec<Client>) {
    all_at_once(faults.take_late(|| true)).await;
    let bundle = Bundle::start(scene.app.sibling()).await.expect("a fresh process");
    scene.addresses.set_all(&bundle.base_url);
    let mut clients = Some(clients);
    for (round, pause) in CALM.into_iter().enumerate() {
        scene.app.clock.advance(pause);
        scheduler_of(&bundle).run().await.expect("the schedule of renewals runs");
        bundle.renewals.settled().await;
        settle(&reconciler_of(&bundle)).await;
        if round == 1 {
            let mut repeating: JoinSet<()> = clients.take().into_iter().flatten().map(repeat).collect();
            while repeating.join_next().await.is_some() {}
        }
    }
    bundle.stop().await.expect("it stops");
}

/// Runs as often as there is something to be done: a run takes only so many rows.
async fn settle(reconciler: &Reconciler) {
    for _ in 0..RUNS {
        if reconciler.run().await.expect("the reconciler runs") == Report::default() {
            return;
        }
    }
}

async fn repeat(mut client: Client) {
    client.repeat(REPEATED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promise_holds_in_a_storm() {
    let settings = Settings::read();
    println!("{}", settings.command());
    let faults = Faults::default();
    let mut scene = world(&faults, settings).await;
    let processes = Processes::start(scene.app.clone()).await;
    scene.addresses = processes.addresses.clone();
    let scene = Arc::new(scene);
    let (clients, toll) = rage(&scene, &faults, settings, processes).await;
    let (operations, lost) = (scene.record.operations(), scene.record.lost());
    clear_up(&scene, &faults, clients).await;

    let figures = Figures::take(&scene, toll, operations, lost).await;
    println!("{figures}");
    let again = settings.command();
    assert!(figures.wrong.is_empty(), "{}\n{again}", figures.explain(&scene).await);
    let seconds = usize::try_from(settings.length.as_secs()).expect("a sensible length");
    let (least_operations, least_deaths, least_lost) = (1_000 * seconds / 60, 10 * seconds / 60, 100 * seconds / 60);
    let tame = operations < least_operations || toll.deaths < least_deaths || lost < least_lost;
    assert!(!tame, "that was no storm: {operations} operations, {toll:?}, {lost} lost answers\n{again}");
}
