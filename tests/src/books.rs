//! The audit of a whole world: every item of the table, and what the carrier says that we own and have ordered.
//!
//! Only a test may read a table as a whole. It does so past the product's own code, so that a mistake there cannot hide
//! itself.

mod feed;

use std::collections::{HashMap, HashSet};

use domain::{Clock, Timestamp};
use local::sandbox::carrier::{OwnedNumber, PlacedOrder};
use serde_json::Value;

use crate::TestApp;
use crate::chance::Change;
use crate::faults::{Fault, SentOrder};

/// Everything that an audit looks at, by what it is looked up by.
struct Books {
    /// By PK and SK.
    items: HashMap<(String, String), Item>,
    /// The sort keys of rows, by their ids: these are unique across organizations.
    rows: HashMap<String, (String, String)>,
    /// Numbers that are ours at the carrier, by its id.
    owned: HashMap<String, Owned>,
    /// References under which the carrier has taken orders, with how many.
    ordered: HashMap<String, usize>,
    /// References under which it has delivered a number.
    delivered: HashSet<String>,
    /// The deployment's name, which is the table's.
    table: &'static str,
}

struct Owned {
    e164: String,
    reference: String,
    tags: Vec<String>,
}

/// An item in DynamoDB's JSON.
struct Item(Value);

impl Item {
    fn text(&self, attribute: &str) -> &str {
        self.0[attribute]["S"].as_str().unwrap_or_default()
    }

    fn number(&self, attribute: &str) -> i64 {
        self.0[attribute]["N"].as_str().map_or(0, |number| number.parse().expect("a number"))
    }

    fn sort_key_starts_with(&self, prefix: &str) -> bool {
        self.text("SK").starts_with(prefix)
    }
}

/// What is wrong in this world, a sentence for each; empty when the books are right.
///
/// An order that the carrier may still confirm counts as right. [`unfinished`] tells whether one is left.
///
/// # Panics
/// The engine does not answer.
pub async fn violations(app: &TestApp) -> Vec<String> {
    Evidence::of(app, app.items().await).violations()
}

/// What an audit looks at.
pub struct Evidence {
    /// Every item of the table.
    pub items: Vec<Value>,
    /// The numbers that are ours at the carrier.
    pub owned: Vec<OwnedNumber>,
    /// Every order that the carrier has taken.
    pub orders: Vec<PlacedOrder>,
    /// Every order that was sent.
    pub sent: Vec<SentOrder>,
    pub now: Timestamp,
    /// The deployment's name, which is the table's.
    pub table: &'static str,
}

impl Evidence {
    fn of(app: &TestApp, items: Vec<Value>) -> Self {
        let carrier = &app.bundle.carrier;
        Self {
            items,
            owned: carrier.numbers(),
            orders: carrier.orders(),
            sent: app.dynamo.faults().orders_sent(),
            now: app.clock.now(),
            table: app.bundle.table_name,
        }
    }

    /// As [`violations`].
    #[must_use]
    pub fn violations(self) -> Vec<String> {
        let (books, sent) = Books::of(self);
        let mut wrong = Vec::new();
        books.check_money(&mut wrong);
        books.check_renewals(&mut wrong);
        books.check_rows(&mut wrong);
        books.check_claims_and_links(&mut wrong);
        books.check_feed(&mut wrong);
        books.check_carrier(&mut wrong);
        books.check_orders(&sent, &mut wrong);
        wrong
    }
}

/// What only a person can decide, as [`unfinished`] says it: of several orders nobody knows which one delivers.
pub const FOR_A_PERSON: &str = "ordering: the carrier has several times its order";

/// Whether a schedule still has something to do: what is [`unfinished`], and orders that may arrive after their refund.
///
/// # Panics
/// The engine does not answer.
pub async fn is_anything_due(app: &TestApp) -> bool {
    let waits = |item: &Item| {
        let shard = item.text("workShard");
        (item.sort_key_starts_with("NUMBER#") || item.sort_key_starts_with("LATEORDER#"))
            && !shard.starts_with("WORK#CHARGE#")
    };
    app.items_with("workShard").await.into_iter().map(Item).any(|item| waits(&item))
}

/// What is still under way: orders without an outcome, releases that have not ended, rows that wait in the work index.
///
/// # Panics
/// The engine does not answer.
pub async fn unfinished(app: &TestApp) -> Vec<String> {
    // Only managed numbers have it, and only they are ever under way.
    let (books, _) = Books::of(Evidence::of(app, app.items_with("orderState").await));
    let mut open = Vec::new();
    for row in books.rows() {
        let state = row.text("orderState");
        let waits = row.text("workShard");
        let listed = waits.starts_with("WORK#") && !waits.starts_with("WORK#CHARGE#");
        if listed || matches!(state, "ordering" | "releasing") {
            let known = match books.ordered.get(row.text("id")) {
                None => "never got",
                Some(1) => "has",
                Some(_) => "has several times",
            };
            open.push(format!("{state}: the carrier {known} its order"));
        }
    }
    open
}

/// What has become of every number that was ever in the table.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// The ids of rows, each with the state of its order (empty for an imported number).
    pub rows: HashMap<String, String>,
    /// The ids whose price was refunded.
    pub refunded: HashSet<String>,
    /// The ids that were ever paid for.
    pub paid: HashSet<String>,
    /// Months after the first that were paid, as `<id>:<month>`.
    pub renewed: HashSet<String>,
}

/// Looks for the ends of all numbers.
///
/// # Panics
/// The engine does not answer.
pub async fn ends(app: &TestApp) -> Ends {
    let books = Books::read(app).await;
    let booked = |kind: &str| {
        let references = books.ledger().filter_map(|entry| entry.text("reference").strip_prefix(kind));
        references.map(str::to_owned).collect()
    };
    let rows = books.rows().map(|row| (row.text("id").to_owned(), row.text("orderState").to_owned()));
    Ends { rows: rows.collect(), refunded: booked("refund:"), paid: booked("purchase:"), renewed: booked("renewal:") }
}

/// What the books tell of one number.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub id: String,
    /// The Idempotency-Key that it was made under, where its record is still there.
    pub key: Option<String>,
    /// In the order of time.
    pub lines: Vec<String>,
}

/// The books of one moment, for whoever has to find out how a number went wrong.
pub struct Stories {
    books: Books,
    changes: Vec<Change>,
}

impl Stories {
    /// # Panics
    /// The engine does not answer.
    pub async fn read(app: &TestApp) -> Self {
        Self { books: Books::read(app).await, changes: app.dynamo.faults().struck_by_chance().changes }
    }

    /// Tells what has become of a number, by its id or by the carrier's.
    #[must_use]
    pub fn of(&self, name: &str) -> Story {
        let books = &self.books;
        let id = books.owned.get(name).map_or(name, |number| number.reference.as_str());
        let events = books.changes().filter(|event| event.text("SK").split('#').next() == Some(id)).map(|event| {
            format!("{} the row is {} by {}", event.text("at"), event.text("action"), event.text("actorId"))
        });
        let entries = books.ledger().filter(|entry| entry.text("reference").contains(id));
        let entries = entries.map(|entry| format!("{} in the ledger", entry.text("SK")));
        let mut lines: Vec<String> = events.chain(entries).chain(self.changes_of(id)).collect();
        lines.sort();
        let made = |record: &&Item| record.text("made") == id;
        let key = books.named("IDEMPOTENCY#").find(made).and_then(|record| record.text("SK").rsplit('#').next());
        Story { id: id.to_owned(), key: key.map(str::to_owned), lines }
    }

    /// What the product has told the carrier of a number.
    fn changes_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = String> + 'a {
        let owned = self.books.owned.iter().filter(move |(_, number)| number.reference == id);
        let mut names: HashSet<&str> = owned.map(|(resource, _)| resource.as_str()).collect();
        names.extend(self.books.row(id).map(|row| row.text("resourceId")));
        names.insert(id);
        self.changes.iter().filter(move |change| names.contains(change.about.as_str())).map(|change| {
            let fault = change.fault.map_or("it passes", Fault::describe);
            format!("{} {} {}: {fault}", change.at, change.step, change.about)
        })
    }
}

impl Books {
    async fn read(app: &TestApp) -> Self {
        Self::of(Evidence::of(app, app.items().await)).0
    }

    /// The books, and the orders that were sent.
    fn of(evidence: Evidence) -> (Self, Vec<SentOrder>) {
        let Evidence { items: found, owned, orders, sent, now, table } = evidence;
        let (mut items, mut rows) = (HashMap::new(), HashMap::new());
        for item in found.into_iter().map(Item) {
            let key = (item.text("PK").to_owned(), item.text("SK").to_owned());
            if item.sort_key_starts_with("NUMBER#") {
                rows.insert(item.text("id").to_owned(), key.clone());
            }
            items.insert(key, item);
        }
        let owned = owned.into_iter().map(|number| {
            let reference = number.customer_reference.unwrap_or_default();
            (number.id, Owned { e164: number.phone_number, reference, tags: number.tags })
        });
        let (mut ordered, mut delivered) = (HashMap::new(), HashSet::new());
        for order in orders {
            let delivers = order.status(now) == "success";
            let Some(reference) = order.customer_reference else { continue };
            if delivers {
                delivered.insert(reference.clone());
            }
            *ordered.entry(reference).or_default() += 1;
        }
        (Self { items, rows, owned: owned.collect(), ordered, delivered, table }, sent)
    }

    fn item(&self, pk: &str, sk: &str) -> Option<&Item> {
        self.items.get(&(pk.to_owned(), sk.to_owned()))
    }

    fn row(&self, id: &str) -> Option<&Item> {
        self.items.get(self.rows.get(id)?)
    }

    fn rows(&self) -> impl Iterator<Item = &Item> {
        self.rows.values().filter_map(|key| self.items.get(key))
    }

    fn managed(&self) -> impl Iterator<Item = &Item> {
        self.rows().filter(|row| row.text("source") == "managed")
    }

    fn ledger(&self) -> impl Iterator<Item = &Item> {
        self.in_partitions("LEDGER#")
    }

    /// The audit trail.
    fn changes(&self) -> impl Iterator<Item = &Item> {
        self.in_partitions("EVENT#")
    }

    fn in_partitions<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.values().filter(move |item| item.text("PK").starts_with(prefix))
    }

    fn named<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.values().filter(move |item| item.sort_key_starts_with(prefix))
    }

    /// The ledger adds up to the balance, which is not below zero, and what was paid for is there, was refunded, or
    /// was released.
    fn check_money(&self, wrong: &mut Vec<String>) {
        let mut sums: HashMap<&str, i64> = HashMap::new();
        let mut references: HashMap<(&str, &str), usize> = HashMap::new();
        let mut booked_at: HashMap<&str, &str> = HashMap::new();
        for entry in self.ledger() {
            let organization = entry.organization();
            *sums.entry(organization).or_default() += entry.number("amountMicroUsd");
            *references.entry((organization, entry.text("reference"))).or_default() += 1;
            if entry.text("SK") != format!("{}#{}", entry.text("createdAt"), entry.text("reference")) {
                wrong.push(format!("{} is not where it was booked", entry.text("reference")));
            }
            let last = booked_at.entry(organization).or_default();
            *last = entry.text("createdAt").max(last);
        }
        let twice = references.iter().filter(|(_, times)| **times > 1);
        wrong.extend(twice.map(|((_, reference), _)| format!("{reference} is in the ledger twice")));
        for credits in self.named("CREDITS") {
            let balance = credits.number("balanceMicroUsd");
            let sum = sums.remove(credits.organization()).unwrap_or_default();
            if credits.text("lastBookedAt") != booked_at.get(credits.organization()).copied().unwrap_or_default() {
                wrong.push("the credits were booked at another time than the last entry".to_owned());
            }
            if balance < 0 || balance != sum {
                wrong.push(format!("the balance is {balance}, the ledger says {sum}"));
            }
        }
        wrong.extend(sums.keys().map(|organization| format!("{organization} has a ledger and no balance")));
        let held: HashSet<&str> = self.owned.values().map(|number| number.reference.as_str()).collect();
        for entry in self.ledger() {
            let Some(id) = entry.text("reference").strip_prefix("purchase:") else { continue };
            let row = self.row(id).is_some();
            let refunded = references.contains_key(&(entry.organization(), format!("refund:{id}").as_str()));
            let (delivered, owned) = (self.delivered.contains(id), held.contains(id));
            let released = !row && !refunded && delivered && !owned;
            if usize::from(row) + usize::from(refunded) + usize::from(released) != 1 {
                wrong.push(format!(
                    "paid for {id}: row {row}, refunded {refunded}, delivered {delivered}, owned {owned}"
                ));
            }
        }
        for row in self.managed() {
            let paid = format!("purchase:{}", row.text("id"));
            if !references.contains_key(&(row.organization(), paid.as_str())) {
                wrong.push(format!("{} is not paid for", row.text("id")));
            }
        }
    }

    /// Each month of a number is paid for once, in its turn, at its price; what is not paid is not in use.
    fn check_renewals(&self, wrong: &mut Vec<String>) {
        let mut months: HashMap<&str, Vec<(i64, &Item)>> = HashMap::new();
        for entry in self.ledger() {
            let Some(renewal) = entry.text("reference").strip_prefix("renewal:") else { continue };
            let (id, month) = renewal.split_once(':').unwrap_or((renewal, ""));
            months.entry(id).or_default().push((month.parse().unwrap_or(-1), entry));
        }
        for paid in months.values_mut() {
            paid.sort_by_key(|(month, _)| *month);
        }
        for (id, paid) in &months {
            let follows = paid
                .windows(2)
                .all(|pair| pair[0].0 + 1 == pair[1].0 && pair[0].1.text("periodEnd") == pair[1].1.text("periodStart"));
            if !follows || paid[0].0 < 1 || paid.iter().any(|(_, entry)| entry.number("amountMicroUsd") >= 0) {
                wrong.push(format!("the months of {id} do not follow each other"));
            }
        }
        for row in self.rows() {
            let (id, next) = (row.text("id"), row.number("nextMonth"));
            let paid = months.get(id).map(Vec::as_slice).unwrap_or_default();
            if let Some((last, entry)) = paid.last() {
                let price =
                    paid.iter().any(|(_, entry)| -entry.number("amountMicroUsd") != row.number("monthlyMicroUsd"));
                let due = row.text("nextChargeAt");
                if last + 1 != next || price || !(due.is_empty() || due == entry.text("periodEnd")) {
                    wrong.push(format!("{id} has paid up to month {last}, and is charged next for month {next}"));
                }
            }
            let suspended = row.text("billingSuspendedAt");
            if suspended.is_empty() != row.text("scheduledReleaseAt").is_empty() {
                wrong.push(format!("{id} is suspended without a date of release, or the other way round"));
            }
        }
    }

    /// Every row has its claim and its link, and imports are counted.
    fn check_rows(&self, wrong: &mut Vec<String>) {
        let mut imported: HashMap<&str, i64> = HashMap::new();
        for row in self.rows() {
            let id = row.text("id");
            let claim = self.item(&format!("E164#{}", row.text("e164")), "CLAIM");
            let holds = |claim: &Item| {
                claim.text("numberId") == id && claim.text("organizationId") == row.text("organizationId")
            };
            if !claim.is_some_and(holds) {
                wrong.push(format!("{id} does not hold its claim"));
            }
            let agent = row.text("agentId");
            let link = self.item(row.text("PK"), &format!("AGENTLINK#{agent}"));
            if !agent.is_empty() && link.is_none_or(|link| link.text("numberId") != id) {
                wrong.push(format!("{id} does not hold its agent's link"));
            }
            if row.text("source") == "sip_trunk" {
                *imported.entry(row.text("PK")).or_default() += 1;
            }
        }
        for counter in self.named("IMPORTS") {
            let (counted, found) =
                (counter.number("imported"), imported.remove(counter.text("PK")).unwrap_or_default());
            if counted != found {
                wrong.push(format!("{counted} imports are counted, {found} are there"));
            }
        }
        wrong.extend(imported.keys().map(|organization| format!("{organization} has imports that nobody counts")));
    }

    /// No claim and no link without its row.
    fn check_claims_and_links(&self, wrong: &mut Vec<String>) {
        for claim in self.named("CLAIM") {
            let row = self.row(claim.text("numberId"));
            if row.is_none_or(|row| claim.text("PK") != format!("E164#{}", row.text("e164"))) {
                wrong.push(format!("the claim of {} has no row", claim.text("numberId")));
            }
        }
        for link in self.named("AGENTLINK#") {
            let agent = link.text("SK").trim_start_matches("AGENTLINK#");
            let row = self.row(link.text("numberId"));
            if row.is_none_or(|row| row.text("agentId") != agent || row.text("PK") != link.text("PK")) {
                wrong.push(format!("the link of {agent} has no row"));
            }
        }
    }

    /// Every number at the carrier has its row, every confirmed row its number, and no row two orders.
    fn check_carrier(&self, wrong: &mut Vec<String>) {
        for (id, number) in &self.owned {
            match self.row(&number.reference).filter(|row| row.text("e164") == number.e164) {
                None => wrong.push(format!("the carrier's number {id} has no row")),
                Some(row) if row.text("orderState") == "ordering" => {}
                Some(row) => {
                    if row.text("resourceId") != id {
                        wrong.push(format!("{} names another number than the carrier's {id}", number.reference));
                    }
                    if number.tags != [row.text("organizationId"), &format!("table:{}", self.table)] {
                        wrong.push(format!("the carrier's number {id} is not set up"));
                    }
                }
            }
        }
        for row in self.managed().filter(|row| row.text("orderState") == "active") {
            if !self.owned.contains_key(row.text("resourceId")) {
                wrong.push(format!("{} is in use, and the carrier does not have it", row.text("id")));
            }
        }
    }

    /// No id is ordered or paid for more than once, ever. What the network has doubled on its way nobody has sent.
    fn check_orders(&self, sent: &[SentOrder], wrong: &mut Vec<String>) {
        let mut times: HashMap<&str, usize> = HashMap::new();
        let mut doubled: HashMap<&str, usize> = HashMap::new();
        for SentOrder { reference, fault } in sent {
            *times.entry(reference).or_default() += 1;
            *doubled.entry(reference).or_default() += usize::from(*fault == Some(Fault::Twice));
        }
        wrong.extend(times.into_iter().filter(|(_, times)| *times > 1).map(|(reference, times)| {
            let entry = format!("purchase:{reference}");
            let paid = self.ledger().filter(|booked| booked.text("reference") == entry).count();
            format!("the order of {reference} was sent {times} times and paid for {paid} times")
        }));
        let taken = |reference: &str| 1 + doubled.get(reference).copied().unwrap_or_default();
        let twice = self.ordered.iter().filter(|(reference, orders)| **orders > taken(reference));
        wrong.extend(twice.map(|(reference, orders)| format!("{reference} was ordered {orders} times")));
    }
}
