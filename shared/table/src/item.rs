//! Stored items: serde structs on the way in and out.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Error, Result, Timestamp};
use serde::de::IntoDeserializer;
use serde::de::value::MapDeserializer;
use serde::{Deserialize, Serialize};

use crate::keys::{Key, PK, SK, WORK_DUE, WORK_SHARD, Work};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The attributes of a stored struct with its key and, when it waits for something, its place in the work index.
pub(crate) fn to_item<T: Serialize>(key: Key, work: Option<Work>, attributes: &T) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(attributes).map_err(Error::internal)?;
    // Nothing is stored as null: an absent attribute says the same, and conditions can ask for it.
    item.retain(|_, value| !value.is_null());
    item.extend(key_attributes(key));
    if let Some(Work { shard, due }) = work {
        item.insert(WORK_SHARD.to_owned(), AttributeValue::S(shard));
        item.insert(WORK_DUE.to_owned(), AttributeValue::S(due));
    }
    Ok(item)
}

/// Reads a stored struct. What does not fit is a fault of ours, never a panic.
pub(crate) fn from_item<T: for<'de> Deserialize<'de>>(item: Item) -> Result<T> {
    let attributes = item.into_iter().map(|(name, value)| (name, Stored(value)));
    T::deserialize(MapDeserializer::new(attributes)).map_err(Error::internal)
}

/// An attribute on its way into a struct. `serde_dynamo::from_item` would build two maps more of all attributes first, half of the
/// time of reading a number.
struct Stored(AttributeValue);

impl IntoDeserializer<'_, serde_dynamo::Error> for Stored {
    type Deserializer = serde_dynamo::Deserializer;

    fn into_deserializer(self) -> Self::Deserializer {
        serde_dynamo::Deserializer::from_attribute_value(self.0.into())
    }
}

pub(crate) fn key_attributes(key: Key) -> [(String, AttributeValue); 2] {
    [(PK.to_owned(), AttributeValue::S(key.pk)), (SK.to_owned(), AttributeValue::S(key.sk))]
}

/// The key of a stored item.
pub(crate) fn key_of(item: &Item) -> Result<Key> {
    let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let (Some(pk), Some(sk)) = (text(PK), text(SK)) else {
        return Err(Error::internal("an item came without its key"));
    };
    Ok(Key { pk, sk })
}

/// A stored value that its own type refuses.
pub(crate) fn corrupt(attribute: &'static str) -> impl Fn(&'static str) -> Error {
    move |reason| Error::internal(format!("stored attribute {attribute} {reason}"))
}

pub(crate) fn time(attribute: &'static str, text: &str) -> Result<Timestamp> {
    Timestamp::parse(text).map_err(corrupt(attribute))
}

pub(crate) fn optional_time(attribute: &'static str, text: Option<&str>) -> Result<Option<Timestamp>> {
    text.map(|text| time(attribute, text)).transpose()
}
