//! Clients: each goes its own way, drawn from the seed and its number, and takes down what it hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::TestApp;
use tokio::time::{sleep, timeout};

use crate::processes::Addresses;
use crate::record::{Heard, Record};
use crate::requests::{self, Deed, Request};

/// Longer than any request takes.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long those wait who go away before the answer, in milliseconds.
const IMPATIENCE_MS: std::ops::Range<u64> = 20..1_500;
/// The pause between two requests of a client, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 0..60;
/// How often a request is sent again that was not answered, or is still running under the same key.
const INSISTENCE: usize = 4;
/// How long a client waits for the request that is running, in milliseconds: a lease ends within two seconds.
const COME_AGAIN_MS: std::ops::Range<u64> = 200..900;
/// How often a client looks for a process that is there.
const KNOCKS: usize = 40;
/// How many purchases clients of one organization share in each area code.
const SLOTS: usize = 2;
/// A number is chosen among as many that the organization has heard of last.
const REMEMBERED: usize = 16;

/// What all clients share.
pub(crate) struct Scene {
    pub(crate) app: Arc<TestApp>,
    pub(crate) seed: u64,
    pub(crate) addresses: Addresses,
    pub(crate) record: Record,
    /// The API key of each organization.
    pub(crate) api_keys: Vec<String>,
    pub(crate) over: AtomicBool,
}

/// What a client does next.
#[derive(Clone, Copy)]
enum Move {
    Buy,
    BuyKeyed,
    BuyShared,
    Import,
    ImportKeyed,
    /// An old key with its old body.
    Again,
    Patch,
    Release,
    Get,
    List,
}

const MOVES: [(Move, u32); 10] = [
    (Move::Buy, 10),
    (Move::BuyKeyed, 20),
    (Move::BuyShared, 12),
    (Move::Import, 4),
    (Move::ImportKeyed, 5),
    (Move::Again, 22),
    (Move::Patch, 8),
    (Move::Release, 14),
    (Move::Get, 4),
    (Move::List, 5),
];

/// What a request came to, as far as it matters for sending it again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Answer,
    /// Another one under the same key is still under way.
    Running,
    Nothing,
}

/// A request that carries a key, and whether an answer to it was ever lost.
struct Old {
    request: Request,
    lost: bool,
}

pub(crate) struct Client {
    scene: Arc<Scene>,
    number: usize,
    organization: usize,
    rng: StdRng,
    steps: usize,
    old: Vec<Old>,
}

impl Client {
    pub(crate) fn new(scene: Arc<Scene>, number: usize) -> Self {
        let organization = number % scene.api_keys.len();
        let salt = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1);
        let rng = StdRng::seed_from_u64(scene.seed ^ salt);
        Self { scene, number, organization, rng, steps: 0, old: Vec::new() }
    }

    /// Goes on until the storm is over.
    pub(crate) async fn run(mut self) -> Self {
        while !self.scene.over.load(Ordering::SeqCst) {
            let request = self.next();
            self.steps += 1;
            let came = self.send(&request).await;
            // As most clients do, and some do not.
            if came != Came::Answer && self.rng.random_bool(0.7) {
                self.insist(&request, came).await;
            }
            self.remember(request, came == Came::Nothing);
            sleep(Duration::from_millis(self.rng.random_range(PAUSE_MS))).await;
        }
        self
    }

    /// Sends a request again until it is answered, or it has been sent often enough.
    async fn insist(&mut self, request: &Request, mut came: Came) {
        for _ in 0..INSISTENCE {
            if came == Came::Answer {
                return;
            }
            if came == Came::Running {
                sleep(Duration::from_millis(self.rng.random_range(COME_AGAIN_MS))).await;
            }
            came = self.send(request).await;
        }
    }

    /// Sends old keys again: those whose answer was lost, and a few others.
    pub(crate) async fn repeat(&mut self, most: usize) {
        let (lost, known): (Vec<_>, Vec<_>) = self.old.drain(..).partition(|old| old.lost);
        for Old { request, .. } in lost.into_iter().rev().take(most).chain(known.into_iter().rev().take(most / 4)) {
            self.send(&request).await;
        }
    }

    fn next(&mut self) -> Request {
        let (area, key) = (requests::area(self.steps), format!("key-{}-{}", self.number, self.steps));
        let target = self.scene.record.recent(self.organization, self.rng.random_range(0..REMEMBERED));
        let rng = &mut self.rng;
        match (weighted(rng, &MOVES), target) {
            (Move::Buy, _) => requests::purchase(rng, area, None),
            (Move::BuyKeyed, _) => requests::purchase(rng, area, Some(key)),
            (Move::BuyShared, _) => {
                requests::shared_purchase(self.scene.seed, self.organization, area, rng.random_range(0..SLOTS))
            }
            (Move::Import, _) => requests::import(rng, area, None),
            (Move::ImportKeyed, _) => requests::import(rng, area, Some(key)),
            (Move::Again, _) => self.again().unwrap_or_else(Request::list),
            (Move::Patch, Some(id)) => requests::patch(rng, &id),
            (Move::Release, Some(id)) => Request::about(Deed::Release, &id),
            (Move::Get, Some(id)) => Request::about(Deed::Get, &id),
            (Move::List | Move::Patch | Move::Release | Move::Get, _) => Request::list(),
        }
    }

    /// An old key: every other time one whose answer was lost, because those are the ones that people repeat.
    fn again(&mut self) -> Option<Request> {
        let only_lost = self.rng.random_bool(0.5);
        let fitting: Vec<_> = self.old.iter().filter(|old| old.lost || !only_lost).collect();
        (!fitting.is_empty()).then(|| fitting[self.rng.random_range(0..fitting.len())].request.clone())
    }

    fn remember(&mut self, request: Request, lost: bool) {
        if request.key.is_none() {
            return;
        }
        match self.old.iter_mut().find(|old| old.request.key == request.key) {
            Some(old) => old.lost |= lost,
            None => self.old.push(Old { request, lost }),
        }
    }

    /// Sends a request to a process that is there.
    async fn send(&mut self, request: &Request) -> Came {
        let patience = if self.rng.random_bool(0.06) {
            Duration::from_millis(self.rng.random_range(IMPATIENCE_MS))
        } else {
            PATIENCE
        };
        for _ in 0..KNOCKS {
            self.scene.record.sends(request);
            let heard = match timeout(patience, self.call(request).try_send()).await {
                Ok(Ok(answer)) => Heard::Answer(answer),
                // Nobody was there: its place is about to be taken.
                Ok(Err(error)) if error.is_connect() => {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Ok(Err(_)) | Err(_) => Heard::Nothing,
            };
            self.scene.record.hears(self.number, self.organization, request, &heard);
            return match heard {
                Heard::Answer(answer) if answer.body["code"] == "IDEMPOTENCY_IN_PROGRESS" => Came::Running,
                Heard::Answer(_) => Came::Answer,
                Heard::Nothing => Came::Nothing,
            };
        }
        Came::Answer
    }

    fn call(&mut self, request: &Request) -> tests::Call {
        let scene = &self.scene;
        let address = scene.addresses.any(&mut self.rng);
        let call = scene.app.call_at(&address, request.deed.method(), &request.path());
        let call = call.key(&scene.api_keys[self.organization]);
        let call = match &request.body {
            Some(body) => call.json(body),
            None => call,
        };
        match &request.key {
            Some(key) => call.header("idempotency-key", key),
            None => call,
        }
    }
}

fn weighted(rng: &mut StdRng, moves: &[(Move, u32)]) -> Move {
    let mut left = rng.random_range(0..moves.iter().map(|(_, weight)| weight).sum());
    for (next, weight) in moves {
        if left < *weight {
            return *next;
        }
        left -= weight;
    }
    Move::List
}
