//! Ids in an event, which are parsed as whatever comes in.

/// The carrier's ids of numbers.
pub(super) mod carrier {
    use domain::carrier::CarrierNumberId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::sweep) fn serialize<S: Serializer>(ids: &[CarrierNumberId], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(ids.iter().map(CarrierNumberId::as_str))
    }

    pub(in crate::sweep) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CarrierNumberId>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| CarrierNumberId::parse(text).map_err(D::Error::custom)).collect()
    }
}

/// An organization, or none.
pub(super) mod organization {
    use domain::OrganizationId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
    pub(in crate::sweep) fn serialize<S: Serializer>(id: &Option<OrganizationId>, to: S) -> Result<S::Ok, S::Error> {
        id.as_ref().map(OrganizationId::as_str).serialize(to)
    }

    pub(in crate::sweep) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<OrganizationId>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.as_deref().map(OrganizationId::parse).transpose().map_err(D::Error::custom)
    }
}
