//! How these routes are described in the API's documentation.

use serde_json::Value;
use utoipa::{IntoParams, IntoResponses, OpenApi, ToSchema};
use web::{Direction, E164, ErrorBody, NumberSource, PhoneNumberRow, SetupState, SetupStatusRow, SuspensionReason};

#[derive(OpenApi)]
#[openapi(
    paths(crate::list::list, crate::buy::buy, crate::get::get, crate::update::update, crate::release::release),
    components(schemas(
        E164,
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
    /// At most 16 KiB of compact JSON.
    #[schema(value_type = Option<Object>, additional_properties = true, nullable = false)]
    dispatch_metadata_template: Option<Value>,
    #[schema(max_length = 120)]
    label: Option<String>,
    agent_id: Option<String>,
}

/// What is to change.
#[derive(ToSchema)]
#[schema(as = PhoneNumberUpdateRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct UpdateRequest {
    direction: Option<Direction>,
    #[schema(value_type = Option<Object>, additional_properties = true)]
    dispatch_metadata_template: Option<Value>,
    #[schema(max_length = 120)]
    label: Option<String>,
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
    /// Only numbers from there.
    #[param(inline)]
    source: Option<NumberSource>,
    /// Only numbers of just this direction.
    #[param(inline)]
    direction: Option<Direction>,
    /// Only the number linked to this agent.
    agent_id: Option<String>,
    /// Only this number; mind that `+` is `%2B` in a URL.
    #[param(value_type = Option<String>)]
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
