//! Buying, importing, changing, releasing and verifying, with every call to the table and to the carrier struck by every fault.
//!
//! A clean run of a flow tells which calls it makes. Then the flow runs once for each of them and each fault; after that
//! the reconciler runs as its schedule would let it, the customer does what a customer does, and the books are audited.
//!
//! One run strikes a fifth of the cases, another fifth each time; all of them take some five minutes:
//!
//! ```sh
//! FAULTS=all cargo test -p tests --test faults -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![expect(clippy::print_stderr, reason = "it takes minutes, and says how far it is")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::api_key::Scope;
use domain::audit::Actor;
use domain::kyb::{Attestation, Decision, Declaration, Filing, Review, Status, Submission, SubmittedBy};
use domain::{ApiKeyId, Clock, KybId, Name, Prose};
use serde_json::{Value, json};
use tests::books::{FOR_A_PERSON, is_anything_due, unfinished, violations};
use tests::faults::{Fault, Faults, ORDER, Place, is_read};
use tests::{Answer, TestApp};
use tokio::task::JoinSet;

/// What is done while calls are struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Buy,
    BuyPending,
    BuyRefused,
    BuyKeyed,
    BuyKeyedFailing,
    /// The key of a purchase that was refunded, again: it buys anew.
    RepeatRefunded,
    /// The key of a purchase whose number was released, again: it buys nothing.
    RepeatReleased,
    Import,
    ImportKeyed,
    Release,
    ReleaseImported,
    /// A number gets another label and another agent.
    Change,
    /// A verification is submitted and approved.
    Verify,
    Adopt,
    GiveBack,
    FinishRelease,
    /// A month of a number is paid.
    Charge,
    /// A month of a number is paid, and the next one is not covered.
    Suspend,
    /// Credits have come for a suspended number.
    Lift,
    /// Nobody has paid for a number until the announced date.
    Forfeit,
    ForfeitImported,
}

impl Flow {
    const ALL: [Self; 21] = [
        Self::Buy,
        Self::BuyPending,
        Self::BuyRefused,
        Self::BuyKeyed,
        Self::BuyKeyedFailing,
        Self::RepeatRefunded,
        Self::RepeatReleased,
        Self::Import,
        Self::ImportKeyed,
        Self::Release,
        Self::ReleaseImported,
        Self::Change,
        Self::Verify,
        Self::Adopt,
        Self::GiveBack,
        Self::FinishRelease,
        Self::Charge,
        Self::Suspend,
        Self::Lift,
        Self::Forfeit,
        Self::ForfeitImported,
    ];

    const fn describe(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::BuyPending => "buy, the order stays pending for a while",
            Self::BuyRefused => "buy, the carrier refuses the order",
            Self::BuyKeyed => "buy under an `Idempotency-Key`, and again",
            Self::BuyKeyedFailing => "buy under an `Idempotency-Key`, the order fails later, and again",
            Self::RepeatRefunded => "a key again whose purchase was refunded",
            Self::RepeatReleased => "a key again whose number was bought and released",
            Self::Import => "import",
            Self::ImportKeyed => "import under an `Idempotency-Key`, and again",
            Self::Release => "release",
            Self::ReleaseImported => "release an imported number",
            Self::Change => "change the label and the agent",
            Self::Verify => "submit a verification, and approve it",
            Self::Adopt => "reconciler: an order in doubt that the carrier has",
            Self::GiveBack => "reconciler: an order in doubt that has failed",
            Self::FinishRelease => "reconciler: a release that stopped half-way",
            Self::Charge => "renewals: a month is paid",
            Self::Suspend => "renewals: a month is paid, and the next one is not covered",
            Self::Lift => "renewals: credits have come for a suspended number",
            Self::Forfeit => "renewals: a number that nobody pays for is released",
            Self::ForfeitImported => "renewals: an imported number that nobody pays for is removed",
        }
    }

    /// The last four digits of the flow's number: what the sandbox carrier does with it.
    const fn magic(self) -> &'static str {
        match self {
            Self::BuyPending => "0202",
            Self::BuyRefused => "0404",
            Self::Adopt => "0500",
            Self::GiveBack | Self::BuyKeyedFailing => "0409",
            Self::RepeatRefunded => "0408",
            Self::FinishRelease => "0523",
            Self::Buy
            | Self::BuyKeyed
            | Self::RepeatReleased
            | Self::Import
            | Self::ImportKeyed
            | Self::Release
            | Self::ReleaseImported
            | Self::Change
            | Self::Verify
            | Self::Charge
            | Self::Suspend
            | Self::Lift
            | Self::Forfeit
            | Self::ForfeitImported => "0142",
        }
    }

    const fn imports(self) -> bool {
        matches!(self, Self::Import | Self::ImportKeyed | Self::ReleaseImported | Self::Change | Self::ForfeitImported)
    }

    /// Whether numbers are charged.
    const fn renews(self) -> bool {
        matches!(self, Self::Charge | Self::Suspend | Self::Lift | Self::Forfeit | Self::ForfeitImported)
    }

    const fn keyed(self) -> bool {
        matches!(
            self,
            Self::BuyKeyed | Self::BuyKeyedFailing | Self::RepeatRefunded | Self::RepeatReleased | Self::ImportKeyed
        )
    }

    /// Whether a fault of a call is a case of its own in this flow. A repeated key goes the way of a first purchase once it
    /// has found what to do, and what becomes of a failed read there is struck in that flow.
    fn is_struck_by(self, fault: Fault, step: &str) -> bool {
        let repeats = matches!(self, Self::RepeatRefunded | Self::RepeatReleased);
        let of_first_purchase = repeats && is_read(step);
        fault.differs_for(step)
            && (!of_first_purchase || matches!(fault, Fault::DiesBefore | Fault::Garbled | Fault::Outage))
    }

    /// What the same key may be answered, whatever became of the flow by then.
    const fn may_answer_again(self, status: u16) -> bool {
        match self {
            // A number that was made is answered for a day; once it has gone, nothing is made again.
            Self::RepeatReleased => status == 422,
            // The answer that the order is in doubt is one for a day, too.
            Self::BuyKeyedFailing => matches!(status, 200 | 409),
            _ => status == 200,
        }
    }

    /// Whether nothing may be left in the end, whatever happens.
    const fn ends_empty(self) -> bool {
        matches!(
            self,
            Self::BuyRefused
                | Self::BuyKeyedFailing
                | Self::RepeatReleased
                | Self::Release
                | Self::ReleaseImported
                | Self::Verify
                | Self::GiveBack
                | Self::FinishRelease
                | Self::Forfeit
                | Self::ForfeitImported
        )
    }
}

/// How a flow ended, once everything was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The number is there.
    There,
    /// Nothing is there, and nothing was paid for it or all was refunded.
    Nothing,
    /// The number is paid for, and a person decides about its order.
    Person,
}

/// What an answer says.
#[derive(Clone, Copy, Debug)]
struct Said {
    status: u16,
    /// The number is there, and not in use yet.
    in_doubt: bool,
}

impl Said {
    fn of(answer: &Answer) -> Self {
        Self { status: answer.status, in_doubt: answer.body["setupStatus"]["status"] == "action_required" }
    }
}

/// Area codes, one for each flow that runs in one world.
const AREA_CODES: [u16; 24] = [
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234,
    239,
];

/// A world in which flows run one after another, each with a number of its own.
struct World {
    app: Arc<TestApp>,
    faults: Faults,
    used: usize,
}

impl World {
    async fn start() -> Self {
        let faults = Faults::default();
        Self { app: Arc::new(TestApp::struck_by(&faults).await), faults, used: 0 }
    }

    /// Makes everything ready for a flow.
    async fn prepare(&mut self, flow: Flow) -> Run {
        let (app, faults) = (self.app.clone(), self.faults.clone());
        let number = format!("+1{}555{}", AREA_CODES[self.used], flow.magic());
        self.used += 1;
        let key = app.key.clone();
        let mut run = Run { flow, app, faults, number, key, path: String::new() };
        match flow {
            Flow::Buy
            | Flow::BuyRefused
            | Flow::BuyKeyed
            | Flow::BuyKeyedFailing
            | Flow::Import
            | Flow::ImportKeyed => {}
            Flow::RepeatRefunded | Flow::RepeatReleased => {
                run.faults.die_after(ORDER, run.register()).await;
                run.app.clock.advance(Duration::from_mins(2));
                run.app.reconciler.run().await.unwrap();
                if flow == Flow::RepeatReleased {
                    for row in run.rows().await {
                        run.app.delete(&path(&row)).send().await.ok();
                    }
                }
                assert_eq!(run.rows().await, Vec::<Value>::new(), "{flow:?}");
            }
            Flow::BuyPending => {
                // Time passes once the carrier has been asked, so that the second question finds the order done.
                let clock = run.app.clock.clone();
                run.faults.after("carrier GET /number_orders/{id}", move || clock.advance(Duration::from_secs(61)));
            }
            Flow::Release | Flow::ReleaseImported | Flow::Change => {
                run.path = path(&run.register().send().await.ok());
            }
            Flow::Verify => run.decide(&Decision::Revoke { reason: Prose::parse("Moved").unwrap() }).await.unwrap(),
            Flow::Adopt => drop(run.register().send().await.ok()),
            Flow::GiveBack => {
                run.faults.arm(Some((Place::Named(ORDER), Fault::ErrorAfter)));
                run.register().send().await.ok();
            }
            Flow::Charge | Flow::Suspend | Flow::Lift | Flow::Forfeit | Flow::ForfeitImported => run.make_due().await,
            Flow::FinishRelease => {
                let row = run.register().send().await.ok();
                run.app.delete(&path(&row)).send().await.refused(503, "CARRIER_UNAVAILABLE");
            }
        }
        // The row is due now.
        if !flow.renews() {
            run.app.clock.advance(Duration::from_mins(2));
        }
        // It has to be looked up, and its use to be written down.
        run.key = run.app.key_with(&Scope::ALL).await;
        run
    }

    /// Whether another flow can run here: there is a number left, and the last flow has left nothing.
    const fn is_good(&self, last: Outcome, wrong: &[String]) -> bool {
        self.used < AREA_CODES.len() && wrong.is_empty() && !matches!(last, Outcome::Person)
    }
}

/// One flow in its world.
struct Run {
    flow: Flow,
    app: Arc<TestApp>,
    faults: Faults,
    number: String,
    key: String,
    /// The number's address, where the flow begins with one.
    path: String,
}

impl Run {
    /// Buys or imports the flow's number for an agent.
    fn register(&self) -> tests::Call {
        let (path, body) = if self.flow.imports() {
            let body = json!({ "e164": self.number, "sipConnectionInstallationId": "sip_up", "agentId": "agent_1" });
            ("/v1/phone-numbers/import", body)
        } else {
            ("/v1/phone-numbers", json!({ "e164": self.number, "agentId": "agent_1" }))
        };
        let call = self.app.post(path, &body).key(&self.key);
        // Each flow in a world has a key of its own, as it has a number.
        if self.flow.keyed() { call.header("idempotency-key", &self.number[1..]) } else { call }
    }

    /// Registers the flow's number, and lets time pass until it is charged.
    async fn make_due(&self) {
        // Past the longest month, and past the quarter of an hour in which its end falls.
        let (month, day) = (Duration::from_hours(31 * 24 + 1), Duration::from_hours(24));
        let app = &self.app;
        self.register().send().await.ok();
        match self.flow {
            Flow::Charge => app.clock.advance(month),
            Flow::Suspend => {
                app.take_all(&format!("take:{}", &self.number[1..])).await;
                app.grant(&format!("one:{}", &self.number[1..]), 1_000_000).await;
                app.clock.advance(2 * month);
            }
            _ => {
                app.take_all(&format!("take:{}", &self.number[1..])).await;
                app.clock.advance(month);
                app.renew().await;
                if self.flow == Flow::Lift {
                    app.grant(&format!("one:{}", &self.number[1..]), 1_000_000).await;
                } else {
                    // The last day of its grace begins with a refusal, and the schedule lives through it.
                    app.clock.advance(29 * day);
                    app.renew().await;
                    app.clock.advance(day + Duration::from_mins(10));
                    app.keep_alive().await;
                }
            }
        }
    }

    /// What a renewal has to have done in the end, and whoever comes next has credits again.
    async fn check_renewal(&self, rows: &[Value], wrong: &mut Vec<String>) {
        let suspended = rows.iter().filter(|row| row["billingSuspendedAt"].is_string()).count();
        if suspended != usize::from(self.flow == Flow::Suspend) {
            wrong.push(format!("{suspended} of {} numbers are suspended", rows.len()));
        }
        let last = last_entry(&self.app).await;
        let paid = matches!(self.flow, Flow::Charge | Flow::Suspend | Flow::Lift);
        if paid != last.starts_with("renewal:") {
            wrong.push(format!("the last entry of the ledger is {last}"));
        }
        self.app.grant(&format!("more:{}", &self.number[1..]), 100_000_000).await;
        self.app.renew().await;
    }

    async fn rows(&self) -> Vec<Value> {
        self.app.get("/v1/phone-numbers").send().await.ok().as_array().unwrap().clone()
    }

    /// Does it once; the answer, where there is somebody to answer.
    async fn act(&self) -> Option<Said> {
        match self.flow {
            Flow::Adopt | Flow::GiveBack | Flow::FinishRelease => {
                let _ = self.app.reconciler.run().await;
                None
            }
            flow if flow.renews() => {
                let _ = self.app.charger.renew(&self.app.organization).await;
                None
            }
            Flow::Release | Flow::ReleaseImported => {
                Some(Said::of(&self.app.delete(&self.path).key(&self.key).send().await))
            }
            Flow::Change => {
                let change = json!({ "label": "Desk", "agentId": "agent_2" });
                Some(Said::of(&self.app.patch(&self.path, &change).key(&self.key).send().await))
            }
            Flow::Verify => {
                if self.submit().await.is_ok() {
                    let _ = self.decide(&Decision::Approve).await;
                }
                None
            }
            _ => Some(Said::of(&self.register().send().await)),
        }
    }

    /// Submits the organization's verification, past the queue that tells staff of it.
    async fn submit(&self) -> domain::Result<()> {
        let (table, now) = (&self.app.bundle.table, self.app.clock.now());
        let (organization, id) = (&self.app.organization, KybId::new(now, rand::random()));
        let by = SubmittedBy { api_key: ApiKeyId::new(now, 1), user_id: None, email: None };
        let file = |current: Option<&Submission>| {
            let (business_name, use_case) = (Name::parse("Acme").unwrap(), Prose::parse("Reminders").unwrap());
            let filing = Filing::Short(Declaration { business_name, use_case });
            let attestation = Attestation::current();
            Submission::submit(current, organization, id.clone(), filing, by.clone(), attestation, now)
        };
        table.file_submission(organization, file, None, &Actor::System("tests")).await.map(drop)
    }

    /// Decides about the current verification.
    async fn decide(&self, decision: &Decision) -> domain::Result<()> {
        let (table, organization) = (&self.app.bundle.table, &self.app.organization);
        let id = table.verification(organization).await?.current.ok_or(domain::Error::NotFound)?.id;
        let review = Review { at: self.app.clock.now(), reviewer_id: "U1".into(), reviewer_email: None };
        let reviewer = Actor::Reviewer { id: "U1".into(), email: None };
        table.decide(organization, &id, decision, &review, &reviewer).await.map(drop)
    }

    /// Does it while one call is struck. A process that dies leaves nothing behind but what it had sent.
    async fn act_struck(self: &Arc<Self>) -> Option<Said> {
        let run = self.clone();
        let mut acting = tokio::spawn(async move { run.act().await });
        let said = tokio::select! {
            said = &mut acting => said.unwrap(),
            () = self.faults.struck() => {
                acting.abort();
                self.faults.gone().await;
                None
            }
        };
        self.faults.spare();
        said
    }

    /// What happens in the day after: the schedule, calls that arrive late, and a customer who tries again.
    async fn settle(&self, fault: Option<Fault>, wrong: &mut Vec<String>) {
        // A key is valid for a day after its request was run last, and it is repeated at the end.
        let last = if self.flow.keyed() { Duration::from_hours(18) } else { Duration::from_hours(25) };
        let minutes = Duration::from_mins;
        let pauses = [minutes(2), minutes(20), minutes(30), minutes(20), minutes(120), last];
        for (round, pause) in pauses.into_iter().enumerate() {
            // After the third and the fourth look an order that never arrived is refunded.
            let arrives = [(Fault::Late, 0), (Fault::Later, 1), (Fault::Latest, 4)];
            if arrives.iter().any(|arrives| fault.map(|fault| (fault, round)) == Some(*arrives)) {
                self.faults.deliver_late().await;
            }
            self.app.clock.advance(pause);
            if self.flow.renews() {
                self.app.renew().await;
            }
            if is_anything_due(&self.app).await
                && let Err(error) = self.app.reconciler.run().await
            {
                wrong.push(format!("the reconciler fails: {error:?}"));
            }
            // While it may still be in doubt, and once it is settled.
            if (round == 0 || round == 4) && self.flow.keyed() {
                for _ in 0..2 {
                    self.repeat(wrong).await;
                }
            }
            if round == 1 && matches!(self.flow, Flow::Release | Flow::ReleaseImported) {
                for row in self.rows().await {
                    let again = self.app.delete(&path(&row)).send().await;
                    if again.status != 200 {
                        wrong.push(format!("releasing again is answered {} {}", again.status, again.text));
                    }
                }
            }
        }
    }

    /// What was not submitted is submitted, and what was not approved is approved: the next flow needs that.
    async fn verify(&self, wrong: &mut Vec<String>) {
        let status = async || self.app.bundle.table.verification(&self.app.organization).await.unwrap().current;
        if status().await.is_none_or(|current| current.status() == Status::Revoked) {
            self.submit().await.unwrap();
        }
        if status().await.is_some_and(|current| current.status() == Status::Submitted) {
            self.decide(&Decision::Approve).await.unwrap();
        }
        if status().await.is_none_or(|current| current.status() != Status::Approved) {
            wrong.push("the verification is not approved in the end".to_owned());
        }
    }

    /// The customer sends the same request under the same key again.
    async fn repeat(&self, wrong: &mut Vec<String>) {
        let again = self.register().send().await;
        if !self.flow.may_answer_again(again.status) {
            wrong.push(format!("the same key again is answered {} {}", again.status, again.text));
        }
    }

    /// The number is released, and the same key is sent again: the first answer may be given again, but nothing is made.
    async fn repeat_after_release(&self, wrong: &mut Vec<String>) {
        let orders = || self.app.bundle.carrier.orders().len();
        let before = (orders(), self.app.balance().await);
        for _ in 0..2 {
            let again = self.register().send().await;
            if !(again.status == 422 || again.header("idempotency-replayed") == "true") {
                wrong.push(format!("after its release, the key is answered {} {}", again.status, again.text));
            }
        }
        if (orders(), self.app.balance().await) != before || !self.rows().await.is_empty() {
            wrong.push("after its release, the key has made something again".to_owned());
        }
        wrong.extend(violations(&self.app).await);
    }

    /// Looks at everything once nothing moves any more.
    async fn judge(&self, said: Option<Said>, wrong: &mut Vec<String>) -> Outcome {
        wrong.extend(violations(&self.app).await);
        if self.flow == Flow::Verify {
            self.verify(wrong).await;
            wrong.extend(violations(&self.app).await);
        }
        let open = unfinished(&self.app).await;
        let rows = self.rows().await;
        let outcome = match (rows.len(), open.as_slice()) {
            (0, []) => Outcome::Nothing,
            (1, []) => Outcome::There,
            (1, [only]) if only == FOR_A_PERSON => Outcome::Person,
            _ => {
                wrong.push(format!("{} rows, and still open: {open:?}", rows.len()));
                Outcome::There
            }
        };
        if self.flow.renews() {
            self.check_renewal(&rows, wrong).await;
        }
        let registers = !matches!(self.flow, Flow::Release | Flow::ReleaseImported | Flow::Change | Flow::Verify);
        match said {
            Some(Said { status: 200, in_doubt: false }) if registers && outcome == Outcome::Nothing => {
                wrong.push("answered as done, and nothing is there".to_owned());
            }
            Some(Said { status: 400..=499, .. }) if registers && outcome != Outcome::Nothing && !self.flow.keyed() => {
                wrong.push("answered as refused, and it has happened".to_owned());
            }
            _ => {}
        }
        if self.flow.ends_empty() && outcome == Outcome::There {
            wrong.push("the number is still there".to_owned());
        }
        if self.flow == Flow::Adopt && outcome != Outcome::There {
            wrong.push("the number that the carrier has is not there".to_owned());
        }
        if outcome == Outcome::There {
            // The next flow needs the agent.
            for row in rows {
                self.app.delete(&path(&row)).send().await.ok();
            }
            if self.flow.keyed() {
                self.repeat_after_release(wrong).await;
            }
        }
        outcome
    }
}

async fn last_entry(app: &TestApp) -> String {
    let page = app.get("/v1/credits/ledger?limit=1").send().await.ok();
    page["entries"][0]["id"].as_str().unwrap().to_owned()
}

fn path(row: &Value) -> String {
    format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap())
}

/// The calls that a flow makes when nothing goes wrong.
async fn steps_of(flow: Flow, world: &mut World) -> Vec<String> {
    let run = world.prepare(flow).await;
    run.faults.arm(None);
    let said = run.act().await;
    let expected = match flow {
        Flow::BuyRefused | Flow::BuyKeyedFailing => 409,
        Flow::RepeatReleased => 422,
        _ => 200,
    };
    assert_eq!(said.map_or(200, |said| said.status), expected, "{flow:?}");
    let steps = run.faults.spare();
    let mut wrong = Vec::new();
    run.settle(None, &mut wrong).await;
    let expected = if flow.ends_empty() { Outcome::Nothing } else { Outcome::There };
    assert_eq!(run.judge(said, &mut wrong).await, expected, "{flow:?}");
    assert_eq!(wrong, Vec::<String>::new(), "{flow:?}");
    steps
}

/// One call of one flow, struck by one fault.
#[derive(Clone, Debug)]
struct Case {
    flow: Flow,
    name: String,
    /// How many calls of this name come before it.
    nth: usize,
    fault: Fault,
}

impl Case {
    async fn strike(&self, world: &mut World) -> (Outcome, Vec<String>) {
        let run = Arc::new(world.prepare(self.flow).await);
        run.faults.arm(Some((Place::Nth(self.name.clone(), self.nth), self.fault)));
        let said = run.act_struck().await;
        let made = run.faults.spare().iter().filter(|step| **step == self.name).count();
        assert!(made > self.nth, "{self:?} has struck no call");
        let mut wrong = Vec::new();
        run.settle(Some(self.fault), &mut wrong).await;
        let outcome = run.judge(said, &mut wrong).await;
        (outcome, wrong)
    }
}

/// Which of the cases a run strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    /// Every fifth case, from this one on.
    Fifth(usize),
}

impl Part {
    /// What `FAULTS` says: `all`, or `0` to `4`; one of the fifths without it.
    #[expect(clippy::disallowed_methods, reason = "the settings of a test")]
    fn wanted() -> Self {
        match std::env::var("FAULTS").ok().as_deref() {
            None | Some("") => Self::Fifth(rand::random_range(0..5)),
            Some("all") => Self::All,
            Some(text) => match text.parse() {
                Ok(fifth @ 0..5) => Self::Fifth(fifth),
                _ => panic!("FAULTS must be all, or 0 to 4, not {text}"),
            },
        }
    }

    const fn strikes(self, place: usize) -> bool {
        match self {
            Self::All => true,
            Self::Fifth(fifth) => place % 5 == fifth,
        }
    }
}

type Cases = Arc<Mutex<Vec<Case>>>;

/// Works cases off, in a world that is replaced when it is used up.
async fn work(cases: Cases) -> Vec<(Case, Outcome, Vec<String>)> {
    let (mut world, mut done) = (World::start().await, Vec::new());
    loop {
        let (next, left) = {
            let mut cases = cases.lock().unwrap();
            (cases.pop(), cases.len())
        };
        let Some(case) = next else { return done };
        if left.is_multiple_of(100) {
            eprintln!("{left} cases left beside {}", case.flow.describe());
        }
        let (outcome, wrong) = case.strike(&mut world).await;
        if !wrong.is_empty() {
            eprintln!("{case:?}: {wrong:#?}");
        }
        if !world.is_good(outcome, &wrong) {
            world = World::start().await;
        }
        done.push((case, outcome, wrong));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_struck_by_every_fault_leaves_the_books_right() {
    let part = Part::wanted();
    let (mut quick, mut waiting) = (Vec::new(), Vec::new());
    let mut world = World::start().await;
    let (mut steps, mut counts, mut all) = (BTreeMap::new(), BTreeMap::new(), 0);
    for flow in Flow::ALL {
        let names = steps_of(flow, &mut world).await;
        for (at, name) in names.iter().enumerate() {
            let nth = names[..at].iter().filter(|earlier| *earlier == name).count();
            for fault in Fault::ALL.into_iter().filter(|fault| flow.is_struck_by(*fault, name)) {
                *counts.entry(flow).or_insert(0) += 1;
                if part.strikes(all) {
                    let case = Case { flow, name: name.clone(), nth, fault };
                    if fault.waits() { waiting.push(case) } else { quick.push(case) }
                }
                all += 1;
            }
        }
        steps.insert(flow, names);
    }
    eprintln!(
        "{part:?}: {} of {all} cases, of which {} wait for time-outs; FAULTS=all strikes all, FAULTS=0 to 4 a fifth",
        quick.len() + waiting.len(),
        waiting.len()
    );
    let mut workers = JoinSet::new();
    // More than there are processors: they wait for each other's answers, and some for time-outs.
    for (cases, at_once) in [(quick, 6), (waiting, 24)] {
        let cases: Cases = Arc::new(Mutex::new(cases));
        (0..at_once).for_each(|_| drop(workers.spawn(work(cases.clone()))));
    }
    let mut figures: BTreeMap<Flow, Vec<Outcome>> = BTreeMap::new();
    let mut all_wrong = Vec::new();
    while let Some(done) = workers.join_next().await {
        for (case, outcome, wrong) in done.unwrap() {
            figures.entry(case.flow).or_default().push(outcome);
            if !wrong.is_empty() {
                let Case { flow, name, nth, fault } = case;
                all_wrong.push(format!("{flow:?}, {name} number {nth}, {fault:?}: {wrong:?}"));
            }
        }
    }
    all_wrong.sort();
    assert!(all_wrong.is_empty(), "{} cases with wrong books:\n{}", all_wrong.len(), all_wrong.join("\n"));
    match part {
        Part::All => assert_published(&page(&steps, &figures)),
        Part::Fifth(_) => assert_counted(&steps, &counts),
    }
}

/// A run of a part still knows which flows, calls and cases there are.
fn assert_counted(steps: &BTreeMap<Flow, Vec<String>>, counts: &BTreeMap<Flow, usize>) {
    for (flow, cases) in counts {
        let begins = format!("| {} | {} | {cases} | ", flow.describe(), steps[flow].len());
        let told = "docs/buying-and-releasing.md is out of date: run FAULTS=all cargo test -p tests --test faults";
        assert!(PAGE.contains(&begins), "{told}: {begins}");
    }
}

#[tokio::test]
async fn the_audit_sees_each_kind_of_wrong_books() {
    for (tampering, expected) in [
        (("CREDITS", "credits"), "the ledger says"),
        (("LEDGER", "entry"), "is not paid for"),
        (("CLAIM", "claim"), "does not hold its claim"),
        (("AGENTLINK", "link"), "does not hold its agent's link"),
        (("NUMBER", "row"), "has no row"),
        (("carrier", "order"), "has no row"),
        (("carrier", "release"), "the carrier does not have it"),
        (("carrier", "tags"), "is not set up"),
    ] {
        let app = TestApp::approved().await;
        let body = json!({ "e164": "+14155550142", "agentId": "agent_1" });
        let row = app.post("/v1/phone-numbers", &body).send().await.ok();
        assert_eq!(violations(&app).await, Vec::<String>::new());
        tamper(&app, &row, tampering).await;
        let found = violations(&app).await.join("\n");
        assert!(found.contains(expected), "{tampering:?}: {found}");
    }
}

#[tokio::test]
async fn the_audit_sees_that_a_failed_order_was_forgotten_without_its_refund() {
    let mut world = World::start().await;
    let run = world.prepare(Flow::GiveBack).await;
    assert_eq!(violations(&run.app).await, Vec::<String>::new());
    let gone = ["NUMBER#", "CLAIM", "AGENTLINK#"];
    for item in run.app.items().await {
        if gone.iter().any(|prefix| item["SK"]["S"].as_str().unwrap().starts_with(prefix)) {
            remove(&run.app, &item).await;
        }
    }
    let found = violations(&run.app).await.join("\n");
    assert!(found.contains("paid for"), "{found}");
}

async fn remove(app: &TestApp, item: &Value) {
    let key = json!({ "PK": item["PK"], "SK": item["SK"] });
    app.dynamo.ask("DeleteItem", &json!({ "TableName": app.bundle.table_name, "Key": key })).await;
}

/// Does what only a mistake in the product could do.
async fn tamper(app: &TestApp, row: &Value, (place, what): (&str, &str)) {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let carrier =
        |method, path: &str| http.request(method, format!("{}/{path}", app.bundle.carrier_url)).bearer_auth("sandbox");
    let number = format!("phone_numbers/{}", row["providerResourceId"].as_str().unwrap());
    let done = match what {
        "order" => {
            let order = json!({ "phone_numbers": [{ "phone_number": "+12125550142" }], "customer_reference": "pn_1" });
            carrier(reqwest::Method::POST, "number_orders").json(&order).send().await
        }
        "release" => carrier(reqwest::Method::DELETE, &number).send().await,
        "tags" => carrier(reqwest::Method::PATCH, &number).json(&json!({ "tags": [] })).send().await,
        _ => {
            let is_it = |item: &&Value| {
                let starts = |key: &str| item[key]["S"].as_str().unwrap().starts_with(place);
                let of_purchase = || item["reference"]["S"].as_str().unwrap_or_default().starts_with("purchase:");
                starts("SK") || (place == "LEDGER" && starts("PK") && of_purchase())
            };
            let items = app.items().await;
            let item = items.iter().find(is_it).unwrap();
            if what == "credits" {
                let change = json!({
                    "TableName": app.bundle.table_name, "Key": { "PK": item["PK"], "SK": item["SK"] },
                    "UpdateExpression": "SET balanceMicroUsd = :more",
                    "ExpressionAttributeValues": { ":more": { "N": "99000000" } },
                });
                app.dynamo.ask("UpdateItem", &change).await;
            } else {
                remove(app, item).await;
            }
            return;
        }
    };
    assert!(done.unwrap().status().is_success(), "{what}");
}

/// The figures as they stand in the documentation.
fn page(steps: &BTreeMap<Flow, Vec<String>>, figures: &BTreeMap<Flow, Vec<Outcome>>) -> String {
    let mut text = String::from(
        "| flow | calls | cases | number there | nothing left | waits for a person | wrong books |\n|---|---|---|---|---|---|---|\n",
    );
    let row = |text: &mut String, name: &str, calls: usize, outcomes: &[Outcome]| {
        let ended = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
        let (there, nothing, person) = (ended(Outcome::There), ended(Outcome::Nothing), ended(Outcome::Person));
        writeln!(text, "| {name} | {calls} | {} | {there} | {nothing} | {person} | 0 |", outcomes.len()).unwrap();
    };
    for (flow, outcomes) in figures {
        row(&mut text, flow.describe(), steps[flow].len(), outcomes);
    }
    let all: Vec<Outcome> = figures.values().flatten().copied().collect();
    row(&mut text, "**all**", steps.values().map(Vec::len).sum(), &all);
    text.push_str("\nWhat happens to a call:\n\n");
    for fault in Fault::ALL {
        writeln!(text, "- {}", fault.describe()).unwrap();
    }
    text.push_str(
        "\nA call that only reads leaves nothing behind, so whether and when it is carried out is one case there. Where a \
         key is repeated, reads are struck by three of these. The table does not lie: what it says is what this service goes by.\n",
    );
    text
}

const PAGE: &str = include_str!("../../docs/buying-and-releasing.md");

/// Holds the documentation against what was just measured.
fn assert_published(figures: &str) {
    let (before, rest) = PAGE.split_once("<!-- figures: written by the test -->\n").unwrap();
    let (published, after) = rest.split_once("<!-- end of figures -->").unwrap();
    if published.trim() != figures.trim() {
        let new = format!("{before}<!-- figures: written by the test -->\n\n{figures}\n<!-- end of figures -->{after}");
        let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/buying-and-releasing.md");
        std::fs::write(file, new).unwrap();
        panic!("docs/buying-and-releasing.md is out of date; the new page: cp {file} docs/\n{figures}");
    }
}
