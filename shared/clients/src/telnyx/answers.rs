//! What the carrier's answers mean.
//!
//! An answer proves what it says and nothing more. A success that does not name the thing it is about, in the state that
//! was asked for, is in doubt: proxies, portals and the carrier itself answer `200` to what they have not done.
//!
//! Every field may be missing or null whatever the published description says, and words may be added to every list of
//! words. One entry that cannot be read does not spoil a list.

use domain::carrier::{CarrierNumberId, CarrierOrderId, Offer, Refusal, Release};
use domain::{Cause, E164, OrganizationId, PhoneNumberId};
use reqwest::StatusCode;
use serde_json::Value;

use super::deployment::Deployment;
use super::wire::{Answer, Failure, Problem, text};

/// The carrier does not know our key, or the key may not do this.
const NOT_PERMITTED: &[&str] = &["10009", "10010", "10038"];
/// Our account at the carrier is out of money.
const NO_MONEY: &[&str] = &["20012", "20100"];
/// The number is sold, or held for somebody else.
const NOT_FOR_SALE: &[&str] = &["85000", "85001"];
/// The carrier does not know the number, or something else that cannot be processed: the detail tells.
const UNPROCESSABLE: &[&str] = &["10027"];
/// Nothing in stock fits the filters.
const NOTHING_FITS: &[&str] = &["10031"];
/// The status of a number that we have released.
const DELETED: &str = "deleted";
/// Statuses of a listed number that is not ours, or not any more.
pub(super) const NOT_OURS: &[&str] = &[DELETED, "ported-out", "port-failed", "purchase-failed"];

/// How an order stands at the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    Failed,
    /// Pending, or a word that we do not know: asking again tells.
    Open,
}

/// What the answer to an order means.
#[derive(Debug)]
pub(super) enum Placed {
    /// The carrier has the order, under this id.
    Accepted {
        order: CarrierOrderId,
        standing: Progress,
    },
    No(Refusal),
    InDoubt(Cause),
}

/// The one table of what an answer to `POST /number_orders` means.
///
/// A wrong "no" gives the money back while the carrier goes on charging us for a number that nobody sees; a wrong "in
/// doubt" only waits. So everything that is not known for certain is in doubt, 4xx included.
pub(super) fn placed(answer: Result<Answer, Failure>, reference: &PhoneNumberId) -> Placed {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure @ (Failure::Secret(_) | Failure::NotSent(_))) => {
            return Placed::No(Refusal::NotAccepted(failure.into()));
        }
        Err(failure) => return Placed::InDoubt(failure.into()),
    };
    let problems = answer.problems();
    let says = |codes| problems.iter().any(|problem: &Problem| problem.is(codes));
    let unknown_number =
        || problems.iter().any(|problem| problem.is(UNPROCESSABLE) && problem.detail.contains("recognize the number"));
    match answer.status.as_u16() {
        200..=299 => match (read_progress(&answer), placed_order(&answer, reference)) {
            (standing, Ok(order)) => Placed::Accepted { order, standing },
            (_, Err(failure)) => Placed::InDoubt(failure.into()),
        },
        422 if unknown_number() || says(NOT_FOR_SALE) => Placed::No(Refusal::Taken),
        402 | 429 => Placed::No(Refusal::NotAccepted(answer.refused().into())),
        401 | 403 if says(NOT_PERMITTED) => Placed::No(Refusal::NotAccepted(answer.refused().into())),
        400..=499 if says(NO_MONEY) => Placed::No(Refusal::NotAccepted(answer.refused().into())),
        _ => Placed::InDoubt(answer.refused().into()),
    }
}

/// The id of the order that was placed under our reference. The carrier leaves a reference out at times, but one that is
/// there is ours.
fn placed_order(answer: &Answer, reference: &PhoneNumberId) -> Result<CarrierOrderId, Failure> {
    let order = &answer.body["data"];
    if text(&order["customer_reference"]).is_some_and(|theirs| theirs != reference.as_str()) {
        return Err(Failure::Garbled("it is about another order"));
    }
    order_id(&order["id"])
}

/// How an order stands, from the answer to `GET /number_orders/{id}`.
pub(super) fn standing(answer: Result<Answer, Failure>, order: &CarrierOrderId) -> Result<Progress, Failure> {
    let answer = successful(answer?)?;
    if order_id(&answer.body["data"]["id"])? == *order {
        Ok(read_progress(&answer))
    } else {
        Err(Failure::Garbled("it is not the order asked for"))
    }
}

/// The ids of the orders under our reference, from the answer to `GET /number_orders`.
pub(super) fn orders(
    answer: Result<Answer, Failure>,
    reference: &PhoneNumberId,
) -> Result<Vec<CarrierOrderId>, Failure> {
    let answer = successful(answer?)?;
    let ours = entries(&answer)?.iter().filter(|entry| entry["customer_reference"] == reference.as_str());
    ours.map(|entry| order_id(&entry["id"])).collect()
}

fn read_progress(answer: &Answer) -> Progress {
    match answer.body["data"]["status"].as_str() {
        Some("success") => Progress::Done,
        Some("failure") => Progress::Failed,
        _ => Progress::Open,
    }
}

fn order_id(field: &Value) -> Result<CarrierOrderId, Failure> {
    let id = text(field).unwrap_or_default();
    CarrierOrderId::parse(&id).map_err(|_| Failure::Garbled("an order has no usable id"))
}

/// A number in the answer to a search.
pub(super) struct Offered {
    /// As the carrier wrote it: accounts of a low level see `+1415xxxxxxx`.
    pub(super) e164: String,
    features: Vec<String>,
    state: Option<String>,
    locality: Option<String>,
    rate_center: Option<String>,
}

impl Offered {
    fn read(entry: &Value) -> Option<Self> {
        let features = list(&entry["features"]).iter().filter_map(|feature| text(&feature["name"])).collect();
        let regions = list(&entry["region_information"]);
        let region = |kind: &str| {
            let named = regions.iter().find(|region| region["region_type"] == kind)?;
            text(&named["region_name"])
        };
        Some(Self {
            e164: text(&entry["phone_number"])?,
            features,
            state: region("state"),
            locality: region("location"),
            rate_center: region("rate_center"),
        })
    }

    /// This as an offer, unless it is redacted or not a number of the United States.
    pub(super) fn orderable(self) -> Option<Offer> {
        let Self { e164, features, state, locality, rate_center } = self;
        let e164 = E164::parse(&e164).ok().filter(E164::is_us)?;
        Some(Offer { e164, features, state, locality, rate_center })
    }
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

/// The id of our number, from the answer to `GET /phone_numbers`.
pub(super) fn owned(
    answer: Result<Answer, Failure>,
    number: &E164,
    reference: &PhoneNumberId,
) -> Result<Option<CarrierNumberId>, Failure> {
    let answer = successful(answer?)?;
    let mut ours = entries(&answer)?.iter().filter(|entry| {
        let same_reference = text(&entry["customer_reference"]).is_none_or(|theirs| theirs == reference.as_str());
        let gone = entry["status"].as_str().is_some_and(|status| NOT_OURS.contains(&status));
        entry["phone_number"] == number.as_str() && same_reference && !gone
    });
    match (ours.next(), ours.next()) {
        (None, _) => Ok(None),
        (Some(entry), None) => {
            let id = text(&entry["id"]).unwrap_or_default();
            CarrierNumberId::parse(&id).map(Some).map_err(|_| Failure::Garbled("the number has no usable id"))
        }
        (Some(_), Some(_)) => Err(Failure::Garbled("the number is listed more than once")),
    }
}

/// How a number is to be set up.
pub(super) struct Setup<'a> {
    pub(super) resource: &'a CarrierNumberId,
    pub(super) owner: &'a OrganizationId,
    pub(super) here: &'a Deployment,
    /// Where its calls go; `None` leaves that as it is.
    pub(super) connection: Option<String>,
}

impl Setup<'_> {
    /// Whether the carrier shows the number as it is to be.
    fn is_shown_by(&self, number: &Value) -> bool {
        let tags = || list(&number["tags"]).iter().filter_map(Value::as_str);
        let connection = text(&number["connection_id"]);
        is_number(number, self.resource)
            && tags().any(|tag| tag == self.owner.as_str())
            && tags().any(|tag| tag == self.here.tag())
            && (self.connection.is_none() || self.connection == connection)
    }
}

fn is_number(entry: &Value, resource: &CarrierNumberId) -> bool {
    text(&entry["id"]).is_some_and(|id| id == resource.as_str())
}

/// Whether a number is set up, from the answer to `PATCH /phone_numbers/{id}`.
pub(super) fn configured(answer: Result<Answer, Failure>, setup: &Setup<'_>) -> Result<(), Failure> {
    let answer = answer?;
    if matches!(answer.status.as_u16(), 400 | 422) {
        // The same answer comes each time until somebody mends what we send, most likely the connection.
        tracing::error!(error.cause = %answer.refused(), "the carrier refuses to set a number up; see connectionId in its secret");
    }
    let answer = successful(answer)?;
    if setup.is_shown_by(&answer.body["data"]) {
        Ok(())
    } else {
        Err(Failure::Garbled("it does not show the number as it was to be set up"))
    }
}

/// Whether a number is gone, from the answer to `DELETE /phone_numbers/{id}`.
pub(super) fn released(answer: Result<Answer, Failure>, resource: &CarrierNumberId) -> Result<Release, Failure> {
    let answer = answer?;
    let problems = answer.problems();
    let already =
        problems.iter().any(|problem| problem.detail.contains("already") && problem.detail.contains("deleted"));
    match answer.status.as_u16() {
        // A "not found" without the carrier's error envelope comes from somewhere else, such as a wrong base address.
        404 | 410 if !problems.is_empty() => Ok(Release::Unknown),
        400..=499 if already => Ok(Release::Unknown),
        _ => {
            let number = &successful(answer)?.body["data"];
            if is_number(number, resource) && number["status"] == DELETED {
                Ok(Release::Confirmed)
            } else {
                Err(Failure::Garbled("it does not say that the number is deleted"))
            }
        }
    }
}

pub(super) fn successful(answer: Answer) -> Result<Answer, Failure> {
    if !answer.status.is_success() {
        Err(answer.refused())
    } else if answer.status != StatusCode::NO_CONTENT && !answer.body.is_object() {
        Err(Failure::Garbled("it is not a JSON object"))
    } else {
        Ok(answer)
    }
}

/// The entries of a list answer. One without a list is not an empty list.
pub(super) fn entries(answer: &Answer) -> Result<&[Value], Failure> {
    answer.body["data"].as_array().map(Vec::as_slice).ok_or(Failure::Garbled("it has no list"))
}

fn list(field: &Value) -> &[Value] {
    field.as_array().map(Vec::as_slice).unwrap_or_default()
}
