//! The audit: every commit of a run, looked at past the product's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::Timestamp;
use serde_json::Value;
use tests::simulation::{Commit, Item, Write};

use crate::calendar::months_after;

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// What was seen in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) commits: u64,
    pub(crate) bought: u64,
    pub(crate) imported: u64,
    pub(crate) refunded: u64,
    pub(crate) months: u64,
    pub(crate) suspended: u64,
    pub(crate) lifted: u64,
    pub(crate) put_off: u64,
    pub(crate) released_unpaid: u64,
    pub(crate) released: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.commits += other.commits;
        self.bought += other.bought;
        self.imported += other.imported;
        self.refunded += other.refunded;
        self.months += other.months;
        self.suspended += other.suspended;
        self.lifted += other.lifted;
        self.put_off += other.put_off;
        self.released_unpaid += other.released_unpaid;
        self.released += other.released;
    }
}

/// What the audit remembers of one number.
#[derive(Default)]
struct Life {
    /// When it was charged in vain since it was suspended, the suspension included.
    refusals: Vec<Timestamp>,
    /// When the date of its release was announced that is announced now.
    announced_at: Option<Timestamp>,
    has_left: bool,
}

/// The books of one run, kept beside it.
#[derive(Default)]
pub(crate) struct Audit {
    pub(crate) seen: Seen,
    /// From a suspension to the release.
    grace: Duration,
    /// What the ledger adds up to, by organization.
    sums: BTreeMap<String, i64>,
    references: BTreeSet<(String, String)>,
    lives: BTreeMap<String, Life>,
    /// The last event of each subject.
    sequences: BTreeMap<(String, String), i64>,
    /// Since when no two runs of the schedule were more than an hour apart, and its last run.
    alive_since: Option<Timestamp>,
    last_run: Option<Timestamp>,
    wrong: Vec<String>,
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

fn number(item: &Item, name: &str) -> i64 {
    item[name]["N"].as_str().map_or(0, |number| number.parse().expect("a number"))
}

fn time(item: &Item, name: &str) -> Option<Timestamp> {
    Timestamp::parse(text(item, name)).ok()
}

fn at(item: &Item, name: &str) -> Timestamp {
    time(item, name).unwrap_or(Timestamp::from_millis(0))
}

/// A number that is in use or suspended, and charged.
fn is_charged(row: &Item) -> bool {
    !text(row, "nextChargeAt").is_empty()
}

fn is_suspended(row: &Item) -> bool {
    !text(row, "billingSuspendedAt").is_empty()
}

/// What a number owes at a moment, in micro-USD: its months that have begun and are not paid.
pub(crate) fn owed(row: &Item, now: Timestamp) -> i64 {
    let next = number(row, "nextMonth");
    let begun = (next..).take_while(|n| Timestamp::parse(&months_after(text(row, "createdAt"), *n)) <= Ok(now));
    i64::try_from(begun.count()).expect("a few") * number(row, "monthlyMicroUsd")
}

/// One commit, with its items by what they are.
struct Parts<'a> {
    at: Timestamp,
    entries: Vec<(&'a str, &'a Item)>,
    rows: Vec<&'a Write>,
    credits: Option<&'a Item>,
    events: Vec<&'a Item>,
    feed: Vec<(&'a str, &'a Item)>,
    writes: &'a [Write],
}

impl<'a> Parts<'a> {
    fn of(commit: &'a Commit) -> Self {
        let mut parts = Self {
            at: commit.at,
            entries: Vec::new(),
            rows: Vec::new(),
            credits: None,
            events: Vec::new(),
            feed: Vec::new(),
            writes: &commit.writes,
        };
        for write in &commit.writes {
            let (pk, sk) = (write.key.0.as_str(), write.key.1.as_str());
            match &write.new {
                Some(new) if pk.starts_with("LEDGER#") => parts.entries.push((&pk[7..], new)),
                Some(new) if pk.starts_with("FEED#") => parts.feed.push((&pk[5..], new)),
                Some(new) if pk.starts_with("EVENT#") => parts.events.push(new),
                Some(new) if sk == "CREDITS" => parts.credits = Some(new),
                _ => {}
            }
            if sk.starts_with("NUMBER#") {
                parts.rows.push(write);
            }
        }
        parts
    }

    fn fed(&self, subject: &str, kind: &str) -> usize {
        let is = |event: &&(&str, &Item)| text(event.1, "subject") == subject && text(event.1, "eventType") == kind;
        self.feed.iter().filter(is).count()
    }

    /// Who has changed a number here, and how: the kind of actor, and the action.
    fn actors(&self, id: &str) -> Vec<(&str, &str)> {
        let prefix = format!("{id}#");
        let of_it = |event: &&&Item| text(event, "SK").starts_with(&prefix);
        self.events.iter().filter(of_it).map(|event| (text(event, "actorKind"), text(event, "action"))).collect()
    }

    fn has(&self, pk: &str, sk: &str, is: impl Fn(&Write) -> bool) -> bool {
        self.writes.iter().any(|write| write.key.0 == pk && write.key.1 == sk && is(write))
    }
}

impl Audit {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, ..Self::default() }
    }

    /// Looks at one commit.
    ///
    /// # Errors
    /// A sentence for each thing that is wrong.
    pub(crate) fn look_at(&mut self, commit: &Commit) -> Result<(), Vec<String>> {
        let parts = Parts::of(commit);
        self.seen.commits += 1;
        self.look_at_money(&parts);
        self.look_at_events(&parts);
        for write in &commit.writes {
            self.look_at_what_stays(write);
            if write.key.1 == "RENEWALS" {
                self.look_at_schedule(write);
            }
        }
        for row in &parts.rows {
            self.look_at_row(row, &parts);
        }
        if self.wrong.is_empty() { Ok(()) } else { Err(std::mem::take(&mut self.wrong)) }
    }

    fn say(&mut self, wrong: String) {
        self.wrong.push(wrong);
    }

    /// Ledger entries and events are written once and stay; a claim is not taken from its owner.
    fn look_at_what_stays(&mut self, write: &Write) {
        let (pk, sk) = &write.key;
        let stays = ["LEDGER#", "FEED#", "EVENT#"].iter().any(|partition| pk.starts_with(partition));
        if stays && write.old.is_some() {
            self.say(format!("{pk} {sk} was written twice"));
        }
        if sk == "CLAIM" && write.old.is_some() && write.new.is_some() {
            self.say(format!("{pk} was taken from its owner"));
        }
    }

    fn look_at_schedule(&mut self, write: &Write) {
        let Some(run) = write.new.as_ref().and_then(|item| time(item, "lastRunAt")) else { return };
        let in_time = self.last_run.is_some_and(|last| run.since(last) <= HOUR);
        if !in_time {
            self.alive_since = Some(run);
        }
        self.last_run = Some(run);
    }

    /// The ledger adds up to the balance, which is not below zero; each entry is booked once, with what it pays for.
    fn look_at_money(&mut self, parts: &Parts<'_>) {
        for (organization, entry) in &parts.entries {
            let reference = text(entry, "reference");
            *self.sums.entry((*organization).to_owned()).or_default() += number(entry, "amountMicroUsd");
            if !self.references.insert(((*organization).to_owned(), reference.to_owned())) {
                self.say(format!("{reference} is booked twice"));
            }
            let (kind, rest) = reference.split_once(':').unwrap_or((reference, ""));
            match kind {
                "renewal" => self.look_at_renewal(rest, entry, parts),
                "purchase" | "refund" => self.look_at_purchase(kind, rest, entry, parts),
                _ => {
                    let noted = parts.writes.iter().any(|write| write.key.1 == format!("REFERENCE#{rest}"));
                    if !noted {
                        self.say(format!("{reference} is booked without its reference"));
                    }
                }
            }
        }
        let booked: BTreeSet<&str> = parts.entries.iter().map(|(organization, _)| *organization).collect();
        for organization in booked {
            let (sum, balance) = (self.sums[organization], parts.credits.map(|item| number(item, "balanceMicroUsd")));
            if balance != Some(sum) || sum < 0 {
                self.say(format!("{organization} has a balance of {balance:?}, and a ledger of {sum}"));
            }
        }
    }

    /// A month is paid with the row that it belongs to, in its turn, at its price, and not before it begins.
    fn look_at_renewal(&mut self, rest: &str, entry: &Item, parts: &Parts<'_>) {
        let (id, month) = rest.split_once(':').unwrap_or((rest, ""));
        let month: i64 = month.parse().unwrap_or(-1);
        self.seen.months += 1;
        let row = parts.rows.iter().find(|write| write.key.1.ends_with(id));
        let Some((old, new)) = row.and_then(|write| write.old.as_ref().zip(write.new.as_ref())) else {
            return self.say(format!("month {month} of {id} is paid without its number"));
        };
        if !is_charged(old) || !is_charged(new) || self.lives.get(id).is_some_and(|life| life.has_left) {
            self.say(format!("{id} is charged and not in use"));
        }
        if !(number(old, "nextMonth")..number(new, "nextMonth")).contains(&month) {
            self.say(format!("month {month} of {id} is paid out of turn"));
        }
        let anchor = text(old, "createdAt");
        let (start, end) = (months_after(anchor, month), months_after(anchor, month + 1));
        let (from, to) = (text(entry, "periodStart"), text(entry, "periodEnd"));
        if (from, to) != (&start, &end) {
            self.say(format!("month {month} of {id} is {from} to {to}, not {start} to {end}"));
        }
        if Timestamp::parse(&start) > Ok(parts.at) {
            self.say(format!("month {month} of {id} is paid before it begins"));
        }
        if -number(entry, "amountMicroUsd") != number(old, "monthlyMicroUsd") {
            self.say(format!("month {month} of {id} is paid at another price"));
        }
    }

    fn look_at_purchase(&mut self, kind: &str, id: &str, entry: &Item, parts: &Parts<'_>) {
        let row = parts.rows.iter().find(|write| write.key.1.ends_with(id));
        let held = row.and_then(|write| if kind == "purchase" { write.new.as_ref() } else { write.old.as_ref() });
        let Some(held) = held else { return self.say(format!("{kind} of {id} without its number")) };
        let price = number(held, "upfrontMicroUsd") + number(held, "monthlyMicroUsd");
        let sign = if kind == "purchase" { -1 } else { 1 };
        if number(entry, "amountMicroUsd") != sign * price {
            self.say(format!("{kind} of {id} at another price"));
        }
        let other_side =
            row.is_some_and(|write| if kind == "purchase" { write.old.is_none() } else { write.new.is_none() });
        if !other_side {
            self.say(format!(
                "{kind} of {id}, which {}",
                if kind == "purchase" { "is there already" } else { "stays" }
            ));
        }
        if kind == "refund" {
            self.seen.refunded += 1;
        }
    }

    /// Each event follows the one before, and comes with the change that names it.
    fn look_at_events(&mut self, parts: &Parts<'_>) {
        let mut named: BTreeSet<String> = BTreeSet::new();
        for event in &parts.events {
            let links = event["customerEvents"]["L"].as_array().map(Vec::as_slice).unwrap_or_default();
            named.extend(links.iter().map(|link: &Value| text(&link["M"], "id").to_owned()));
        }
        let mut feed = parts.feed.clone();
        feed.sort_by_key(|(_, event)| number(event, "sequence"));
        for (organization, event) in &feed {
            let subject = text(event, "subject");
            let last = self.sequences.entry(((*organization).to_owned(), subject.to_owned())).or_default();
            let sequence = number(event, "sequence");
            let follows = sequence == *last + 1;
            *last = sequence;
            let is_named = named.remove(text(event, "SK")) || subject == "credits";
            if !follows || !is_named {
                self.say(format!(
                    "event {sequence} of {subject} does not follow the one before, or no change names it"
                ));
            }
        }
        if !named.is_empty() {
            self.say(format!("changes name the events {named:?}, which are not there"));
        }
    }

    fn look_at_row(&mut self, write: &Write, parts: &Parts<'_>) {
        let id = write.key.1.trim_start_matches("NUMBER#").to_owned();
        match (&write.old, &write.new) {
            (None, Some(new)) => self.look_at_arrival(&id, new, parts),
            (Some(old), Some(new)) => self.look_at_change(&id, old, new, parts),
            (Some(old), None) => self.look_at_departure(&id, old, parts),
            (None, None) => {}
        }
        if let Some(new) = &write.new
            && is_charged(new)
            && matches!(text(new, "orderState"), "ordering" | "releasing")
        {
            self.say(format!("{id} comes or leaves, and a month of it is due"));
        }
        if let Some(new) = &write.new
            && is_charged(new)
            && text(new, "nextChargeAt") != months_after(text(new, "createdAt"), number(new, "nextMonth"))
        {
            self.say(format!("{id} is due at {}, which is not its anchor's day", text(new, "nextChargeAt")));
        }
    }

    fn look_at_arrival(&mut self, id: &str, new: &Item, parts: &Parts<'_>) {
        let managed = text(new, "source") == "managed";
        let paid = parts.entries.iter().any(|(_, entry)| text(entry, "reference") == format!("purchase:{id}"));
        let claimed = parts.has(&format!("E164#{}", text(new, "e164")), "CLAIM", |claim| {
            claim.old.is_none() && claim.new.as_ref().is_some_and(|claim| text(claim, "numberId") == id)
        });
        if managed != paid || !claimed {
            self.say(format!("{id} came: managed {managed}, paid {paid}, claimed {claimed}"));
        }
        if managed {
            self.seen.bought += 1;
        } else {
            self.seen.imported += 1;
        }
        if self.lives.insert(id.to_owned(), Life::default()).is_some() {
            self.say(format!("{id} came twice"));
        }
    }

    fn look_at_change(&mut self, id: &str, old: &Item, new: &Item, parts: &Parts<'_>) {
        if ["id", "organizationId", "e164", "source", "createdAt"].iter().any(|name| text(old, name) != text(new, name))
        {
            self.say(format!("{id} has become another number"));
        }
        self.look_at_months(id, old, new, parts);
        let balance = self.sums.get(text(new, "organizationId")).copied().unwrap_or_default();
        match (is_suspended(old), is_suspended(new)) {
            (false, true) => {
                self.seen.suspended += 1;
                let since = at(new, "billingSuspendedAt");
                if balance >= number(new, "monthlyMicroUsd") || owed(new, since) == 0 {
                    self.say(format!("{id} is suspended and could be paid for"));
                }
                if parts.fed(id, "phone_number.suspended") != 1 || parts.fed(id, "phone_number.release_scheduled") != 1
                {
                    self.say(format!("{id} is suspended without its events"));
                }
                if at(new, "scheduledReleaseAt") != since.plus(self.grace) {
                    self.say(format!("{id} is suspended without its time of grace"));
                }
                let life = self.life(id);
                (life.refusals, life.announced_at) = (vec![since], Some(since));
            }
            (true, true) => self.look_at_suspended(id, old, new, balance, parts),
            (true, false) if is_charged(new) => {
                self.seen.lifted += 1;
                if owed(new, at(new, "lastChargedAt")) > 0 {
                    self.say(format!("{id} is in use again and owes a month"));
                }
                if parts.fed(id, "phone_number.unsuspended") != 1 {
                    self.say(format!("{id} is in use again without its event"));
                }
            }
            (_, false) => {}
        }
        let leaves = text(old, "orderState") != "releasing" && text(new, "orderState") == "releasing";
        if leaves && text(new, "releaseReason") == "unpaid" {
            self.look_at_forfeit(id, old, balance, parts);
        }
    }

    /// Months that are no longer owed were paid, except those that begin while an order is in doubt.
    fn look_at_months(&mut self, id: &str, old: &Item, new: &Item, parts: &Parts<'_>) {
        let (from, to) = (number(old, "nextMonth"), number(new, "nextMonth"));
        let in_doubt = text(old, "orderState") == "ordering";
        if from == to || in_doubt && to > from {
            return;
        }
        let prefix = format!("renewal:{id}:");
        let paid: Vec<&Item> = parts
            .entries
            .iter()
            .filter(|(_, entry)| text(entry, "reference").starts_with(&prefix))
            .map(|(_, entry)| *entry)
            .collect();
        let free = number(old, "monthlyMicroUsd") == 0;
        if to < from || !free && i64::try_from(paid.len()) != Ok(to - from) {
            self.say(format!("{id} goes from month {from} to {to}, and {} are paid", paid.len()));
        }
        let sum: i64 = paid.iter().map(|entry| -number(entry, "amountMicroUsd")).sum();
        let told = parts.feed.iter().filter(|(_, event)| text(event, "subject") == id);
        let told: Vec<i64> = told
            .filter(|(_, event)| text(event, "eventType") == "phone_number.charged")
            .map(|(_, event)| number(event, "amountMicroUsd"))
            .collect();
        if !free && told != [sum] {
            self.say(format!("{id} has paid {sum}, and its events say {told:?}"));
        }
    }

    /// A suspended number is charged only by what lifts it, and its announced date only moves later.
    fn look_at_suspended(&mut self, id: &str, old: &Item, new: &Item, balance: i64, parts: &Parts<'_>) {
        if number(old, "nextMonth") != number(new, "nextMonth") {
            self.say(format!("{id} is charged and stays suspended"));
        }
        let (refused, was) = (at(new, "refusedAt"), at(old, "refusedAt"));
        if refused > was {
            if balance >= owed(new, refused) {
                self.say(format!("{id} is refused and could be paid for"));
            }
            self.life(id).refusals.push(refused);
        }
        let (date, before) = (at(new, "scheduledReleaseAt"), at(old, "scheduledReleaseAt"));
        if date != before {
            self.seen.put_off += 1;
            if date < before || date < refused.plus(DAY) || parts.fed(id, "phone_number.release_scheduled") != 1 {
                self.say(format!("the release of {id} moves from {before} to {date}"));
            }
            self.life(id).announced_at = Some(refused);
        }
    }

    fn look_at_departure(&mut self, id: &str, old: &Item, parts: &Parts<'_>) {
        let released = parts.has(&format!("E164#{}", text(old, "e164")), "CLAIM", |claim| claim.new.is_none());
        if !released {
            self.say(format!("{id} has left and keeps its claim"));
        }
        let refunded = parts.entries.iter().any(|(_, entry)| text(entry, "reference") == format!("refund:{id}"));
        self.seen.released += u64::from(!refunded);
        let left = match text(old, "orderState") {
            "ordering" => refunded,
            "releasing" => !refunded && parts.fed(id, "phone_number.released") == 1,
            "" => parts.fed(id, "phone_number.released") == 1,
            _ => false,
        };
        if !left {
            self.say(format!("{id} left as {:?}, refunded {refunded}", text(old, "orderState")));
        }
        let unpaid = parts.actors(id).iter().any(|(kind, action)| (*kind, *action) == ("system", "removed"));
        if unpaid {
            let balance = self.sums.get(text(old, "organizationId")).copied().unwrap_or_default();
            self.look_at_forfeit(id, old, balance, parts);
        }
        self.life(id).has_left = true;
    }

    /// Nobody pays for it, its date has come and was announced a day before, and it was refused twice, a day apart, with the
    /// schedule alive in between.
    fn look_at_forfeit(&mut self, id: &str, old: &Item, balance: i64, parts: &Parts<'_>) {
        self.seen.released_unpaid += 1;
        let (now, alive_since) = (parts.at, self.alive_since);
        if !is_suspended(old) || at(old, "scheduledReleaseAt") > now {
            self.say(format!("{id} is released before its date, {}", text(old, "scheduledReleaseAt")));
        }
        if balance >= owed(old, now) {
            self.say(format!("{id} is released and could be paid for"));
        }
        let life = self.life(id);
        let day_ago = now.minus(DAY);
        let proven =
            life.refusals.iter().any(|try_| *try_ <= day_ago && alive_since.is_some_and(|since| since <= *try_));
        let announced = life.announced_at.is_some_and(|at| at <= day_ago);
        if !proven || !announced {
            self.say(format!(
                "{id} is released without two refusals a day apart: proven {proven}, announced {announced}"
            ));
        }
    }

    fn life(&mut self, id: &str) -> &mut Life {
        self.lives.entry(id.to_owned()).or_default()
    }
}
