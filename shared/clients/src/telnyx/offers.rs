//! What the carrier offers, and which of it is sold here.

use domain::carrier::{Offer, PriceLimits};
use domain::{E164, MicroUsd};
use serde_json::Value;

use super::answers::{entries, list, successful};
use super::wire::{Answer, Failure, Problem, text};

/// The carrier does not know our key, or the key may not do this.
const NOT_PERMITTED: &[&str] = &["10009", "10010", "10038"];
/// Nothing in stock fits the filters.
const NOTHING_FITS: &[&str] = &["10031"];

/// A number in the answer to a search.
pub(super) struct Offered {
    /// As the carrier wrote it: accounts of a low level see `+1415xxxxxxx`.
    pub(super) e164: String,
    /// `local` where the carrier says it.
    kind: Option<String>,
    /// `None` where the carrier lists none.
    features: Option<Vec<String>>,
    upfront: Price,
    monthly: Price,
    state: Option<String>,
    locality: Option<String>,
    rate_center: Option<String>,
}

/// What the carrier asks for a number.
enum Price {
    Unsaid,
    /// Not in US dollars, or not an amount.
    Unclear,
    Usd(MicroUsd),
}

impl Price {
    fn read(costs: &Value, field: &str) -> Self {
        let Some(amount) = text(&costs[field]) else { return Self::Unsaid };
        let dollars = text(&costs["currency"]).is_none_or(|currency| currency == "USD");
        // More than six decimals are zeros, if anything.
        let amount = if amount.contains('.') { amount.trim_end_matches('0').trim_end_matches('.') } else { &amount };
        match MicroUsd::parse(amount) {
            Ok(amount) if dollars => Self::Usd(amount),
            _ => Self::Unclear,
        }
    }

    fn is_within(&self, limit: MicroUsd) -> bool {
        match self {
            Self::Unsaid => true,
            Self::Unclear => false,
            Self::Usd(amount) => *amount <= limit,
        }
    }
}

/// Why a number that the carrier offers is neither shown nor sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsuitable {
    /// Its digits are hidden, as accounts of a low level see them.
    Masked,
    /// It is not a number of the United States that this service sells.
    Foreign,
    /// It is not local, or carries no calls.
    OtherKind,
    /// It costs more than is allowed, or an amount that cannot be compared.
    TooExpensive,
}

impl Offered {
    fn read(entry: &Value) -> Option<Self> {
        let named = |features: &Vec<Value>| features.iter().filter_map(|feature| text(&feature["name"])).collect();
        let regions = list(&entry["region_information"]);
        let region = |kind: &str| {
            let named = regions.iter().find(|region| region["region_type"] == kind)?;
            text(&named["region_name"])
        };
        let costs = &entry["cost_information"];
        Some(Self {
            e164: text(&entry["phone_number"])?,
            kind: text(&entry["phone_number_type"]),
            features: entry["features"].as_array().map(named),
            upfront: Price::read(costs, "upfront_cost"),
            monthly: Price::read(costs, "monthly_cost"),
            state: region("state"),
            locality: region("location"),
            rate_center: region("rate_center"),
        })
    }

    /// This as an offer.
    ///
    /// # Errors
    /// Why it is neither shown nor sold.
    pub(super) fn orderable(self, limits: PriceLimits) -> Result<Offer, Unsuitable> {
        let Self { e164, kind, features, upfront, monthly, state, locality, rate_center } = self;
        E164::from_stored(&e164).map_err(|_| Unsuitable::Masked)?;
        let e164 = E164::parse_us(&e164).map_err(|_| Unsuitable::Foreign)?;
        let voice = features.as_ref().is_none_or(|features| features.iter().any(|feature| feature == "voice"));
        if !voice || kind.is_some_and(|kind| kind != "local") {
            return Err(Unsuitable::OtherKind);
        }
        if !upfront.is_within(limits.upfront) || !monthly.is_within(limits.monthly) {
            return Err(Unsuitable::TooExpensive);
        }
        Ok(Offer { e164, features: features.unwrap_or_default(), state, locality, rate_center })
    }
}

/// The offers among what the carrier lists. The operator hears once of what is not sold, and why, unless it is only
/// numbers of elsewhere, which carriers mix in.
pub(super) fn suitable(offered: Vec<Offered>, limits: PriceLimits) -> Vec<Offer> {
    let (mut offers, mut unsuitable) = (Vec::with_capacity(offered.len()), Vec::new());
    for offered in offered {
        match offered.orderable(limits) {
            Ok(offer) => offers.push(offer),
            Err(reason) => unsuitable.push(reason),
        }
    }
    let count = |reason| unsuitable.iter().filter(|found| **found == reason).count();
    let (masked, other_kind, too_expensive) =
        (count(Unsuitable::Masked), count(Unsuitable::OtherKind), count(Unsuitable::TooExpensive));
    if masked > 0 {
        tracing::warn!(
            carrier.masked = masked,
            carrier.other_kind = other_kind,
            carrier.too_expensive = too_expensive,
            "the carrier shows our account only masked numbers; raise the account's level there"
        );
    } else if other_kind + too_expensive > 0 {
        tracing::warn!(
            carrier.other_kind = other_kind,
            carrier.too_expensive = too_expensive,
            "the carrier offers numbers that are not sold: not local, without voice, or above the price limits"
        );
    }
    offers
}

/// The numbers in the answer to `GET /available_phone_numbers`.
pub(super) fn offered(answer: Result<Answer, Failure>) -> Result<Vec<Offered>, Failure> {
    let answer = answer?;
    let problems = answer.problems();
    let says = |codes| problems.iter().any(|problem: &Problem| problem.is(codes));
    // "Nothing there" comes as an error, under several statuses. Without an error envelope it is somebody else's.
    if matches!(answer.status.as_u16(), 400 | 404 | 422) && !problems.is_empty() && !says(NOT_PERMITTED) {
        if !says(NOTHING_FITS) {
            tracing::warn!(carrier.answer = %answer.refused(), "the carrier refused a search, which is answered as no coverage");
        }
        return Ok(Vec::new());
    }
    Ok(entries(&successful(answer)?)?.iter().filter_map(Offered::read).collect())
}
