//! The carrier's vocabulary: what it offers, orders, holds and releases, whichever carrier it is.

use std::time::Duration;

use crate::number::Prices;
use crate::{Cause, E164, MicroUsd, OrganizationId, PhoneNumberId, Timestamp};

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

/// The most that the carrier may ask for a number that is offered and bought: above it, a number would be sold at a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceLimits {
    pub upfront: MicroUsd,
    pub monthly: MicroUsd,
}

impl PriceLimits {
    /// What holds where the operator has set no limit: three times our own price, and 5.00 USD at the least.
    #[must_use]
    pub fn by_default(prices: Prices) -> Self {
        const LEAST: MicroUsd = MicroUsd::from_micros(5_000_000);
        let triple = |price: MicroUsd| (price + price + price).max(LEAST);
        Self { upfront: triple(prices.upfront), monthly: triple(prices.monthly) }
    }
}

/// The carrier's id of a number it gave us: a decimal string, larger than a JSON number can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierNumberId(String);

impl CarrierNumberId {
    /// # Errors
    /// A sentence when the text is not 1 to 64 decimal digits. An order-line id (a UUID) is refused here.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the carrier's number id: decimal digits")
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
        source: Cause,
    },
}

/// What the carrier lists of a number that was ordered under one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The number is ours, and in use.
    Ready(CarrierNumberId),
    /// The number is listed, and the carrier is still preparing it.
    Preparing(CarrierNumberId),
    /// There is no such number, which is no proof that there never will be.
    Absent,
}

/// What the carrier says of a number that it was told to release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// The carrier has released it.
    Confirmed,
    /// The account that we speak for has no such number. It may be another account than the one that bought it.
    Unknown,
    /// The carrier keeps the number, and will until somebody changes something there, such as a deletion lock. What it
    /// answered, in status and codes.
    Refused(String),
}

/// A definite no.
#[derive(Debug)]
pub enum Refusal {
    /// Somebody else has the number, or it is no longer offered.
    Taken,
    /// The carrier asks us to come later.
    Throttled { retry_after: Duration, source: Cause },
    /// The order was certainly not accepted for a reason that is not the caller's: the carrier is down, our own account
    /// there is empty or refused, or the order itself is malformed.
    NotAccepted(Cause),
}

/// The state of our order at the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStanding {
    /// The carrier lists no such order, which is no proof that it never will.
    Unlisted,
    /// Pending, or in a state that we do not know.
    Open,
    Done,
    /// The carrier has given it up: a definite no.
    Failed,
    /// The carrier lists several orders under our reference, or another one than ours. None of them speaks for ours.
    Several,
}

/// A number as the carrier holds it for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldNumber {
    pub id: CarrierNumberId,
    pub e164: E164,
    /// The row that it was ordered for; `None` when this service has not ordered it.
    pub reference: Option<PhoneNumberId>,
    /// What it is tagged with, as far as that can be organizations.
    pub owners: Vec<OrganizationId>,
    /// Whether it is tagged with this deployment and with no other one.
    pub tagged_here: bool,
    /// The later one of purchase and creation; `None` when the carrier does not say.
    pub since: Option<Timestamp>,
}

/// One page of what the carrier holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldPage {
    /// The ids of all numbers on the page, whoever ordered them.
    pub ids: Vec<CarrierNumberId>,
    /// The numbers that this service has ordered.
    pub ours: Vec<HeldNumber>,
    /// The number of entries without a reference of ours.
    pub foreign: u32,
    /// The number of entries with a reference of ours that cannot be read otherwise.
    pub unreadable: u32,
    pub last: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_line_id_is_never_taken_for_a_number_id() {
        assert!(CarrierNumberId::parse("6d1e3f4a-8c6d-4f9e-9f6b-2f7a4f0b9d11").is_err());
        assert!(CarrierNumberId::parse("").is_err());
    }
}
