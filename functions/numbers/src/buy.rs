use axum::extract::State;
use axum::response::Response;
use domain::audit::Actor;
use domain::carrier::{Ordered, Refusal};
use domain::number::{PhoneNumber, Routing};
use domain::{E164, Error, Result, chain};
use table::View;
use tokio::time::Instant;
use web::{ApiResult, Attempt, Caller, Fields, JsonBody, Once, RequestKey, Write};

use crate::App;

struct Purchase {
    e164: E164,
    routing: Routing,
}

/// Buy a managed phone number
///
/// Orders the number from the carrier and takes the set-up price and the first month from the prepaid credits.
/// When the carrier's word stays out, the answer is the number with `setupStatus.status` `action_required`; it is
/// settled without another request.
#[utoipa::path(
    post, path = "/v1/phone-numbers", operation_id = "createPhoneNumber", tag = "Telephony",
    security(("bearerAuth" = ["write"])),
    request_body = crate::docs::CreateRequest,
    params(web::answers::IdempotencyHeader),
    responses(
        crate::docs::NumberAnswers, web::answers::Invalid, web::answers::Failures, web::answers::Payment,
        web::answers::TooLarge, web::answers::KeyReused, crate::docs::BuyRefusals,
    ),
)]
pub(crate) async fn buy(
    State(app): State<App>,
    Write(caller): Write,
    key: RequestKey,
    JsonBody { fields, digest }: JsonBody,
) -> ApiResult<Response> {
    let organization = &caller.organization;
    let route = "POST /v1/phone-numbers";
    let (clock, randomness) = (&*app.clock, &*app.randomness);
    let once = Once { table: &app.table, clock, randomness, organization, route, key, body: digest };
    once.run(async |attempt| {
        let number = purchase_number(&app, &caller, parse(fields)?, attempt).await?;
        Ok(app.row(&number))
    })
    .await
}

fn parse(mut fields: Fields) -> Result<Purchase> {
    let e164 = fields.required("e164", |text| {
        let number = E164::parse(text)?;
        if number.is_us() { Ok(number) } else { Err("must be a number of the United States") }
    });
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
) -> Result<View<PhoneNumber>> {
    let (organization, actor) = (&caller.organization, caller.actor());
    if let Some(earlier) = attempt.earlier_number(&app.table, organization).await? {
        // Paid for by the earlier try, and perhaps ordered: it is not ordered again here.
        return Ok(earlier);
    }
    let started = Instant::now();
    let agent = routing.agent.clone();
    let gates = app.table.purchase_gates(organization, &e164, agent.as_ref()).await?;
    gates.judge(app.prices, app.policy)?;
    // The carrier takes orders only for numbers that a recent search has shown.
    if !app.carrier.still_offers(&e164).await? {
        // It may be gone because somebody here has just bought it, which callers are told first.
        app.table.purchase_gates(organization, &e164, agent.as_ref()).await?.judge(app.prices, app.policy)?;
        return Err(Error::Unavailable);
    }
    if started.elapsed() > app.latest_order {
        return Err(Error::Busy("the gates took so long that the order's answer would reach nobody".into()));
    }
    let now = app.clock.now();
    let number = PhoneNumber::ordering(attempt.seed.number(), organization.clone(), e164, routing, app.prices, now);
    app.table.begin_purchase(&gates.organization, &number, app.policy, attempt.lease.as_ref(), &actor).await?;
    let number = order(app, number, &actor).await?;
    Ok(View { shown: number, sip_connections: Vec::new(), organization: gates.organization })
}

/// Orders a number that is paid for. From here on the row stays unless the carrier certainly refuses.
async fn order(app: &App, number: PhoneNumber, actor: &Actor) -> Result<PhoneNumber> {
    match app.carrier.order(&number.e164, &number.id, &number.organization).await {
        Ordered::Yes(resource) => {
            let activate = |number: PhoneNumber| number.activate(resource.clone(), app.clock.now());
            let active = Box::pin(app.table.transition(number.clone(), activate, "activated", actor)).await;
            Ok(active.unwrap_or_else(|error| unrecorded(number, &error)))
        }
        Ordered::No(refusal) => {
            let given_back = Box::pin(app.table.give_back(number.clone(), actor, app.clock.now())).await;
            match (given_back, refusal) {
                (Ok(()), Refusal::Taken) => Err(Error::Unavailable),
                (Ok(()), Refusal::NotAccepted(source)) => Err(Error::CarrierUnavailable(source)),
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

/// The carrier has spoken, but the table cannot be told now: the row stays as it is and is settled later.
fn unrecorded(number: PhoneNumber, error: &Error) -> PhoneNumber {
    tracing::warn!(number.id = %number.id, error.cause = %chain(error), "an order's outcome could not be recorded");
    number
}
