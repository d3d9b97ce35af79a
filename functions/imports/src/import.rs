use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::number::{PhoneNumber, Routing, Source, Trunk};
use domain::registration::ConnectionStanding;
use domain::{E164, Name, Result, SipConnectionId};
use table::View;
use web::{ApiResult, Attempt, Caller, Fields, JsonBody, Once, PhoneNumberRow, RequestKey, Write};

use crate::App;

struct Import {
    e164: E164,
    trunk: Trunk,
    provider_name: Option<Name>,
    routing: Routing,
}

/// Import a SIP trunk phone number
///
/// Registers a number of the customer's own, reached through an installed SIP connection or a legacy trunk.
#[utoipa::path(
    post, path = "/v1/phone-numbers/import", operation_id = "importSipTrunkPhoneNumber", tag = "Telephony",
    security(("bearerAuth" = ["write"])),
    request_body = crate::docs::ImportRequest,
    params(web::answers::IdempotencyHeader),
    responses(
        (status = 200, description = "Phone number", body = PhoneNumberRow),
        web::answers::Invalid, web::answers::Failures, web::answers::TooLarge, web::answers::KeyReused, crate::docs::Refusals,
    ),
)]
pub(crate) async fn import(
    State(app): State<App>,
    Write(caller): Write,
    key: RequestKey,
    JsonBody { fields, digest }: JsonBody,
) -> ApiResult<Response> {
    let organization = &caller.organization;
    let route = "POST /v1/phone-numbers/import";
    let (clock, randomness) = (&*app.clock, &*app.randomness);
    let once = Once { table: &app.table, clock, randomness, organization, route, key, body: digest };
    once.run(async |attempt| import_number(&app, &caller, parse(fields)?, attempt).await.map(Json)).await
}

fn parse(mut fields: Fields) -> Result<Import> {
    let e164 = fields.required("e164", E164::parse);
    let trunk = if fields.has("sipConnectionInstallationId") {
        fields.optional("sipConnectionInstallationId", SipConnectionId::parse).map(Trunk::Connection)
    } else if fields.has("sipTrunkId") {
        fields.optional("sipTrunkId", Name::parse).map(Trunk::Legacy)
    } else {
        fields.issue("sipConnectionInstallationId", "is required (or sipTrunkId, for a legacy trunk)");
        None
    };
    let provider_name = fields.optional("sipProviderName", Name::parse);
    let routing = fields.routing();
    fields.finish(e164.zip(trunk).map(|(e164, trunk)| Import { e164, trunk, provider_name, routing }))
}

async fn import_number(app: &App, caller: &Caller, import: Import, mut attempt: Attempt) -> Result<PhoneNumberRow> {
    let (organization, now) = (&caller.organization, app.clock.now());
    if let Some(earlier) = attempt.earlier_number(&app.table, organization).await? {
        let View { shown: number, sip_connections, organization } = earlier;
        return Ok(PhoneNumberRow::new(&number, &sip_connections, &organization, &app.sip_host, now));
    }
    let Import { e164, trunk, provider_name, routing } = import;
    let connection = match &trunk {
        Trunk::Connection(id) => Some(id),
        Trunk::Legacy(_) => None,
    };
    let (gates, owner) = tokio::try_join!(
        app.table.import_gates(organization, &e164, routing.agent.as_ref(), connection),
        app.table.organization(organization),
    )?;
    gates.judge(app.limit)?;
    let connections = match gates.connection {
        ConnectionStanding::Installed(connection) => vec![connection],
        ConnectionStanding::NotAsked | ConnectionStanding::Unknown => Vec::new(),
    };
    let installed_name = || connections.first().map(|connection| connection.provider_name.clone());
    let source = Source::SipTrunk { trunk, provider_name: provider_name.or_else(installed_name) };
    let number =
        PhoneNumber::imported(attempt.seed.number(), organization.clone(), e164, source, routing, app.monthly_fee, now);
    app.table.import_number(&number, app.limit, attempt.lease.as_ref(), &caller.actor()).await?;
    Ok(PhoneNumberRow::new(&number, &connections, &owner, &app.sip_host, now))
}
