//! What customers, operators and staff do.

use std::time::Duration;

use domain::audit::Actor;
use domain::credits::LedgerEntry;
use domain::kyb::{Decision, Review};
use domain::{BookingReference, KybId, MicroUsd, Prose};
use rand::RngExt;
use serde_json::{Value, json};
use tests::simulation::Item;

use super::{Customer, DAY, Life, Weather};

impl Life {
    /// Somebody does something.
    pub(super) async fn act(&mut self) {
        self.let_late_calls_arrive().await;
        let customer = self.dice.random_range(0..self.customers.len());
        let id = self.customers[customer].id.to_string();
        let is_in_need = !self
            .rows(|row| row["billingSuspendedAt"].is_object() && row["organizationId"]["S"] == id.as_str())
            .is_empty();
        match self.dice.random_range(0..100) {
            0..=49 if is_in_need => self.grant(customer, Duration::ZERO, 16).await,
            0..=16 => self.buy(customer).await,
            17..=24 => self.import(customer).await,
            25..=36 => self.update(customer).await,
            37..=43 => self.release(customer).await,
            44..=81 => self.grant(customer, Duration::ZERO, 16).await,
            82..=89 => self.adjust(customer).await,
            90..=95 => self.hold(customer).await,
            _ if self.customers.len() < 5 && self.weather == Weather::Fair => self.welcome().await,
            _ => self.grant(customer, Duration::ZERO, 16).await,
        }
        self.look();
    }

    /// A request, sent again with the same key while it fails, as clients do.
    async fn request(&mut self, customer: usize, method: &'static str, path: String, body: Option<Value>) {
        self.counter += 1;
        let (world, key, name) =
            (self.world.clone(), self.customers[customer].key.clone(), format!("request-{}", self.counter));
        let pauses: Vec<Duration> = (0..3).map(|_| Duration::from_secs(self.dice.random_range(1..400))).collect();
        let tries = self.dice.random_range(1..=3);
        let complaints = self.complaints.clone();
        self.say(&format!("{method} {path}"));
        self.requests.spawn(async move {
            for pause in pauses.into_iter().take(tries) {
                let (world, key, path, body, name) =
                    (world.clone(), key.clone(), path.clone(), body.clone(), name.clone());
                // A process of its own.
                let asked = tokio::spawn({
                    let world = world.clone();
                    async move { world.call(method, &path, &key, body.as_ref(), &name).await }
                });
                let calm = world.hardship.is_calm();
                let (status, said) = asked.await.unwrap_or((500, Value::Null));
                if status == 500 && calm && world.hardship.is_calm() {
                    complaints.lock().expect("no panic").push(format!("{method} is answered with {said}"));
                }
                if status < 500 && status != 409 {
                    return;
                }
                world.pass(pause).await;
            }
        });
        self.settle_mostly().await;
    }

    pub(super) fn rows(&self, wanted: impl Fn(&Item) -> bool) -> Vec<Item> {
        self.world.engine.look(|items| {
            let rows = items.iter().filter(|((_, sk), item)| sk.starts_with("NUMBER#") && wanted(item));
            rows.map(|(_, item)| item.clone()).collect()
        })
    }

    fn pick(&mut self, customer: usize) -> Option<String> {
        let organization = self.customers[customer].id.to_string();
        let rows = self.rows(|row| row["organizationId"]["S"] == organization.as_str());
        (!rows.is_empty()).then(|| {
            let row = &rows[self.dice.random_range(0..rows.len())];
            row["id"]["S"].as_str().unwrap_or_default().to_owned()
        })
    }

    fn has_room(&self) -> bool {
        self.rows(|_| true).len() < self.size.numbers
    }

    async fn buy(&mut self, customer: usize) {
        for _ in 0..self.dice.random_range(1..=3) {
            if !self.has_room() {
                return;
            }
            // Some end in digits at which the carrier misbehaves.
            let ending = match self.dice.random_range(0..4) {
                0 => ["0202", "0404", "0408", "0409", "0422", "0500", "0504", "0523"][self.dice.random_range(0..8)]
                    .to_owned(),
                _ => format!("{:04}", self.dice.random_range(1_000..9_000)),
            };
            let area = ["201", "212", "415", "718"][self.dice.random_range(0..4)];
            let agent = [None, None, Some("agent_1"), Some("agent_2")][self.dice.random_range(0..4)];
            let mut body = json!({ "e164": format!("+1{area}555{ending}") });
            if let Some(agent) = agent {
                body["agentId"] = agent.into();
            }
            self.request(customer, "POST", "/v1/phone-numbers".to_owned(), Some(body)).await;
        }
    }

    async fn import(&mut self, customer: usize) {
        if !self.has_room() {
            return;
        }
        let e164 = format!("+1303555{:04}", self.dice.random_range(1_000..9_000));
        let body = json!({ "e164": e164, "sipConnectionInstallationId": "sip_up" });
        self.request(customer, "POST", "/v1/phone-numbers/import".to_owned(), Some(body)).await;
    }

    async fn update(&mut self, customer: usize) {
        let Some(id) = self.pick(customer) else { return };
        let body = match self.dice.random_range(0..3) {
            0 => json!({ "label": format!("Desk {}", self.counter) }),
            1 => json!({ "agentId": null }),
            _ => json!({ "agentId": format!("agent_{}", self.dice.random_range(1..=2)) }),
        };
        self.request(customer, "PATCH", format!("/v1/phone-numbers/{id}"), Some(body)).await;
    }

    async fn release(&mut self, customer: usize) {
        let Some(id) = self.pick(customer) else { return };
        self.request(customer, "DELETE", format!("/v1/phone-numbers/{id}"), None).await;
    }

    pub(super) async fn grant(&mut self, customer: usize, pause: Duration, most: i64) {
        let amount = self.dice.random_range(1..most) * 500_000;
        self.book(customer, LedgerEntry::grant, amount, pause).await;
    }

    async fn adjust(&mut self, customer: usize) {
        let amount = self.dice.random_range(-8..3) * 500_000 + 250_000;
        self.book(customer, LedgerEntry::adjustment, amount, Duration::ZERO).await;
    }

    /// An operator books something, and again under the same reference when it fails.
    async fn book(&mut self, customer: usize, entry: fn(&str, MicroUsd) -> LedgerEntry, micros: i64, pause: Duration) {
        self.counter += 1;
        let (world, id) = (self.world.clone(), self.customers[customer].id.clone());
        self.say(&format!("{id} books {micros}"));
        let reference = BookingReference::parse(&format!("booking-{}", self.counter)).expect("a reference");
        let entry = entry(reference.as_str(), MicroUsd::from_micros(micros));
        self.requests.spawn(async move {
            world.pass(pause).await;
            for _ in 0..2 {
                let (world, id, reference, entry) = (world.clone(), id.clone(), reference.clone(), entry.clone());
                let booked =
                    tokio::spawn(async move { world.table.book_once(&id, &reference, &entry, "grace").await.is_ok() });
                if booked.await.unwrap_or_default() {
                    return;
                }
            }
        });
        self.settle_mostly().await;
    }

    /// Staff take an approval back; or the customer submits again, and staff approve.
    async fn hold(&mut self, customer: usize) {
        let id = self.customers[customer].id.clone();
        let key = (format!("KYB#{id}"), "CURRENT".to_owned());
        let Some(current) = self.world.engine.look(|items| items.get(&key).cloned()) else { return };
        let status = current["kybStatus"]["S"].as_str().unwrap_or_default();
        if matches!(status, "revoked" | "rejected") {
            self.request(customer, "POST", "/v1/phone-numbers/kyb/submit".to_owned(), Some(tests::short_form())).await;
            return;
        }
        let Ok(submission) = KybId::parse(current["id"]["S"].as_str().unwrap_or_default()) else { return };
        let decision = match status {
            "approved" => Decision::Revoke { reason: Prose::parse("The registration has lapsed").expect("prose") },
            _ => Decision::Approve,
        };
        let world = self.world.clone();
        self.requests.spawn(async move {
            let review = Review { at: world.now(), reviewer_id: "U1".into(), reviewer_email: None };
            let actor = Actor::Reviewer { id: "U1".into(), email: None };
            let decided =
                tokio::spawn(
                    async move { world.table.decide(&id, &submission, &decision, &review, &actor).await.is_ok() },
                );
            drop(decided.await);
        });
        self.settle_mostly().await;
    }

    /// Each customer reads its events on from where it was.
    pub(super) async fn read_events(&mut self) {
        let now = self.world.now();
        for at in 0..self.customers.len() {
            loop {
                let Customer { key, cursor, .. } = &self.customers[at];
                let after = cursor.as_ref().filter(|(read_at, _)| now.since(*read_at) < 29 * DAY);
                let after = after.map_or_else(String::new, |(_, cursor)| format!("&cursor={cursor}"));
                let path = format!("/v1/phone-numbers/events?limit=100{after}");
                let (key, world) = (key.clone(), self.world.clone());
                let asked = tokio::spawn(async move { world.call("GET", &path, &key, None, "").await }).await;
                let Ok((200, page)) = asked else { break };
                let Some(next) = page["nextCursor"].as_str() else { break };
                let customer = &mut self.customers[at];
                customer.cursor = Some((now, next.to_owned()));
                let events = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
                customer.read.extend(events.iter().filter_map(|event| event["id"].as_str()).map(str::to_owned));
                if events.len() < 100 {
                    break;
                }
            }
        }
    }
}
