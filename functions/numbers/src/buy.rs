use axum::extract::State;
use domain::carrier::{Ordered, Refusal};
use domain::number::{Direction, DispatchTemplate, PhoneNumber, Routing};
use domain::{AgentId, E164, Error, Label, OrganizationId, PhoneNumberId, Result};
use table::View;
use web::{ApiResult, Fields, JsonBody, Write};

use crate::{App, Row};

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
    request_body = crate::docs::CreateRequest,
    responses(
        crate::docs::NumberAnswers, web::answers::Invalid, web::answers::Failures, web::answers::Payment,
        web::answers::Conflict, web::answers::TooLarge,
    ),
)]
pub(crate) async fn buy(State(app): State<App>, Write(caller): Write, JsonBody(fields): JsonBody) -> ApiResult<Row> {
    let purchase = parse(fields)?;
    let number = purchase_number(&app, &caller.organization, purchase).await?;
    Ok(app.row(&number))
}

fn parse(mut fields: Fields) -> Result<Purchase> {
    let e164 = fields.required("e164", |text| {
        let number = E164::parse(text)?;
        if number.is_us() { Ok(number) } else { Err("must be a number of the United States") }
    });
    let routing = Routing {
        direction: fields.optional("direction", Direction::parse).unwrap_or_default(),
        template: fields.json("dispatchMetadataTemplate", DispatchTemplate::parse),
        agent: fields.optional("agentId", AgentId::parse),
        label: fields.optional("label", Label::parse),
    };
    fields.finish(e164.map(|e164| Purchase { e164, routing }))
}

/// The order of steps decides what a crash can leave behind: money, claim and row go together before the carrier is
/// asked, so whatever the carrier then does, there is a row that tells of it.
async fn purchase_number(
    app: &App,
    organization: &OrganizationId,
    Purchase { e164, routing }: Purchase,
) -> Result<View<PhoneNumber>> {
    let agent = routing.agent.clone();
    let gates = app.table.purchase_gates(organization, &e164, agent.as_ref()).await?;
    gates.judge(app.prices, app.policy)?;
    // The carrier takes orders only for numbers that a recent search has shown.
    if !app.carrier.still_offers(&e164).await? {
        // It may be gone because somebody here has just bought it, which callers are told first.
        app.table.purchase_gates(organization, &e164, agent.as_ref()).await?.judge(app.prices, app.policy)?;
        return Err(Error::Unavailable);
    }
    let now = app.clock.now();
    let id = PhoneNumberId::new(now, rand::random());
    let number = PhoneNumber::ordering(id, organization.clone(), e164, routing, app.prices, now);
    app.table.begin_purchase(&gates.organization, &number, app.policy).await?;
    let number = order(app, number).await?;
    Ok(View { numbers: number, sip_connections: Vec::new(), organization: gates.organization })
}

/// Orders a number that is paid for. From here on the row stays unless the carrier certainly refuses.
async fn order(app: &App, number: PhoneNumber) -> Result<PhoneNumber> {
    let (in_doubt, settled, no) = match app.carrier.order(&number.e164, &number.id).await {
        Ordered::Yes(resource) => {
            let activated =
                app.table.transition(number.clone(), |number| number.activate(resource.clone(), app.clock.now()));
            (number, Box::pin(activated).await.map(Some), Error::Unavailable)
        }
        Ordered::No(refusal) => {
            let error = match refusal {
                Refusal::Taken => Error::Unavailable,
                Refusal::NotAccepted(source) => Error::CarrierUnavailable(source),
            };
            (number.clone(), Box::pin(app.table.give_back(number)).await.map(|()| None), error)
        }
        Ordered::InDoubt(source) => {
            tracing::warn!(number.id = %number.id, error.cause = %source, "an order is in doubt");
            return Ok(number);
        }
    };
    match settled {
        Ok(Some(active)) => Ok(active),
        Ok(None) => Err(no),
        Err(error) => {
            // The carrier has spoken, but the table cannot be told now: the row stays as it is and is settled later.
            tracing::warn!(number.id = %in_doubt.id, error.cause = ?error, "an order's outcome could not be recorded");
            Ok(in_doubt)
        }
    }
}
