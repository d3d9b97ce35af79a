//! The addresses below `/v2`.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::book::{Changes, OwnedNumber, PlacedOrder, Wanted};
use super::magic::Magic;
use super::problem::Problem;
use super::query::Filters;
use super::{Carrier, inventory, wire};

/// How long an answer that never comes keeps its connection: longer than every caller waits.
const NO_ANSWER_FOR: Duration = Duration::from_mins(1);

/// The largest body that is read, in bytes.
const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// How long the orders of slow numbers stay pending.
const SLOW_ORDER_TAKES: Duration = Duration::from_mins(1);

type Parameters = Query<Vec<(String, String)>>;
type Answer = Result<Json<Value>, Problem>;

pub(super) fn router(carrier: Carrier) -> Router {
    Router::new()
        .route("/v2/available_phone_numbers", get(search))
        .route("/v2/number_orders", get(orders).post(place))
        .route("/v2/number_orders/{id}", get(order))
        .route("/v2/phone_numbers", get(numbers))
        .route("/v2/phone_numbers/{id}", get(number).patch(update).delete(release))
        .route("/v2/balance", get(balance))
        .route("/v2/10dlc/brand/{id}", get(super::brands::brand))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .layer(middleware::from_fn_with_state(carrier.clone(), admit))
        .with_state(carrier)
}

/// Writes every call down, lets in those that bring the key, as many as the limit takes, and takes its time.
async fn admit(State(carrier): State<Carrier>, request: Request, next: Next) -> Response {
    carrier.log_call(format!("{} {}", request.method(), request.uri().path()));
    let request = match log_attempt(&carrier, request).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let half = carrier.0.options.delay / 2;
    pause(half).await;
    let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let answer = if key != Some(&carrier.0.options.api_key) {
        Problem::unauthorized().into_response()
    } else if let Err(wait) = carrier.count_call() {
        throttled(wait)
    } else {
        next.run(request).await
    };
    pause(half).await;
    answer
}

/// Writes an order down as soon as it has come, because what becomes of it is another matter.
async fn log_attempt(carrier: &Carrier, request: Request) -> Result<Request, Problem> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT_BYTES).await.map_err(|_| Problem::bad_request("The body cannot be read."))?;
    if let Some(reference) = read_object(&body).ok().and_then(|body| text(&body["customer_reference"])) {
        carrier.log_attempt(reference);
    }
    Ok(Request::from_parts(parts, body.into()))
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Too many calls: come again in so many seconds, rounded up.
fn throttled(wait: Duration) -> Response {
    let mut answer = Problem::throttled().into_response();
    let seconds = wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX);
    answer.headers_mut().insert("x-ratelimit-reset", HeaderValue::from(seconds));
    answer
}

/// `GET /v2/available_phone_numbers`
async fn search(State(carrier): State<Carrier>, Query(pairs): Parameters) -> Answer {
    let filters = Filters::new(pairs);
    let patterns = ["starts_with", "ends_with", "contains"].map(|part| format!("phone_number][{part}"));
    if patterns.iter().any(|pattern| filters.one(pattern).is_some_and(names_number_that_is_down)) {
        return Err(Problem::down());
    }
    let now = carrier.now();
    let found = {
        let state = carrier.state();
        inventory::search(&filters, |number| state.book.sold(number, now))
    };
    if found.is_empty() { Err(Problem::no_coverage()) } else { Ok(wire::offers(&found)) }
}

/// `POST /v2/number_orders`
async fn place(State(carrier): State<Carrier>, body: Bytes) -> Answer {
    let wanted = read_order(&read_object(&body)?)?;
    let number = wanted.phone_number.as_str();
    if !inventory::stocks(number) {
        return Err(Problem::unknown_number(number));
    }
    let magic = Magic::of(number);
    match magic {
        Some(Magic::Taken | Magic::Gone) => return Err(Problem::unknown_number(number)),
        Some(Magic::NoMoney) => return Err(Problem::no_money()),
        Some(Magic::Throttled) => return Err(Problem::throttled()),
        Some(Magic::Down) => return Err(Problem::down()),
        Some(Magic::NoAnswer) => return never().await,
        Some(
            Magic::Slow
            | Magic::FailsOnce
            | Magic::FailsLater
            | Magic::FailedAnswer
            | Magic::LostAnswer
            | Magic::LockedRelease
            | Magic::StickyRelease,
        )
        | None => {}
    }
    let settle_after = if magic == Some(Magic::Slow) { SLOW_ORDER_TAKES } else { carrier.0.options.settle_after };
    let now = carrier.now();
    let order = carrier.change(|book| {
        let fails = match magic {
            Some(Magic::FailsLater) => true,
            Some(Magic::FailsOnce) => book.orders().iter().all(|order| order.phone_number != wanted.phone_number),
            _ => false,
        };
        book.order(wanted, fails, settle_after, now)
    })?;
    match magic {
        Some(Magic::LostAnswer) => never().await,
        Some(Magic::FailedAnswer) => Err(Problem::unexpected()),
        _ => Ok(wire::data(&wire::order(&order, now))),
    }
}

/// `GET /v2/number_orders`
async fn orders(State(carrier): State<Carrier>, Query(pairs): Parameters) -> Answer {
    let filters = Filters::new(pairs);
    let now = carrier.now();
    let reference = filters.one("customer_reference");
    let status = filters.one("status");
    let fits = |order: &&PlacedOrder| {
        (reference.is_none() || order.customer_reference.as_deref() == reference)
            && status.is_none_or(|status| order.status(now) == status)
    };
    // Only what fits is copied: there may be thousands of others.
    let orders = carrier.state().book.orders().iter().rev().filter(fits).cloned().collect();
    Ok(wire::page(filters.page(orders), |order| wire::listed_order(&order, now)))
}

/// `GET /v2/number_orders/{id}`
async fn order(State(carrier): State<Carrier>, Path(id): Path<String>) -> Answer {
    let order = carrier.state().book.orders().iter().find(|order| order.id == id).cloned();
    Ok(wire::data(&wire::order(&order.ok_or_else(Problem::not_found)?, carrier.now())))
}

/// `GET /v2/phone_numbers`
async fn numbers(State(carrier): State<Carrier>, Query(pairs): Parameters) -> Answer {
    let filters = Filters::new(pairs);
    let digits = filters.one("phone_number");
    if digits.is_some_and(names_number_that_is_down) {
        return Err(Problem::down());
    }
    let reference = filters.one("customer_reference");
    let connection = filters.one("connection_id");
    let tag = filters.one("tag");
    let status = filters.one("status");
    let fits = |number: &&OwnedNumber| {
        // Digits match anywhere in a number; a plus sign is no digit, so a filter that has one matches nothing.
        digits.is_none_or(|digits| number.phone_number[1..].contains(digits))
            && (reference.is_none() || number.customer_reference.as_deref() == reference)
            && (connection.is_none() || number.connection_id.as_deref() == connection)
            && tag.is_none_or(|tag| number.tags.iter().any(|own| own == tag))
            && status.is_none_or(|status| status == "active")
    };
    let now = carrier.now();
    let mut numbers: Vec<_> = carrier.state().book.numbers(now).filter(fits).cloned().collect();
    numbers.reverse();
    Ok(wire::page(filters.page(numbers), |number| wire::number(&number)))
}

/// `GET /v2/phone_numbers/{id}`
async fn number(State(carrier): State<Carrier>, Path(id): Path<String>) -> Answer {
    let now = carrier.now();
    let number = carrier.state().book.numbers(now).find(|number| number.id == id).cloned();
    Ok(wire::data(&wire::number(&number.ok_or_else(Problem::not_found)?)))
}

/// `PATCH /v2/phone_numbers/{id}`
async fn update(State(carrier): State<Carrier>, Path(id): Path<String>, body: Bytes) -> Answer {
    let body = read_object(&body)?;
    let tags = match &body["tags"] {
        Value::Null => None,
        Value::Array(tags) => Some(tags.iter().filter_map(text).collect()),
        _ => return Err(Problem::invalid("tags must be a list of strings.")),
    };
    let changes = Changes {
        customer_reference: text(&body["customer_reference"]),
        connection_id: text(&body["connection_id"]),
        tags,
    };
    let now = carrier.now();
    let number = carrier.change(|book| book.update(&id, changes, now))?;
    Ok(wire::data(&wire::number(&number)))
}

/// `DELETE /v2/phone_numbers/{id}`
async fn release(State(carrier): State<Carrier>, Path(id): Path<String>) -> Answer {
    let now = carrier.now();
    let released = carrier.change(|book| book.release(&id, now))??;
    Ok(wire::data(&wire::deleted(&released)))
}

/// `GET /v2/balance`
async fn balance() -> Answer {
    Ok(wire::data(&json!({
        "record_type": "balance",
        "balance": "1000.00",
        "credit_limit": "0.00",
        "available_credit": "1000.00",
        "pending": "0.00",
        "currency": "USD",
    })))
}

/// An answer that nobody waits for.
async fn never() -> Answer {
    tokio::time::sleep(NO_ANSWER_FOR).await;
    Err(Problem::late())
}

/// True for the seven digits or more that end as a number for which the carrier is down.
fn names_number_that_is_down(digits: &str) -> bool {
    digits.len() >= 7 && Magic::of(digits) == Some(Magic::Down)
}

fn read_object(body: &[u8]) -> Result<Value, Problem> {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    body.filter(Value::is_object).ok_or_else(|| Problem::bad_request("The body must be a JSON object."))
}

fn read_order(body: &Value) -> Result<Wanted, Problem> {
    let lines = body["phone_numbers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [line] = lines else {
        return Err(Problem::invalid("phone_numbers must name one number: the sandbox takes no larger orders."));
    };
    Ok(Wanted {
        phone_number: text(&line["phone_number"])
            .ok_or_else(|| Problem::invalid("phone_numbers[0].phone_number must be an E.164 phone number."))?,
        customer_reference: text(&body["customer_reference"]),
        connection_id: text(&body["connection_id"]),
        messaging_profile_id: text(&body["messaging_profile_id"]),
    })
}

/// A field's text; null, empty and everything else counts as absent.
fn text(field: &Value) -> Option<String> {
    field.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
