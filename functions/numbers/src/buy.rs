//! `POST /v1/phone-numbers`: pays for a number and orders it from the carrier.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, Actor};
use domain::carrier::{Ordered, Refusal};
use domain::number::{PhoneNumber, Routing};
use domain::settlement::SENT_WITHIN;
use domain::{E164, Error, Result, chain};
use table::{Rate, View};
use tokio::time::Instant;
use utoipa::{IntoResponses, ToSchema};
use web::{ApiResult, Attempt, Caller, Fields, Keyed, Write};

use crate::app::{App, NUMBERS, NumberAnswers};

struct Purchase {
    e164: E164,
    routing: Routing,
}

/// A number to buy.
#[derive(ToSchema)]
#[schema(as = PhoneNumberCreateRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct CreateRequest {
    /// A US number that the search for available numbers has shown: no toll-free, premium-rate or personal number, and
    /// none of Canada, the Caribbean or a US territory, which share `+1`.
    #[schema(value_type = web::E164)]
    e164: String,
    /// `outbound` when absent.
    direction: Option<web::Direction>,
    /// At most 16 KiB of compact JSON, nested at most 100 levels deep.
    dispatch_metadata_template: Option<web::JsonObject>,
    /// One line.
    #[schema(max_length = 120, examples("Sales line"))]
    label: Option<String>,
    /// The agent that inbound calls go to; an agent has at most one number.
    #[schema(max_length = 128, examples("agent_sales"))]
    agent_id: Option<String>,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum BuyRefusals {
    /// The key lacks the scope (`SCOPE_REQUIRED`), buying is switched off (`PHONE_NUMBER_BUYING_DISABLED`), or the
    /// verification was rejected or revoked (`PHONE_NUMBER_KYB_SUSPENDED`) or is not approved yet
    /// (`PHONE_NUMBER_KYB_REQUIRED`).
    #[response(
        status = 403,
        example = json!({
            "error": "Buying phone numbers is switched off for this organization; ask the operator to enable it",
            "code": "PHONE_NUMBER_BUYING_DISABLED", "retryable": false,
        })
    )]
    Forbidden(web::ErrorBody),
    /// The number is registered already (`PHONE_NUMBER_ALREADY_REGISTERED`; `phoneNumberId` when it is the caller's
    /// own) or no longer offered (`PHONE_NUMBER_UNAVAILABLE`), or the agent has another one (`AGENT_ALREADY_LINKED`).
    /// A request with the same Idempotency-Key is still running (`IDEMPOTENCY_IN_PROGRESS`).
    #[response(
        status = 409,
        headers(("Retry-After" = u32, description = "Seconds to wait, for `IDEMPOTENCY_IN_PROGRESS`")),
        example = json!({
            "error": "The carrier no longer offers this phone number; search for another",
            "code": "PHONE_NUMBER_UNAVAILABLE", "retryable": false,
        })
    )]
    Conflict(web::ErrorBody),
}

/// Buy a managed phone number
///
/// Orders the number from the carrier and takes the set-up price and the first month from the prepaid credits.
/// When the carrier's word stays out, the answer is the number with `setupStatus.status` `action_required`; it is
/// settled without another request. Searches and purchases together are limited to 60 a minute for each organization.
#[utoipa::path(
    post, path = NUMBERS, operation_id = "createPhoneNumber", tag = "Telephony",
    security(("bearerAuth" = ["write"])),
    request_body = CreateRequest,
    params(web::answers::IdempotencyHeader),
    responses(
        NumberAnswers, web::answers::Invalid, web::answers::Failures, web::answers::Payment, web::answers::RateLimited,
        web::answers::Unread, web::answers::KeyReused, BuyRefusals,
    ),
)]
pub(crate) async fn buy(State(app): State<App>, request: Keyed<Write>) -> ApiResult<Response> {
    let started = Instant::now();
    request
        .once(parse, async |caller, purchase, attempt| {
            let number = purchase_number(&app, &caller, purchase, attempt, started).await?;
            Ok(app.row(&number))
        })
        .await
}

fn parse(mut fields: Fields) -> Result<Purchase> {
    let e164 = fields.required("e164", E164::parse_us);
    let routing = fields.routing();
    fields.finish(e164.map(|e164| Purchase { e164, routing }))
}

/// The order of steps decides what a crash can leave behind: money, claim and row go together before the carrier is
/// asked, so whatever the carrier then does, there is a row that tells of it.
async fn purchase_number(
    app: &App,
    caller: &Caller,
    Purchase { e164, routing }: Purchase,
    mut attempt: Attempt,
    started: Instant,
) -> Result<View<PhoneNumber>> {
    let (organization, actor) = (&caller.organization, caller.actor());
    if let Some(earlier) = attempt.earlier_number(&app.table, organization).await? {
        // Paid for by the earlier try, and perhaps ordered: it is not ordered again here.
        return Ok(earlier);
    }
    let agent = routing.agent.clone();
    let counted = app.table.count(organization, Rate::Searches, app.clock.now());
    let gates = app.table.purchase_gates(organization, &e164, agent.as_ref());
    let (gates, counted) = tokio::join!(gates, counted);
    let gates = gates?;
    gates.judge(app.prices, app.policy)?;
    counted?;
    // The carrier takes orders only for numbers that a recent search has shown.
    if !app.carrier.still_sells(&e164, app.price_limits).await.map_err(Error::not_ordered)? {
        // It may be gone because somebody here has just bought it, which callers are told first.
        app.table.purchase_gates(organization, &e164, agent.as_ref()).await?.judge(app.prices, app.policy)?;
        return Err(Error::NumberUnavailable);
    }
    if started.elapsed() > app.latest_order {
        return Err(Error::Busy("the gates took so long that the order's answer would reach nobody".into()));
    }
    let now = app.clock.now();
    let number = PhoneNumber::ordering(attempt.seed.number(), organization.clone(), e164, routing, app.prices, now);
    app.table.begin_purchase(&gates.organization, &number, app.policy, attempt.lease.as_ref(), &actor).await?;
    let number = order(app, number, &actor).await?;
    // Its next month is far away.
    let shortfalls = BTreeMap::new();
    Ok(View { shown: number, sip_connections: Vec::new(), organization: gates.organization, shortfalls })
}

/// Orders a number that is paid for. From here on the row stays unless the carrier certainly refuses.
async fn order(app: &App, number: PhoneNumber, actor: &Actor) -> Result<PhoneNumber> {
    match place(app, &number).await {
        Ordered::Yes(resource) => {
            let activate = |number: PhoneNumber| number.activate(resource.clone(), app.clock.now());
            let active = Box::pin(app.table.transition(number.clone(), activate, Action::Activated, actor)).await;
            Ok(active.unwrap_or_else(|error| unrecorded(number, &error)))
        }
        Ordered::No(refusal) => {
            let refunded = Box::pin(app.table.refund_purchase(number.clone(), actor, app.clock.now())).await;
            match (refunded, refusal) {
                (Ok(()), Refusal::Taken) => Err(Error::NumberUnavailable),
                (Ok(()), Refusal::Throttled { retry_after, source }) => {
                    Err(Error::NotOrdered { retry_after: Some(retry_after), source })
                }
                (Ok(()), Refusal::NotAccepted(source)) => Err(Error::NotOrdered { retry_after: None, source }),
                (Err(error), _) => Ok(unrecorded(number, &error)),
            }
        }
        Ordered::InDoubt { order, source } => {
            tracing::warn!(number.id = %number.id, error.cause = %chain(source.as_ref()), "an order is in doubt");
            if let Some(order) = order
                && let Err(error) = Box::pin(app.table.record_order(&number, &order)).await
            {
                return Ok(unrecorded(number, &error));
            }
            Ok(number)
        }
    }
}

/// Sends the order, unless it would be so late that somebody may take it for one that never left: a process can be frozen
/// between its payment and its order.
async fn place(app: &App, number: &PhoneNumber) -> Ordered {
    if app.clock.now().since(number.created_at) >= SENT_WITHIN {
        return Ordered::No(Refusal::NotAccepted("the payment took too long for its order to be sent".into()));
    }
    app.carrier.order(&number.e164, &number.id, &number.organization).await
}

/// The carrier has spoken, but the table cannot be told now: the row stays as it is and is settled later.
fn unrecorded(number: PhoneNumber, error: &Error) -> PhoneNumber {
    tracing::warn!(number.id = %number.id, error.cause = %chain(error), "an order's outcome could not be recorded");
    number
}
