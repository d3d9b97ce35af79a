//! What the carrier remembers: orders and numbers, and the file that they survive in.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::magic::Magic;
use super::problem::Problem;

/// An order that was accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlacedOrder {
    pub id: String,
    /// The id of the order's only line. It is not the number's id.
    pub line_id: String,
    pub phone_number: String,
    pub customer_reference: Option<String>,
    pub connection_id: Option<String>,
    pub messaging_profile_id: Option<String>,
    /// Whether it ends as a failure, which nobody is told before it is settled.
    pub fails: bool,
    created_at: i64,
    settles_at: i64,
}

impl PlacedOrder {
    /// `pending`, `success` or `failure`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> &'static str {
        match (now.millis() < self.settles_at, self.fails) {
            (true, _) => "pending",
            (false, false) => "success",
            (false, true) => "failure",
        }
    }

    pub(super) fn created_at(&self) -> Timestamp {
        Timestamp::from_millis(self.created_at)
    }

    pub(super) fn updated_at(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(if now.millis() < self.settles_at { self.created_at } else { self.settles_at })
    }
}

/// A number that is ours at the carrier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwnedNumber {
    /// Decimal, above 2^53.
    pub id: String,
    pub phone_number: String,
    pub customer_reference: Option<String>,
    pub connection_id: Option<String>,
    pub messaging_profile_id: Option<String>,
    pub tags: Vec<String>,
    /// When the order is settled: before that nobody sees the number.
    active_from: i64,
    purchased_at: i64,
    updated_at: i64,
    release_refused: bool,
}

impl OwnedNumber {
    pub(super) fn active_from(&self) -> Timestamp {
        Timestamp::from_millis(self.active_from)
    }

    pub(super) fn purchased_at(&self) -> Timestamp {
        Timestamp::from_millis(self.purchased_at)
    }

    pub(super) fn updated_at(&self) -> Timestamp {
        Timestamp::from_millis(self.updated_at)
    }
}

/// What an order asks for.
pub(super) struct Wanted {
    pub(super) phone_number: String,
    pub(super) customer_reference: Option<String>,
    pub(super) connection_id: Option<String>,
    pub(super) messaging_profile_id: Option<String>,
}

/// Changes to a number; `None` leaves a field as it is.
pub(super) struct Changes {
    pub(super) customer_reference: Option<String>,
    pub(super) connection_id: Option<String>,
    pub(super) tags: Option<Vec<String>>,
}

/// Orders and numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Book {
    /// Where the next id comes from. It starts at the time, so that a carrier that has lost its file does not give out
    /// the ids of its former life again.
    next: u64,
    orders: Vec<PlacedOrder>,
    numbers: Vec<OwnedNumber>,
}

impl Book {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { next: now.millis().unsigned_abs() * 1_000, orders: Vec::new(), numbers: Vec::new() }
    }

    /// Reads the file; a new book when there is none.
    pub(super) fn read(file: &Path, now: Timestamp) -> Result<Self> {
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::new(now)),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&text)
            .map_err(|error| Error::new(ErrorKind::InvalidData, format!("{}: {error}", file.display())))
    }

    /// Replaces the file as a whole, so that a process killed at any moment leaves the old one or the new one. It is
    /// small; writing it takes less time than handing the work to another thread.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let unfinished = file.with_added_extension("new");
        std::fs::write(&unfinished, serde_json::to_vec(self)?)?;
        std::fs::rename(unfinished, file)
    }

    /// The numbers that are ours at `now`.
    pub(super) fn numbers(&self, now: Timestamp) -> impl Iterator<Item = &OwnedNumber> {
        self.numbers.iter().filter(move |number| number.active_from <= now.millis())
    }

    pub(super) fn orders(&self) -> &[PlacedOrder] {
        &self.orders
    }

    /// Whether nobody else can have the number: it is ours, or ordered.
    pub(super) fn sold(&self, phone_number: &str, now: Timestamp) -> bool {
        self.numbers.iter().any(|number| number.phone_number == phone_number)
            || self.orders.iter().any(|order| order.phone_number == phone_number && order.status(now) == "pending")
    }

    /// Takes an order, which is settled after `settle_after`.
    pub(super) fn order(
        &mut self,
        wanted: Wanted,
        fails: bool,
        settle_after: Duration,
        now: Timestamp,
    ) -> std::result::Result<PlacedOrder, Problem> {
        if self.sold(&wanted.phone_number, now) {
            return Err(Problem::already_ours());
        }
        let Wanted { phone_number, customer_reference, connection_id, messaging_profile_id } = wanted;
        let settles_at = now.plus(settle_after).millis();
        let order = PlacedOrder {
            id: uuid(self.next_id(), 1),
            line_id: uuid(self.next_id(), 2),
            phone_number: phone_number.clone(),
            customer_reference: customer_reference.clone(),
            connection_id: connection_id.clone(),
            messaging_profile_id: messaging_profile_id.clone(),
            fails,
            created_at: now.millis(),
            settles_at,
        };
        if !fails {
            let id = (2_000_000_000_000_000_000 + self.next_id()).to_string();
            self.numbers.push(OwnedNumber {
                id,
                phone_number,
                customer_reference,
                connection_id,
                messaging_profile_id,
                tags: Vec::new(),
                active_from: settles_at,
                purchased_at: now.millis(),
                updated_at: settles_at,
                release_refused: false,
            });
        }
        self.orders.push(order.clone());
        Ok(order)
    }

    /// Changes a number.
    pub(super) fn update(
        &mut self,
        id: &str,
        changes: Changes,
        now: Timestamp,
    ) -> std::result::Result<OwnedNumber, Problem> {
        let number = self.number_mut(id, now)?;
        let Changes { customer_reference, connection_id, tags } = changes;
        number.customer_reference = customer_reference.or(number.customer_reference.take());
        number.connection_id = connection_id.or(number.connection_id.take());
        number.tags = tags.unwrap_or_else(|| std::mem::take(&mut number.tags));
        number.updated_at = now.millis();
        Ok(number.clone())
    }

    /// Gives a number back. A magic one is refused once, which the carrier remembers whatever it answers.
    pub(super) fn release(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> std::result::Result<std::result::Result<OwnedNumber, Problem>, Problem> {
        let number = self.number_mut(id, now)?;
        let refusal = match Magic::of(&number.phone_number) {
            Some(Magic::StickyRelease) => Some(Problem::down()),
            Some(Magic::LockedRelease) => Some(Problem::locked()),
            _ => None,
        };
        if let Some(refusal) = refusal.filter(|_| !number.release_refused) {
            number.release_refused = true;
            return Ok(Err(refusal));
        }
        let mut released = number.clone();
        released.updated_at = now.millis();
        self.numbers.retain(|number| number.id != id);
        Ok(Ok(released))
    }

    fn number_mut(&mut self, id: &str, now: Timestamp) -> std::result::Result<&mut OwnedNumber, Problem> {
        let ours = |number: &&mut OwnedNumber| number.id == id && number.active_from <= now.millis();
        self.numbers.iter_mut().find(ours).ok_or_else(Problem::not_found)
    }

    fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// A number in the form of a UUID, version 4.
fn uuid(number: u64, kind: u16) -> String {
    format!("{:08x}-{kind:04x}-4000-8000-{:012x}", number >> 48, number & 0xffff_ffff_ffff)
}
