//! The index `work`: what schedules and operators look for across organizations. All that reads it is here.
//!
//! An index is a moment behind its table. It only says which row; what is to be done is decided from the row itself.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::renewal::{charged_from, charged_until};
use domain::{KybId, OrganizationId, PhoneNumberId, Result, Timestamp};
use futures_util::future::try_join_all;
use serde::Deserialize;

use crate::Table;
use crate::batches::BATCH;
use crate::item::{Item, from_item, key_attributes};
use crate::keys::{Key, Named, WORK_DUE, WORK_INDEX, WORK_SHARD, WORK_SHARDS, Work};
use crate::pages::Pages;

/// A position before every entry of a partition: entries begin with a year, and no year begins with a space.
pub(crate) const FIRST: &str = " ";

/// Something that is due. The index only says which row; what is to be done is decided from the row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Number(OrganizationId, PhoneNumberId),
    /// An order that may arrive after its refund, by its reference.
    LateOrder(OrganizationId, PhoneNumberId),
    Submission(OrganizationId, KybId),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    work_due: String,
}

/// One entry of the index: which item, and its place.
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) due: String,
}

impl Entry {
    /// When it is due.
    pub(crate) fn due_at(&self) -> Option<Timestamp> {
        self.due.split('#').next().and_then(|at| Timestamp::parse(at).ok())
    }

    fn read(item: Item) -> Result<Self> {
        let EntryItem { pk, sk, work_due } = from_item(item)?;
        Ok(Self { key: Key { pk, sk }, due: work_due })
    }

    /// Which row it is about; `None` when that cannot be understood.
    pub(crate) fn named(&self) -> Option<Named> {
        self.key.named(&self.due)
    }
}

impl Table {
    /// Up to `most` rows that are due, the longest overdue first. Rows that cannot be understood are logged and left.
    pub async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>> {
        // Greater than any id, so that everything due at this very moment is included.
        let until = format!("{now}~");
        let shards = (0..WORK_SHARDS).map(|shard| {
            let overdue = self.entries_of(&Work::shard_name(shard), Some(("<=", &until)));
            Pages::of(overdue, None).at_most(most)
        });
        let mut found: Vec<(String, Due)> = Vec::new();
        for item in try_join_all(shards).await?.into_iter().flatten() {
            let entry = Entry::read(item)?;
            match entry.named() {
                Some(Named::Number(organization, number)) => {
                    found.push((entry.due, Due::Number(organization, number)));
                }
                Some(Named::LateOrder(organization, reference)) => {
                    found.push((entry.due, Due::LateOrder(organization, reference)));
                }
                Some(Named::Submission(organization, submission)) => {
                    found.push((entry.due, Due::Submission(organization, submission)));
                }
                Some(Named::Credits(_)) | None => {
                    tracing::error!(work.due = entry.due, "a row in the work index cannot be understood");
                }
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found.truncate(most);
        Ok(found.into_iter().map(|(_, due)| due).collect())
    }

    /// Everything unsettled of one kind, the longest waiting first, due or not.
    pub(crate) async fn unsettled<T>(&self, wanted: impl Fn(Named) -> Option<T>) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for shard in 0..WORK_SHARDS {
            for entry in self.entries(&Work::shard_name(shard), None, usize::MAX).await? {
                found.extend(entry.named().and_then(&wanted).map(|wanted| (entry.due, wanted)));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found.into_iter().map(|(_, wanted)| wanted).collect())
    }

    /// Entries of one partition in their order, at most `limit` of them after `start`.
    pub(crate) async fn entries(&self, shard: &str, start: Option<(Key, Work)>, limit: usize) -> Result<Vec<Entry>> {
        let after = start.map(|(key, work)| {
            let place = [(WORK_SHARD, work.shard), (WORK_DUE, work.due)];
            let place = place.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
            key_attributes(key).into_iter().chain(place).collect()
        });
        let items = Pages::of(self.entries_of(shard, None), after).at_most(limit).await?;
        items.into_iter().map(Entry::read).collect()
    }

    /// All entries of one partition whose time is after `after`, where that is given, and not after `until`.
    pub(crate) async fn entries_between(
        &self,
        shard: &str,
        after: Option<Timestamp>,
        until: Timestamp,
    ) -> Result<Vec<Entry>> {
        // Greater than any id, so that it includes everything of the very moment.
        let place = |at: Timestamp| format!("{at}~");
        let first = after.map_or_else(|| FIRST.to_owned(), place);
        let query = self
            .entries_of(shard, None)
            .key_condition_expression(format!("{WORK_SHARD} = :shard AND {WORK_DUE} BETWEEN :first AND :last"))
            .expression_attribute_values(":first", AttributeValue::S(first))
            .expression_attribute_values(":last", AttributeValue::S(place(until)));
        Pages::of(query, None).all().await?.into_iter().map(Entry::read).collect()
    }

    /// When something is to be done next, after `after`, of what is due until `until`: a month is charged, or something that is
    /// not settled is looked at again.
    pub async fn next_due(&self, after: Timestamp, until: Timestamp) -> Result<Option<Timestamp>> {
        // A month of before whose quarter of an hour is not over waits, too.
        let (unsettled, charges) = tokio::try_join!(
            self.entries_of_shards(Work::shard_name, Some(after), until),
            self.entries_of_shards(Work::charge_shard_name, Some(charged_until(after)), until)
        )?;
        let charges = charges.iter().filter_map(Entry::due_at).map(charged_from);
        Ok(unsettled.iter().filter_map(Entry::due_at).chain(charges).filter(|due| *due > after).min())
    }

    /// The same of all partitions that `name` names.
    pub(crate) async fn entries_of_shards(
        &self,
        name: fn(u8) -> String,
        after: Option<Timestamp>,
        until: Timestamp,
    ) -> Result<Vec<Entry>> {
        let shards =
            (0..WORK_SHARDS).map(|shard| async move { self.entries_between(&name(shard), after, until).await });
        Ok(try_join_all(shards).await?.into_iter().flatten().collect())
    }

    /// Up to a hundred rows of numbers of one partition after a position, as they stand now, and the position to go on
    /// from; `None` at the partition's end.
    pub(crate) async fn indexed_numbers(&self, shard: &str, after: &str) -> Result<(Vec<Item>, Option<String>)> {
        let entries = self.entries_of(shard, Some((">", after))).limit(i32::try_from(BATCH).unwrap_or(i32::MAX));
        let mut pages = Pages::of(entries, None);
        let (mut keys, mut last) = (BTreeSet::new(), None);
        for item in pages.next().await?.unwrap_or_default() {
            let entry = Entry::read(item)?;
            if matches!(entry.named(), Some(Named::Number(..))) {
                keys.insert(entry.key);
            }
            last = Some(entry.due);
        }
        Ok((self.fetch_all(keys).await?, last.filter(|_| !pages.is_over())))
    }

    /// A query for the entries of one partition, perhaps only for those whose place compares like this.
    fn entries_of(&self, shard: &str, place: Option<(&str, &str)>) -> QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(WORK_INDEX)
            .expression_attribute_values(":shard", AttributeValue::S(shard.to_owned()));
        match place {
            None => query.key_condition_expression(format!("{WORK_SHARD} = :shard")),
            Some((compares, due)) => query
                .key_condition_expression(format!("{WORK_SHARD} = :shard AND {WORK_DUE} {compares} :due"))
                .expression_attribute_values(":due", AttributeValue::S(due.to_owned())),
        }
    }
}
