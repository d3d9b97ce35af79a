//! Processes that die. Each is a bundle with a runtime and a thread of its own; nothing of it outlives the runtime.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use local::{Bundle, Options};
use rand::RngExt;
use rand::rngs::StdRng;
use reconciler::Reconciler;
use renewals::Scheduler;
use tests::{TestApp, reconciler_of, scheduler_of};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

/// How many processes live at once.
const AT_ONCE: usize = 2;
/// How long it is from one death to the next, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 2_500..5_000;
/// How long a process stands still when it is frozen, in milliseconds: some wake up when their leases have ended.
const FROZEN_MS: std::ops::Range<u64> = 500..3_500;
/// The pause between two runs of a process's reconciler.
const RECONCILED_EVERY: Duration = Duration::from_secs(1);
/// The pause between two runs of a process's schedule of renewals.
const RENEWED_EVERY: Duration = Duration::from_secs(1);

/// One process.
struct Process {
    base_url: String,
    /// Dropping it is the end.
    life: oneshot::Sender<()>,
    frost: mpsc::UnboundedSender<Duration>,
    thread: JoinHandle<()>,
}

impl Process {
    async fn start(options: Options) -> Self {
        let (told, base_url) = oneshot::channel();
        let (life, ended) = oneshot::channel();
        let (frost, frozen) = mpsc::unbounded_channel();
        let thread = std::thread::spawn(move || live(options, told, ended, frozen));
        Self { base_url: base_url.await.expect("a process starts"), life, frost, thread }
    }

    /// Returns when nothing of the process is left but what it had sent.
    async fn die(self) {
        drop(self.life);
        spawn_blocking(|| self.thread.join()).await.expect("a thread to wait on").expect("a process dies in peace");
    }
}

/// Lambda gives each process one thread's worth of runtime, so a process here has one, too. Shutting it down drops
/// everything at whatever await point it stands, caches and connections with it.
fn live(
    options: Options,
    told: oneshot::Sender<String>,
    ended: oneshot::Receiver<()>,
    frozen: mpsc::UnboundedReceiver<Duration>,
) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bundle = Bundle::start(options).await.expect("a bundle starts");
        tokio::spawn(reconcile(reconciler_of(&bundle)));
        tokio::spawn(renew(scheduler_of(&bundle)));
        tokio::spawn(stand_still(frozen));
        let _ = told.send(bundle.base_url.clone());
        let _ = ended.await;
    });
    runtime.shutdown_background();
}

/// Holds the process's only thread, as Lambda freezes a process, and everything in it goes on later.
async fn stand_still(mut frozen: mpsc::UnboundedReceiver<Duration>) {
    while let Some(time) = frozen.recv().await {
        std::thread::sleep(time);
    }
}

/// Settles what is due, as the schedule does.
async fn reconcile(reconciler: Reconciler) {
    loop {
        // What fails is made again by the schedule.
        let _ = reconciler.run().await;
        sleep(RECONCILED_EVERY).await;
    }
}

/// Has charged what is due, as the schedule does; the process's own queue and worker do the rest.
async fn renew(scheduler: Scheduler) {
    loop {
        // What fails is made again by the schedule.
        let _ = scheduler.run().await;
        sleep(RENEWED_EVERY).await;
    }
}

/// Where the processes are at this moment. Clones are the same list.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<Vec<String>>>);

impl Addresses {
    /// One of them; it may be gone by the time it is called.
    pub(crate) fn any(&self, rng: &mut StdRng) -> String {
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        addresses[rng.random_range(0..addresses.len())].clone()
    }

    /// All of them are this one now.
    pub(crate) fn set_all(&self, address: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(address.to_owned());
    }

    fn set(&self, place: usize, address: &str) {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if place < addresses.len() {
            address.clone_into(&mut addresses[place]);
        } else {
            addresses.push(address.to_owned());
        }
    }
}

/// The processes of one deployment, and how many of them have died.
pub(crate) struct Processes {
    app: Arc<TestApp>,
    living: Vec<Process>,
    pub(crate) addresses: Addresses,
    pub(crate) toll: Toll,
}

/// What processes have gone through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Toll {
    pub(crate) deaths: usize,
    pub(crate) freezes: usize,
}

impl Processes {
    pub(crate) async fn start(app: Arc<TestApp>) -> Self {
        let mut all = Self { app, living: Vec::new(), addresses: Addresses::default(), toll: Toll::default() };
        for place in 0..AT_ONCE {
            let process = Process::start(all.app.sibling()).await;
            all.addresses.set(place, &process.base_url);
            all.living.push(process);
        }
        all
    }

    /// Kills them in turn, each at a moment that is drawn, until time is up; now and then the other one stands still.
    pub(crate) async fn die_in_turn(&mut self, rng: &mut StdRng, until: Instant) {
        for place in (0..AT_ONCE).cycle() {
            sleep_until(until.min(Instant::now() + Duration::from_millis(rng.random_range(LIFE_MS)))).await;
            if Instant::now() >= until {
                return;
            }
            let dying = self.living.remove(place);
            dying.die().await;
            self.toll.deaths += 1;
            let process = Process::start(self.app.sibling()).await;
            self.addresses.set(place, &process.base_url);
            self.living.insert(place, process);
            if rng.random_bool(0.5) {
                let oldest = &self.living[(place + 1) % AT_ONCE];
                let _ = oldest.frost.send(Duration::from_millis(rng.random_range(FROZEN_MS)));
                self.toll.freezes += 1;
            }
        }
    }

    /// Kills all of them, and starts none.
    pub(crate) async fn end(&mut self) {
        for process in self.living.drain(..) {
            process.die().await;
            self.toll.deaths += 1;
        }
    }
}
