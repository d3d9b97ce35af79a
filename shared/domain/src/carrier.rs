//! What the carrier offers, and what its answers mean for a purchase.

use crate::{E164, Source, number::CarrierNumberId};

/// A number that can be ordered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub e164: E164,
    /// Such as `voice`, `sms`.
    pub features: Vec<String>,
    pub state: Option<String>,
    pub locality: Option<String>,
    pub rate_center: Option<String>,
}

/// Which numbers to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Three digits.
    pub area_code: Option<String>,
    pub locality: Option<String>,
    /// 1 to 50.
    pub limit: u8,
}

/// The carrier's id of an order. It is part of a path, so it holds only what needs no escaping there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierOrderId(String);

impl CarrierOrderId {
    /// # Errors
    /// A sentence when the text is not 1 to 64 ASCII letters, digits or hyphens.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the carrier's order id: 1 to 64 letters, digits or '-'")
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What became of an order, as far as one request can tell.
#[derive(Debug)]
pub enum Ordered {
    /// The number is ours.
    Yes(CarrierNumberId),
    /// The carrier will certainly not deliver: the purchase is refunded.
    No(Refusal),
    /// Nobody can say yet. The order is never sent again; whoever settles it asks the carrier.
    InDoubt {
        /// The order, where the carrier has confirmed that it took one.
        order: Option<CarrierOrderId>,
        source: Source,
    },
}

/// What the carrier says of a number that it was told to release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The carrier has released it.
    Confirmed,
    /// The account that we speak for has no such number. It may be another account than the one that bought it.
    Unknown,
}

/// A definite no.
#[derive(Debug)]
pub enum Refusal {
    /// Somebody else has the number, or it is no longer offered.
    Taken,
    /// The order was certainly not accepted for a reason that is not the caller's: the carrier is down or throttles,
    /// or our own account there is empty or refused.
    NotAccepted(Source),
}
