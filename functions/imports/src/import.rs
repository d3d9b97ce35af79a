//! `POST /v1/phone-numbers/import`: registers a number of the customer's own.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::number::{PhoneNumber, Routing, Source, Trunk};
use domain::registration::ConnectionStanding;
use domain::{E164, Name, Result, SipConnectionId};
use table::View;
use utoipa::{IntoResponses, ToSchema};
use web::{ApiResult, Attempt, Caller, Fields, Keyed, PhoneNumberRow, Write};

use crate::app::{App, IMPORT};

struct Import {
    e164: E164,
    trunk: Trunk,
    provider_name: Option<Name>,
    routing: Routing,
}

/// A number of the customer's own.
#[derive(ToSchema)]
#[schema(as = PhoneNumberImportRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct ImportRequest {
    #[schema(value_type = web::E164)]
    e164: String,
    /// An installed SIP connection of the organization's; wins over `sipTrunkId`.
    #[schema(max_length = 128, examples("sip_connected"))]
    sip_connection_installation_id: Option<String>,
    /// A legacy outbound trunk; required when `sipConnectionInstallationId` is absent.
    #[schema(max_length = 200, examples("ST_legacy"))]
    sip_trunk_id: Option<String>,
    /// The SIP connection's own provider when absent.
    #[schema(max_length = 200, examples("Example Trunks"))]
    sip_provider_name: Option<String>,
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
pub(crate) enum Refusals {
    /// The key lacks the scope (`SCOPE_REQUIRED`), or the organization has as many imported numbers as it may
    /// (`IMPORT_LIMIT_REACHED`).
    #[response(
        status = 403,
        example = json!({
            "error": "This organization has reached its limit of 1000 imported phone numbers",
            "code": "IMPORT_LIMIT_REACHED", "retryable": false,
        })
    )]
    Forbidden(web::ErrorBody),
    /// The number is registered already (`PHONE_NUMBER_ALREADY_REGISTERED`; `phoneNumberId` when it is the caller's
    /// own), or the agent has another one (`AGENT_ALREADY_LINKED`).
    /// A request with the same Idempotency-Key is still running (`IDEMPOTENCY_IN_PROGRESS`).
    #[response(
        status = 409,
        headers(("Retry-After" = u32, description = "Seconds to wait, for `IDEMPOTENCY_IN_PROGRESS`")),
        example = json!({
            "error": "This phone number is already registered",
            "code": "PHONE_NUMBER_ALREADY_REGISTERED", "retryable": false,
        })
    )]
    Conflict(web::ErrorBody),
}

/// Import a SIP trunk phone number
///
/// Registers a number of the customer's own, reached through an installed SIP connection or a legacy trunk.
#[utoipa::path(
    post, path = IMPORT, operation_id = "importSipTrunkPhoneNumber", tag = "Telephony",
    security(("bearerAuth" = ["write"])),
    request_body = ImportRequest,
    params(web::answers::IdempotencyHeader),
    responses(
        (status = 200, description = "Phone number", body = PhoneNumberRow),
        web::answers::Invalid, web::answers::Failures, web::answers::Unread, web::answers::KeyReused, Refusals,
    ),
)]
pub(crate) async fn import(State(app): State<App>, request: Keyed<Write>) -> ApiResult<Response> {
    request
        .once(parse, async |caller, import, attempt| import_number(&app, &caller, import, attempt).await.map(Json))
        .await
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
        let View { shown: number, sip_connections, organization, shortfalls } = earlier;
        let shortfall = shortfalls.get(&number.id).copied();
        return Ok(PhoneNumberRow::new(&number, &sip_connections, &organization, &app.sip_host, shortfall, now));
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
    Ok(PhoneNumberRow::new(&number, &connections, &owner, &app.sip_host, None, now))
}
