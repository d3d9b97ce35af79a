//! How this route is described in the API's documentation.

use utoipa::{IntoParams, OpenApi};

#[derive(OpenApi)]
#[openapi(paths(crate::search::search), components(schemas(crate::search::AvailableRow, crate::search::Region)))]
pub struct Docs;

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct SearchQuery {
    /// Three digits, such as `415`.
    #[param(pattern = r"^\d{3}$")]
    area_code: Option<String>,
    /// A city.
    #[param(max_length = 200)]
    locality: Option<String>,
    /// How many numbers to answer with.
    #[param(minimum = 1, maximum = 50, default = 10)]
    limit: Option<u8>,
}
