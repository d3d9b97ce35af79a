//! Many numbers at once, for comparing the table with what the carrier has: found by the index of months to be paid,
//! or by their claims. Nothing is scanned, and every row is read as it stands now.

use std::collections::{BTreeSet, HashMap};

use domain::number::{PhoneNumber, Source};
use domain::registration::Claim;
use domain::{E164, PhoneNumberId, Result, chain};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::claims::read_claim;
use crate::index::FIRST;
use crate::item::Item;
use crate::keys::{Key, PK, WORK_SHARDS, Work};
use crate::number_item::read_number;

/// How far a walk over the index of months to be paid has come. As JSON it is what another walk goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedPlace")]
pub struct Place {
    /// The partition of the index, from 0.
    shard: u8,
    /// The last entry of that partition that was read.
    after: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedPlace {
    shard: u8,
    after: String,
}

impl TryFrom<UncheckedPlace> for Place {
    type Error = &'static str;

    fn try_from(UncheckedPlace { shard, after }: UncheckedPlace) -> Result<Self, Self::Error> {
        // A walk that begins beyond the last partition would end at once, as if everything had been seen.
        if shard >= WORK_SHARDS {
            return Err("there is no such shard");
        }
        // DynamoDB takes no empty key, and no longer one.
        if !(1..=1024).contains(&after.len()) {
            return Err("'after' must have 1 to 1024 bytes");
        }
        Ok(Self { shard, after })
    }
}

impl Place {
    /// Before everything.
    #[must_use]
    pub fn start() -> Self {
        Self::of(0)
    }

    fn of(shard: u8) -> Self {
        Self { shard, after: FIRST.to_owned() }
    }
}

/// What holds a phone number here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Row(Box<PhoneNumber>),
    /// There is a claim, but no row that can be understood.
    Unreadable,
}

impl Table {
    /// Up to a hundred numbers that months have to be paid for, which every active managed number is one of, and where
    /// to go on; `None` when the walk is over.
    ///
    /// The index is a moment behind, so a number bought during the walk may be missing; a number paid during the walk
    /// may come twice. Rows that cannot be understood are logged and left.
    ///
    /// # Errors
    /// [`domain::Error::Busy`] when the table cannot be asked.
    pub async fn charged_numbers(&self, place: &Place) -> Result<(Vec<PhoneNumber>, Option<Place>)> {
        let (rows, after) = self.indexed_numbers(&Work::charge_shard_name(place.shard), &place.after).await?;
        let next = match after {
            Some(after) => Some(Place { shard: place.shard, after }),
            None => Some(place.shard + 1).filter(|shard| *shard < WORK_SHARDS).map(Place::of),
        };
        Ok((rows.into_iter().filter_map(readable).collect(), next))
    }

    /// Whether the deployment has another managed number than this one. A row that cannot be understood counts as one.
    ///
    /// # Errors
    /// [`domain::Error::Busy`] when the table cannot be asked.
    pub async fn has_other_managed(&self, than: &PhoneNumberId) -> Result<bool> {
        // Numbers in use wait for their next charge; those that are ordered or released, for the end of that.
        let shards = (0..WORK_SHARDS).flat_map(|shard| [Work::charge_shard_name(shard), Work::shard_name(shard)]);
        for shard in shards {
            let mut after = Some(FIRST.to_owned());
            while let Some(position) = after {
                let (rows, next) = self.indexed_numbers(&shard, &position).await?;
                let another = |row| {
                    readable(row).is_none_or(|number| number.id != *than && matches!(number.source, Source::Managed(_)))
                };
                if rows.into_iter().any(another) {
                    return Ok(true);
                }
                after = next;
            }
        }
        Ok(false)
    }

    /// What holds each of these phone numbers here; those that nobody holds are left out. Two rounds of batches,
    /// however many organizations they belong to.
    ///
    /// # Errors
    /// [`domain::Error::Busy`] when the table cannot be asked.
    pub async fn holders(&self, numbers: &BTreeSet<E164>) -> Result<HashMap<E164, Holder>> {
        let by_key: HashMap<String, &E164> = numbers.iter().map(|number| (Key::claim(number).pk, number)).collect();
        let mut claims: Vec<(&E164, Option<Claim>)> = Vec::new();
        for item in self.fetch_all(numbers.iter().map(Key::claim).collect()).await? {
            let pk = item.get(PK).and_then(|pk| pk.as_s().ok());
            if let Some(number) = pk.and_then(|pk| by_key.get(pk)) {
                claims.push((number, read_claim(item).ok()));
            }
        }
        let keys =
            claims.iter().flat_map(|(_, claim)| claim).map(|claim| Key::number(&claim.organization, &claim.number));
        let rows: Vec<PhoneNumber> = self.fetch_all(keys.collect()).await?.into_iter().filter_map(readable).collect();
        let mut rows: HashMap<E164, PhoneNumber> = rows.into_iter().map(|row| (row.e164.clone(), row)).collect();
        let mut holder = |number| rows.remove(number).map_or(Holder::Unreadable, |row| Holder::Row(Box::new(row)));
        Ok(claims.into_iter().map(|(number, _)| number).map(|number| (number.clone(), holder(number))).collect())
    }
}

fn readable(item: Item) -> Option<PhoneNumber> {
    read_number(item)
        .inspect_err(|error| tracing::error!(error.cause = %chain(error), "a row cannot be understood"))
        .ok()
}
