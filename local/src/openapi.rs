//! The API's description, put together from what each function says of its routes.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::functions::FUNCTIONS;

/// What holds for every operation.
const ABOUT: &str = "\
Buy managed US phone numbers, import numbers from SIP trunks, route them to voice agents, and verify the business \
behind them.

**Keys.** Every request carries `Authorization: Bearer sk_live_...`. A key belongs to one organization and has scopes: \
`read` for every GET, `write` for numbers, `compliance` for the verification. What belongs to another organization is \
answered like what does not exist.

**Requests.** A body is a JSON object of at most 64 KiB. Fields that are not described here are ignored. On POST and \
PUT, null counts as absent.

**Answers.** Success is 200. Every answer carries `x-request-id`. Every field of a success is there, and null where \
there is nothing to say. Times are UTC with milliseconds, amounts US dollars.

**Errors** have the form of the schema `Error`, which lists every `code`. 429 and 503 say in `Retry-After` how many \
seconds to wait. An unknown path is 404 `NOT_FOUND`, a method that a path does not take 405 `METHOD_NOT_ALLOWED`. \
What the gateway in front turns away by itself, such as too many requests at once, has only a `message`.";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Phone numbers API",
        description = ABOUT,
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/")),
    security(("bearerAuth" = [])),
    modifiers(&BearerAuth),
    tags(
        (name = "Telephony", description = "Phone numbers and business verification"),
        (name = "Credits", description = "Prepaid credits, from which numbers are paid")
    )
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
    for describe in FUNCTIONS.iter().filter_map(|function| function.describe) {
        document.merge(describe());
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
