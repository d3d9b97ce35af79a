//! Many items by their keys, a batch at a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::{Error, Result};
use serde::de::DeserializeOwned;

use crate::Table;
use crate::item::{Item, from_item, key_attributes, key_of};
use crate::keys::Key;
use crate::trouble::{RETRIES, back_off, busy_or_fault, retrying};

/// The most keys that DynamoDB reads in one batch.
pub(crate) const BATCH: usize = 100;

/// Items that were read in one call, by their keys.
pub(crate) struct Together(BTreeMap<Key, Item>);

impl Together {
    /// The item with this key; `None` where nothing is.
    pub(crate) fn take(&mut self, key: &Key) -> Option<Item> {
        self.0.remove(key)
    }

    pub(crate) fn read<T: DeserializeOwned>(&mut self, key: &Key) -> Result<Option<T>> {
        self.take(key).map(from_item).transpose()
    }
}

impl Table {
    /// At most a hundred items by their keys, as they are now, in one round trip. A key that DynamoDB leaves unread is asked for
    /// again: absent is only what it has looked for.
    pub(crate) async fn fetch_together(&self, keys: impl IntoIterator<Item = Key>) -> Result<Together> {
        let items = self.fetch_batch(keys.into_iter().map(|key| key_attributes(key).into()).collect()).await?;
        let items = items.into_iter().map(|item| Ok((key_of(&item)?, item)));
        items.collect::<Result<_>>().map(Together)
    }

    /// Items by their keys, as they stand now, in no order. Where nothing is, nothing comes.
    pub(crate) async fn fetch_all(&self, keys: BTreeSet<Key>) -> Result<Vec<Item>> {
        let keys: Vec<Item> = keys.into_iter().map(|key| key_attributes(key).into()).collect();
        let mut items = Vec::new();
        for batch in keys.chunks(BATCH) {
            items.extend(self.fetch_batch(batch.to_vec()).await?);
        }
        Ok(items)
    }

    async fn fetch_batch(&self, mut keys: Vec<Item>) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for tries in 0..=RETRIES {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let call = self.client.batch_get_item().request_items(&self.name, wanted.map_err(Error::internal)?);
            let answer = retrying(|| call.clone().send()).await.map_err(busy_or_fault)?;
            items.extend(answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default());
            // What DynamoDB was too busy for, or what did not fit into 16 MB.
            let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
            keys = left.map(|left| left.keys).unwrap_or_default();
            if keys.is_empty() {
                return Ok(items);
            }
            back_off(tries).await;
        }
        Err(Error::Busy("DynamoDB keeps leaving keys of a batch unread".into()))
    }
}
