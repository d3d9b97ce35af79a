//! How these routes are described in the API's documentation.

use utoipa::{IntoParams, IntoResponses, OpenApi, ToSchema};
use web::{
    Direction, E164, ErrorBody, JsonObject, NumberSource, PhoneNumberRow, SetupState, SetupStatusRow, SuspensionReason,
};

#[derive(OpenApi)]
#[openapi(
    paths(crate::list::list, crate::buy::buy, crate::get::get, crate::update::update, crate::release::release),
    components(schemas(
        E164,
        JsonObject,
        NumberSource,
        PhoneNumberRow,
        SetupState,
        SetupStatusRow,
        SuspensionReason,
        Direction,
        ErrorBody,
        CreateRequest,
        UpdateRequest
    ))
)]
pub struct Docs;

/// A number to buy.
#[derive(ToSchema)]
#[schema(as = PhoneNumberCreateRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct CreateRequest {
    /// A US number that the search for available numbers has shown.
    #[schema(value_type = E164)]
    e164: String,
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

/// What is to change.
#[derive(ToSchema)]
#[schema(as = PhoneNumberUpdateRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct UpdateRequest {
    /// Cannot be null.
    #[schema(nullable = false)]
    direction: Option<Direction>,
    /// Replaced whole; at most 16 KiB of compact JSON, nested at most 100 levels deep.
    dispatch_metadata_template: Option<JsonObject>,
    /// One line.
    #[schema(max_length = 120, examples("Sales line"))]
    label: Option<String>,
    /// The agent that inbound calls go to; an agent has at most one number.
    #[schema(max_length = 128, examples("agent_sales"))]
    agent_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct Id {
    /// Resource id.
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct IfMatchHeader {
    /// The `ETag` of the version to change, such as `"3"`.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct ListQuery {
    /// Answer in pages of this many numbers; all of them without it.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The `X-Next-Cursor` of the page before.
    cursor: Option<String>,
    /// Only managed numbers, or only those of the customer's trunks.
    #[param(inline)]
    source: Option<NumberSource>,
    /// Only numbers of just this direction.
    #[param(inline)]
    direction: Option<Direction>,
    /// Only the number linked to this agent.
    #[param(max_length = 128)]
    agent_id: Option<String>,
    /// Only this number; mind that `+` is `%2B` in a URL.
    #[param(value_type = Option<E164>, inline)]
    e164: Option<String>,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum NumberAnswers {
    /// Phone number
    #[response(status = 200, headers(("ETag" = String, description = "The number's version, quoted")))]
    Number(PhoneNumberRow),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum ListAnswers {
    /// Organization phone numbers
    #[response(status = 200, headers(
        ("Link" = String, description = "The next page, where more numbers follow"),
        ("X-Next-Cursor" = String, description = "The next page's cursor, where more numbers follow"),
    ))]
    Numbers(Vec<PhoneNumberRow>),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum ListRefusals {
    /// A query parameter breaks a rule (`VALIDATION_ERROR`; `issues` names every one), or there are too many numbers
    /// for one answer (`RESULT_TOO_LARGE`): page through them with `limit`.
    #[response(
        status = 400,
        example = json!({
            "error": "Invalid query parameters",
            "code": "VALIDATION_ERROR", "retryable": false,
            "issues": [{ "path": "limit", "message": "must be a whole number from 1 to 200" }],
        })
    )]
    Invalid(ErrorBody),
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
    Forbidden(ErrorBody),
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
    Conflict(ErrorBody),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum UpdateRefusals {
    /// The agent has another number (`AGENT_ALREADY_LINKED`), or this one is being released (`PHONE_NUMBER_BUSY`).
    #[response(
        status = 409,
        example = json!({
            "error": "This agent is already linked to another phone number; unlink it there first",
            "code": "AGENT_ALREADY_LINKED", "retryable": false,
        })
    )]
    Conflict(ErrorBody),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum ReleaseRefusals {
    /// The number's order is still being confirmed (`PHONE_NUMBER_BUSY`).
    #[response(
        status = 409,
        example = json!({
            "error": "This phone number's order or release is still being settled; try again in a few minutes",
            "code": "PHONE_NUMBER_BUSY", "retryable": true,
        })
    )]
    Conflict(ErrorBody),
}
