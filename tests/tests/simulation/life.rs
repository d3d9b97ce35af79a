//! One run: some months of a deployment, with what customers, operators, staff and the weather do to it, all drawn from a
//! seed.

mod deeds;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::api_key::ApiKey;
use domain::renewal::charged_from;
use domain::{EventId, MicroUsd, OrganizationId, Timestamp};
use local::seed::{Seed, World, plant, secret};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::books::Evidence;
use tests::chance::{Chance, Odds};
use tests::simulation::{Commit, Item, Key, Setting, Simulated, TABLE};
use tokio::task::JoinSet;

use crate::audit::{Audit, Seen, owed};
use crate::calendar::months_after;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How much is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) months: i64,
    /// Numbers that there are at once, at the most.
    pub(crate) numbers: usize,
    /// The share of its calls that a process does not survive in rough weather.
    pub(crate) deaths: f64,
}

/// How a run ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seen: Seen,
    pub(crate) deaths: usize,
    pub(crate) struck: usize,
    /// Messages that failed too often.
    pub(crate) dead_letters: usize,
    /// Every item of the table in the end, a line for each, in the order of their keys.
    pub(crate) table: String,
    /// What is wrong, and when it was found.
    pub(crate) wrong: Vec<String>,
}

/// What happens around the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Calls to the table and the carrier are struck, processes die, messages go astray.
    Rough,
    /// The carrier is down, or lies.
    NoCarrier,
    /// The schedules do not run.
    NoSchedule,
}

struct Customer {
    id: OrganizationId,
    key: String,
    /// How far it has read its events, and which it has read.
    cursor: Option<(Timestamp, String)>,
    read: BTreeSet<String>,
}

/// When a schedule runs, and how long it rests while what is due cannot be done.
struct Pace {
    last: Timestamp,
    rest: Duration,
    late: Duration,
}

impl Pace {
    const fn new(now: Timestamp) -> Self {
        Self { last: now, rest: MINUTE, late: Duration::ZERO }
    }

    /// Remembers a run. Overdue work is looked at again after a minute, then less and less often: what cannot be done in
    /// that time is not done in the next minute, either.
    fn ran(&mut self, now: Timestamp, overdue: bool, dice: &mut StdRng) {
        self.last = now;
        self.rest = if overdue { (self.rest * 2).min(55 * MINUTE) } else { MINUTE };
        self.late = if dice.random_bool(0.015) {
            dice.random_range(1..40) * HOUR
        } else {
            Duration::from_millis(dice.random_range(0..60_000))
        };
    }

    fn next(&self, due: Timestamp) -> Timestamp {
        due.max(self.last.plus(self.rest)).plus(self.late)
    }
}

/// What is due by the work index, as the commits tell it.
#[derive(Default)]
struct Work {
    due: BTreeMap<Key, (bool, Timestamp)>,
    /// When suspended numbers are to be released, and whether the schedule runs every hour before that.
    releases: BTreeMap<Key, (Timestamp, bool)>,
}

impl Work {
    fn follow(&mut self, commit: &Commit, dice: &mut StdRng) {
        for write in &commit.writes {
            let new = write.new.as_ref();
            let time = |name: &str| {
                let text = new?[name]["S"].as_str()?;
                Timestamp::parse(text.split('#').next()?).ok()
            };
            let shard = new.and_then(|item| item["workShard"]["S"].as_str()).unwrap_or_default();
            let charge = shard.starts_with("WORK#CHARGE#");
            let booked = shard == "WORK#CREDITS";
            let unsettled = shard.strip_prefix("WORK#").is_some_and(|name| name.parse::<u8>().is_ok());
            match time("workDue").filter(|_| charge || booked || unsettled) {
                Some(at) => {
                    let at = if charge { charged_from(at) } else { at };
                    self.due.insert(write.key.clone(), (unsettled, at));
                }
                None => drop(self.due.remove(&write.key)),
            }
            let charged = new.is_some_and(|row| row["nextChargeAt"].is_object());
            match time("scheduledReleaseAt").filter(|_| charged) {
                Some(at) if self.releases.get(&write.key).is_some_and(|(known, _)| *known == at) => {}
                Some(at) => drop(self.releases.insert(write.key.clone(), (at, dice.random_bool(0.5)))),
                None => drop(self.releases.remove(&write.key)),
            }
        }
    }

    fn next(&self, unsettled: bool) -> Option<Timestamp> {
        self.due.values().filter(|(kind, _)| *kind == unsettled).map(|(_, at)| *at).min()
    }
}

pub(crate) struct Life {
    size: Size,
    /// Whether steps and commits are printed.
    tell: bool,
    world: Arc<Simulated>,
    dice: StdRng,
    audit: Audit,
    work: Work,
    customers: Vec<Customer>,
    weather: Weather,
    struck: usize,
    requests: JoinSet<()>,
    /// What customers should not have been answered.
    complaints: Arc<Mutex<Vec<String>>>,
    counter: u64,
    wrong: Vec<String>,
    began: Timestamp,
}

/// Lives one seed through, and tells of every step and commit if asked to.
pub(crate) fn run(seed: u64, size: Size, tell: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut life = Life::begin(seed, size, tell).await;
        life.live().await;
        life.end()
    })
}

impl Life {
    async fn begin(seed: u64, size: Size, tell: bool) -> Self {
        let mut dice = StdRng::seed_from_u64(seed ^ 0x11fe);
        // Every run begins on another day, the last of a long month among them.
        let day = dice.random_range(0..31_i64);
        let epoch = Timestamp::parse("2027-01-01T00:00:00.000Z").expect("a time");
        let epoch = epoch.plus(Duration::from_secs(86_400 * day.unsigned_abs() + dice.random_range(0..86_400)));
        let fee = ["0", "0.50", "2.00"][dice.random_range(0..3)];
        let grace = [3, 7, 30][dice.random_range(0..3)];
        let parameters = BTreeMap::from([
            ("UpfrontPriceUsd", "1.00".to_owned()),
            ("MonthlyPriceUsd", "1.00".to_owned()),
            ("ImportMonthlyFeeUsd", fee.to_owned()),
            ("GracePeriodDays", grace.to_string()),
        ]);
        let world = Arc::new(Simulated::start(Setting { seed, epoch, parameters }).await);
        let mut life = Self {
            size,
            tell,
            dice,
            audit: Audit::new(grace * DAY),
            work: Work::default(),
            customers: Vec::new(),
            weather: Weather::Fair,
            struck: 0,
            requests: JoinSet::new(),
            complaints: Arc::default(),
            counter: 0,
            wrong: Vec::new(),
            began: world.now(),
            world,
        };
        for _ in 0..life.dice.random_range(2..=4) {
            life.welcome().await;
        }
        life
    }

    /// Another organization comes.
    async fn welcome(&mut self) {
        let name = format!("org_{}", self.customers.len() + 1);
        let key = ApiKey::new(secret(&*self.world.randomness)).reveal().to_owned();
        let seed = Seed {
            name: name.clone(),
            id: name.clone(),
            api_key: key.clone(),
            agent_ids: Vec::new(),
            sip_connection_installation_ids: Vec::new(),
        };
        let credits = MicroUsd::from_micros(self.dice.random_range(4..20) * 500_000);
        let world = World { credits, ..tests::approved() };
        plant(&self.world.table, &seed, &world, self.world.now(), &*self.world.randomness).await.expect("it comes");
        let id = OrganizationId::parse(&name).expect("an id");
        self.customers.push(Customer { id, key, cursor: None, read: BTreeSet::new() });
    }

    async fn live(&mut self) {
        let mut month = 1;
        let (mut renewals, mut reconciler) = (Pace::new(self.began), Pace::new(self.began));
        let (mut action, mut change, mut reading) = (self.began, self.began.plus(5 * DAY), self.began.plus(10 * DAY));
        while self.wrong.is_empty() && month <= self.size.months {
            self.look();
            let now = self.world.now();
            let checkpoint = Timestamp::parse(&months_after(&self.began.to_string(), month)).expect("a time");
            let due = self.next_charge(&renewals);
            let settle = self.work.next(true).map_or(checkpoint, |due| reconciler.next(due));
            let next = [checkpoint, due, settle, action, change, reading].into_iter().min().unwrap_or(checkpoint);
            self.world.pass(next.since(now)).await;
            let now = self.world.now();
            if next == checkpoint {
                self.check().await;
                (renewals, reconciler) = (Pace::new(self.world.now()), Pace::new(self.world.now()));
                month += 1;
            } else if next == change {
                change = now.plus(self.turn());
            } else if next == action {
                self.act().await;
                action = now.plus(Duration::from_secs(self.dice.random_range(600..6 * 86_400)));
            } else if next == reading {
                self.read_events().await;
                reading = now.plus(13 * DAY);
            } else if next == due {
                self.schedule("renewals-due").await;
                let overdue = self.work.next(false).is_some_and(|due| due <= now);
                renewals.ran(now, overdue, &mut self.dice);
            } else {
                self.schedule("reconciler").await;
                let overdue = self.work.next(true).is_some_and(|due| due <= now);
                reconciler.ran(now, overdue, &mut self.dice);
            }
        }
    }

    /// When the schedule of renewals finds something to do: it runs every minute, and the other runs are left out. Before a
    /// release it has to be seen alive for a day.
    fn next_charge(&self, pace: &Pace) -> Timestamp {
        let idle = pace.last.plus(4 * DAY);
        let due = self.work.next(false).map_or(idle, |due| due.min(idle));
        let due = pace.next(due);
        let watched = self.work.releases.values().filter(|(_, watched)| *watched).map(|(at, _)| *at).min();
        watched.map_or(due, |release| release.minus(26 * HOUR).max(pace.last.plus(55 * MINUTE)).min(due))
    }

    fn say(&self, what: &str) {
        if self.tell {
            println!("{} {what}", self.world.now());
        }
    }

    async fn schedule(&mut self, function: &'static str) {
        if self.weather == Weather::NoSchedule {
            return;
        }
        self.say(function);
        let twice = self.dice.random_bool(0.05);
        for _ in 0..=u8::from(twice) {
            let world = self.world.clone();
            self.requests.spawn(async move {
                world.run(function).await;
            });
        }
        // Credits often come just when something is charged.
        if self.dice.random_bool(0.1) {
            let customer = self.dice.random_range(0..self.customers.len());
            let pause = Duration::from_millis(self.dice.random_range(0..300));
            self.grant(customer, pause, 3).await;
        }
        self.settle_mostly().await;
        self.let_late_calls_arrive().await;
        if self.dice.random_bool(0.9) {
            let _ = tokio::time::timeout(10 * MINUTE, self.world.queues.settled()).await;
        }
        self.look();
    }

    /// Calls whose senders have given up arrive after minutes, or after a day.
    async fn let_late_calls_arrive(&mut self) {
        let dice = &mut self.dice;
        for call in self.world.faults.take_late(|| dice.random_bool(0.3)) {
            call.await;
        }
    }

    /// Mostly a request has come to its end before something else happens.
    async fn settle_mostly(&mut self) {
        if self.dice.random_bool(0.85) {
            while self.requests.join_next().await.is_some() {}
        }
    }

    /// Has the audit look at what was written since.
    fn look(&mut self) {
        for commit in self.world.engine.take_commits() {
            if self.tell {
                println!("{commit}");
            }
            self.work.follow(&commit, &mut self.dice);
            if let Err(wrong) = self.audit.look_at(&commit) {
                self.wrong.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", commit.at)));
            }
        }
    }

    /// The weather changes; for how long.
    fn turn(&mut self) -> Duration {
        let weather = match self.dice.random_range(0..10) {
            0..=4 => Weather::Fair,
            5..=7 => Weather::Rough,
            8 => Weather::NoCarrier,
            _ => Weather::NoSchedule,
        };
        self.set(weather);
        let days = match weather {
            Weather::Fair => 4..16,
            Weather::Rough => 2..8,
            Weather::NoCarrier | Weather::NoSchedule => 1..4,
        };
        self.dice.random_range(days) * DAY
    }

    fn set(&mut self, weather: Weather) {
        self.struck += self.world.faults.struck_by_chance().by_fault.values().sum::<usize>();
        self.world.faults.spare();
        self.weather = weather;
        self.say(&format!("{weather:?}"));
        let (table, carrier, deaths, queues) = match weather {
            Weather::Fair | Weather::NoSchedule => (0.0, 0.0, 0.0, 0.0),
            Weather::Rough => (0.04, 0.2, self.size.deaths, 0.2),
            Weather::NoCarrier => (0.0, 0.95, 0.002, 0.0),
        };
        self.world.hardship.set(deaths, queues);
        let odds = Odds { table, carrier, delayed: table };
        self.world.faults.leave_to(Chance::new(self.dice.random(), odds, self.world.clock.clone()));
    }

    /// Lets everything come to rest in fair weather, then looks at the whole.
    async fn check(&mut self) {
        let weather = self.weather;
        while self.requests.join_next().await.is_some() {}
        self.set(Weather::Fair);
        self.world.faults.deliver_late().await;
        for round in 0..24 {
            // Longer than an index is behind, and than the quarter of an hour in which a month is charged.
            self.world.pass(16 * MINUTE).await;
            for function in ["reconciler", "renewals-due"] {
                self.schedule(function).await;
            }
            while self.requests.join_next().await.is_some() {}
            self.world.queues.settled().await;
            self.look();
            let overdue = |unsettled: bool| self.work.next(unsettled).is_some_and(|due| due <= self.world.now());
            if round > 0 && !overdue(true) && !overdue(false) {
                break;
            }
        }
        self.read_events().await;
        self.check_whole();
        self.set(weather);
    }

    /// Audits the whole table.
    fn check_whole(&mut self) {
        let now = self.world.now();
        self.wrong.append(&mut self.complaints.lock().expect("no panic"));
        let items = self.world.engine.items();
        if self.world.engine.scan(TABLE) != items {
            self.wrong.push("the log of writes and the engine do not agree".to_owned());
        }
        for row in self.rows(|row| row["nextChargeAt"].is_object()) {
            let debt = owed(&row, now.minus(16 * MINUTE));
            let balance = &items[&(row["PK"]["S"].as_str().unwrap_or_default().to_owned(), "CREDITS".to_owned())];
            let balance: i64 =
                balance["balanceMicroUsd"]["N"].as_str().map_or(0, |text| text.parse().expect("a number"));
            let suspended = row["billingSuspendedAt"].is_object();
            if debt > 0 && (!suspended || balance >= owed(&row, now)) {
                self.wrong.push(format!("{now}: {} owes {debt} of {balance}, suspended {suspended}", row["id"]["S"]));
            }
        }
        for Customer { id, read, .. } in &self.customers {
            let feed = format!("FEED#{id}");
            // The feed is half a minute behind.
            let settled = EventId::new(now.minus(MINUTE), 0).to_string();
            let written = items.range((feed.clone(), String::new())..).take_while(|((pk, _), _)| *pk == feed);
            let missed: Vec<&str> = written
                .map(|((_, sk), _)| sk.as_str())
                .filter(|id| *id < settled.as_str() && !read.contains(*id))
                .collect();
            if !missed.is_empty() {
                self.wrong.push(format!("{now}: {id} has not read its events {missed:?}"));
            }
        }
        // An order that may arrive after its refund is looked for again, and what it brings is given back.
        let expected = |reference: &str| items.keys().any(|(_, sk)| sk.strip_prefix("LATEORDER#") == Some(reference));
        let mut owned = self.world.carrier.numbers();
        owned.retain(|number| !number.customer_reference.as_deref().is_some_and(expected));
        let evidence = Evidence {
            items: items.into_values().collect(),
            owned,
            orders: self.world.carrier.orders(),
            sent: self.world.faults.orders_sent(),
            now,
            table: TABLE,
        };
        self.wrong.extend(evidence.violations().into_iter().map(|wrong| format!("{now}: {wrong}")));
    }

    fn end(mut self) -> Outcome {
        self.struck += self.world.faults.struck_by_chance().by_fault.values().sum::<usize>();
        let queues = ["RenewalsQueue", "NotificationsQueue"];
        let line = |(key, item): (Key, Item)| format!("{} {} {item}\n", key.0, key.1);
        Outcome {
            seen: self.audit.seen,
            deaths: self.world.hardship.deaths(),
            struck: self.struck,
            dead_letters: queues.map(|name| self.world.queues.of(name).dead_letters().len()).iter().sum(),
            table: self.world.engine.items().into_iter().map(line).collect(),
            wrong: self.wrong,
        }
    }
}
