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

/// What became of an order, as far as one request can tell.
#[derive(Debug)]
pub enum Ordered {
    /// The number is ours.
    Yes(CarrierNumberId),
    /// The carrier will certainly not deliver: everything is given back.
    No(Refusal),
    /// Nobody can say yet. The order is never sent again; whoever settles it asks the carrier.
    InDoubt(Source),
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
