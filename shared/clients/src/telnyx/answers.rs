//! What the carrier's answers mean.
//!
//! An answer proves what it says and nothing more. A success that does not name the thing it is about, in the state that
//! was asked for, is in doubt: proxies, portals and the carrier itself answer `200` to what they have not done.
//!
//! Every field may be missing or null whatever the published description says, and words may be added to every list of
//! words. One entry that cannot be read does not spoil a list.

use domain::carrier::{CarrierNumberId, CarrierOrderId, Found, Refusal, Release};
use domain::{Cause, E164, OrganizationId, PhoneNumberId};
use reqwest::StatusCode;
use runtime::alarm::Alarm;
use serde_json::Value;

use super::deployment::Deployment;
use super::wire::{Answer, Failure, Problem, text};

/// The number is sold, or held for somebody else, or no recent search has shown it.
const NOT_FOR_SALE: &[&str] = &["85000", "85001"];
/// The carrier does not know the number, or something else that cannot be processed: the detail tells.
const UNPROCESSABLE: &[&str] = &["10027"];
/// The carrier is busy with the same thing, or has it locked.
const BUSY: &[&str] = &["10035", "10036"];
/// Words of a refusal that may be about an order which the carrier has taken: ours, doubled on its way.
const MAY_BE_TAKEN: &[&str] = &["already", "duplicate", "in progress", "being processed", "being ordered", "busy"];
/// The status of a number that we have released.
const DELETED: &str = "deleted";
/// The status of a number that is being ported out.
const LEAVING: &str = "port-out-pending";
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

/// The one table of what an answer to `POST /number_orders` proves.
///
/// A wrong "no" gives the money back while the carrier goes on charging us for a number that nobody sees; a wrong "in
/// doubt" makes a customer wait for up to an hour. The first row that fits counts.
///
/// | answer | it proves | why |
/// |---|---|---|
/// | none, and nothing was sent | not accepted | the order never left |
/// | none, or one that cannot be read | nothing | the order may have arrived |
/// | 2xx with the id of an order that is not another one's | the order is taken, as its status and its lines say | it names it |
/// | other 2xx, 3xx | nothing | proxies and portals answer so |
/// | 5xx | nothing | the fault may come after the deed |
/// | 408, 409, 423, 425 | nothing | the same order may be under way, sent twice by the network |
/// | 401, 402, 403, 429 | not accepted | key, permission, money and rate are judged before the order, with or without an envelope |
/// | other 4xx without the error envelope | nothing | it is not the carrier's: a proxy's, or a wrong address |
/// | 4xx, codes 85000, 85001, or 10027 "recognize the number" | the number is not for sale | the carrier says so |
/// | 4xx, codes 10035, 10036, or words such as "already" and "in progress" | nothing | it may speak of an order that is taken |
/// | 4xx with any other code, or none | not accepted | the request itself was refused |
///
/// A no counts once the carrier has listed no order under the reference, too (`Telnyx::refused`). Source: Telnyx API v2,
/// number orders and API errors.
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
    let mentions = |words: &[&str]| problems.iter().any(|problem| problem.mentions(words));
    let unknown_number =
        || problems.iter().any(|problem| problem.is(UNPROCESSABLE) && problem.mentions(&["recognize the number"]));
    match answer.status.as_u16() {
        200..=299 => match (read_progress(&answer), placed_order(&answer, reference)) {
            (standing, Ok(order)) => Placed::Accepted { order, standing },
            (_, Err(failure)) => Placed::InDoubt(failure.into()),
        },
        408 | 409 | 423 | 425 => Placed::InDoubt(answer.refused().into()),
        401 | 402 | 403 | 429 => Placed::No(not_accepted(&answer)),
        400..=499 if problems.is_empty() => Placed::InDoubt(answer.refused().into()),
        400..=499 if unknown_number() || says(NOT_FOR_SALE) => Placed::No(Refusal::Taken),
        400..=499 if says(BUSY) || mentions(MAY_BE_TAKEN) => Placed::InDoubt(answer.refused().into()),
        400..=499 => {
            // Each order gets the same answer until somebody corrects what we send.
            tracing::error!(
                alarm = Alarm::CarrierRefuses.as_str(), error.cause = %answer.refused(), carrier.field = objected(&problems),
                "the carrier refuses our orders as they are; see connectionId in its secret"
            );
            Placed::No(not_accepted(&answer))
        }
        _ => Placed::InDoubt(answer.refused().into()),
    }
}

fn not_accepted(answer: &Answer) -> Refusal {
    let source = answer.refused().into();
    match answer.retry_after {
        Some(retry_after) => Refusal::Throttled { retry_after, source },
        None => Refusal::NotAccepted(source),
    }
}

/// The part of our order that the carrier objects to, as far as its words name one.
fn objected(problems: &[Problem]) -> &'static str {
    let about = |words: &[&str]| problems.iter().any(|problem| problem.mentions(words) || problem.points_at(words));
    if about(&["connection"]) {
        "connection_id"
    } else if about(&["phone_number", "phone number"]) {
        "phone_numbers"
    } else if about(&["customer_reference", "customer reference"]) {
        "customer_reference"
    } else {
        "not named"
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

/// How an order stands, from the answer to `GET /number_orders/{id}`; `None` when the carrier does not know it.
pub(super) fn standing(answer: Result<Answer, Failure>, order: &CarrierOrderId) -> Result<Option<Progress>, Failure> {
    let answer = answer?;
    if answer.says_unknown() {
        return Ok(None);
    }
    let answer = successful(answer)?;
    if order_id(&answer.body["data"]["id"])? == *order {
        Ok(Some(read_progress(&answer)))
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

/// How an order stands by its status, and by the lines of its numbers: an order whose every line has failed is a failed
/// one, whatever its own status says.
fn read_progress(answer: &Answer) -> Progress {
    let order = &answer.body["data"];
    let lines = list(&order["phone_numbers"]);
    let all_failed = !lines.is_empty() && lines.iter().all(|line| line["status"] == "failure");
    match order["status"].as_str() {
        Some("failure") => Progress::Failed,
        _ if all_failed => Progress::Failed,
        Some("success") => Progress::Done,
        _ => Progress::Open,
    }
}

fn order_id(field: &Value) -> Result<CarrierOrderId, Failure> {
    let id = text(field).unwrap_or_default();
    CarrierOrderId::parse(&id).map_err(|_| Failure::Garbled("an order has no usable id"))
}

/// Our number, from the answer to `GET /phone_numbers`. The carrier leaves a reference out at times, but one that is there
/// is ours.
pub(super) fn owned(
    answer: Result<Answer, Failure>,
    number: &E164,
    reference: &PhoneNumberId,
) -> Result<Found, Failure> {
    listed(answer, number, |theirs| theirs.is_none_or(|theirs| theirs == reference.as_str()))
}

/// The number of an order that has arrived late, from the same answer. It must have that order's reference: one without may
/// have been bought by somebody here since.
pub(super) fn arrived_late(
    answer: Result<Answer, Failure>,
    number: &E164,
    reference: &PhoneNumberId,
) -> Result<Found, Failure> {
    listed(answer, number, |theirs| theirs.is_some_and(|theirs| theirs == reference.as_str()))
}

fn listed(
    answer: Result<Answer, Failure>,
    number: &E164,
    is_ours: impl Fn(Option<String>) -> bool,
) -> Result<Found, Failure> {
    let answer = successful(answer?)?;
    let mut ours = entries(&answer)?.iter().filter(|entry| {
        let gone = status_of(entry).is_some_and(|status| NOT_OURS.contains(&status));
        entry["phone_number"] == number.as_str() && is_ours(text(&entry["customer_reference"])) && !gone
    });
    match (ours.next(), ours.next()) {
        (None, _) => Ok(Found::Absent),
        (Some(entry), None) => {
            let id = CarrierNumberId::parse(&text(&entry["id"]).unwrap_or_default())
                .map_err(|_| Failure::Garbled("the number has no usable id"))?;
            Ok(if is_prepared(entry) { Found::Ready(id) } else { Found::Preparing(id) })
        }
        (Some(_), Some(_)) => Err(Failure::Garbled("the number is listed more than once")),
    }
}

fn status_of(entry: &Value) -> Option<&str> {
    entry["status"].as_str()
}

/// Whether a listed number is in use. One that is about to leave still is.
fn is_prepared(entry: &Value) -> bool {
    status_of(entry).is_none_or(|status| {
        status == LEAVING || !(status.ends_with("-pending") || status.starts_with("requirement-info-"))
    })
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
        tracing::error!(
            alarm = Alarm::CarrierRefuses.as_str(), error.cause = %answer.refused(), carrier.field = objected(&answer.problems()),
            "the carrier refuses to set a number up; see connectionId in its secret"
        );
    }
    let answer = successful(answer)?;
    if setup.is_shown_by(&answer.body["data"]) {
        Ok(())
    } else {
        Err(Failure::Garbled("it does not show the number as it was to be set up"))
    }
}

/// Whether a number is gone, from the answer to `DELETE /phone_numbers/{id}`.
///
/// A 4xx with the carrier's own error envelope is a refusal that lasts: a deletion lock, a missing permission, a part of a
/// block. What is busy, throttled or about our key passes, or is cleared up for all numbers at once.
pub(super) fn released(answer: Result<Answer, Failure>, resource: &CarrierNumberId) -> Result<Release, Failure> {
    let answer = answer?;
    let problems = answer.problems();
    let already = problems.iter().any(|problem| problem.mentions(&["already"]) && problem.mentions(&["deleted"]));
    let locked = problems.iter().any(|problem| problem.mentions(&["deletion lock", "deletion_lock"]));
    let passes = || problems.iter().any(|problem| problem.is(BUSY) || problem.mentions(MAY_BE_TAKEN));
    match answer.status.as_u16() {
        _ if answer.says_unknown() => Ok(Release::Unknown),
        400..=499 if already => Ok(Release::Unknown),
        400..=499 if locked => Ok(Release::Refused(answer.refused().to_string())),
        401 | 402 => {
            answer.report_refused_account();
            Err(answer.refused())
        }
        408 | 409 | 423 | 425 | 429 => Err(answer.refused()),
        400..=499 if !problems.is_empty() && !passes() => Ok(Release::Refused(answer.refused().to_string())),
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

pub(super) fn list(field: &Value) -> &[Value] {
    field.as_array().map(Vec::as_slice).unwrap_or_default()
}
