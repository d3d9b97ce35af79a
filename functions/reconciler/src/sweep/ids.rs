//! The carrier's ids in an event, which are parsed as what comes from the carrier is.

use domain::carrier::CarrierNumberId;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(ids: &[CarrierNumberId], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(ids.iter().map(CarrierNumberId::as_str))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CarrierNumberId>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| CarrierNumberId::parse(text).map_err(D::Error::custom)).collect()
}
