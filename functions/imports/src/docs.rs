//! How this route is described in the API's documentation.

use utoipa::{IntoResponses, OpenApi, ToSchema};
use web::{Direction, E164, ErrorBody, JsonObject};

#[derive(OpenApi)]
#[openapi(paths(crate::import::import), components(schemas(ImportRequest)))]
pub struct Docs;

/// A number of the customer's own.
#[derive(ToSchema)]
#[schema(as = PhoneNumberImportRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct ImportRequest {
    #[schema(value_type = E164)]
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
    direction: Option<Direction>,
    /// At most 16 KiB of compact JSON, nested at most 100 levels deep.
    dispatch_metadata_template: Option<JsonObject>,
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
    Forbidden(ErrorBody),
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
    Conflict(ErrorBody),
}
