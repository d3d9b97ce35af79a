//! How this route is described in the API's documentation.

use serde_json::Value;
use utoipa::{OpenApi, ToSchema};
use web::{Direction, E164};

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
    /// An installed SIP connection; wins over `sipTrunkId`.
    sip_connection_installation_id: Option<String>,
    /// A legacy outbound trunk; required when `sipConnectionInstallationId` is absent.
    #[schema(max_length = 200)]
    sip_trunk_id: Option<String>,
    /// The SIP connection's own provider when absent.
    #[schema(max_length = 200)]
    sip_provider_name: Option<String>,
    /// `outbound` when absent.
    direction: Option<Direction>,
    /// At most 16 KiB of compact JSON.
    #[schema(value_type = Option<Object>, additional_properties = true, nullable = false)]
    dispatch_metadata_template: Option<Value>,
    #[schema(max_length = 120)]
    label: Option<String>,
    agent_id: Option<String>,
}
