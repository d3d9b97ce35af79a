//! The API's description, put together from what each function says of its routes.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Phone numbers API",
        description = "Buy managed US phone numbers, import numbers from SIP trunks, route them to voice agents, and \
verify the business behind them.",
        license(name = "Apache-2.0")
    ),
    servers((url = "/")),
    security(("bearerAuth" = [])),
    modifiers(&BearerAuth),
    tags((name = "Telephony", description = "Phone numbers and business verification")),

)]
struct Whole;

struct BearerAuth;

impl Modify for BearerAuth {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("API key (sk_live_...)".to_owned());
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearerAuth", SecurityScheme::Http(bearer));
    }
}

/// The whole description.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Whole::openapi();
    for part in [numbers::Docs::openapi(), available::Docs::openapi(), imports::Docs::openapi(), kyb::Docs::openapi()] {
        document.merge(part);
    }
    document
}

/// The description as it is committed: indented, with a newline at its end.
///
/// # Errors
/// It cannot be written as JSON.
pub fn text() -> serde_json::Result<String> {
    document().to_pretty_json().map(|text| text + "\n")
}
