//! `GET /v1/phone-numbers`: the organization's numbers, whole or in pages.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Response, header};
use domain::number::{Direction, PhoneNumber};
use domain::{AgentId, E164, Error};
use table::{Filter, Page, View};
use url::form_urlencoded;
use utoipa::{IntoParams, IntoResponses};
use web::{ApiError, ApiResult, Params, PhoneNumberRow, Queried, Read};

use crate::app::{App, NUMBERS};
use crate::cursor::{self, Cursor};

/// Bytes of rows in one answer, counted as they stand inside Lambda's own JSON, where quotes are escaped. Lambda
/// stops at 6 MB (its quota for synchronous answers); the rest is for headers.
const ANSWER_LIMIT_BYTES: usize = 5_500_000;
/// The largest page.
const PAGE_LIMIT_ROWS: usize = 200;
const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

#[derive(Default)]
struct Listing {
    filter: Filter,
    limit: Option<usize>,
    cursor: Option<Cursor>,
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
    source: Option<web::NumberSource>,
    /// Only numbers of just this direction.
    #[param(inline)]
    direction: Option<web::Direction>,
    /// Only the number linked to this agent.
    #[param(max_length = 128)]
    agent_id: Option<String>,
    /// Only this number, spelled as its row spells it.
    #[param(value_type = Option<web::E164>, inline)]
    e164: Option<String>,
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
    Invalid(web::ErrorBody),
}

/// List phone numbers
///
/// All of the organization's numbers, newest first. With `limit` they come in pages: while more follow, the answer
/// carries `X-Next-Cursor` and a `Link` to the next page.
#[utoipa::path(
    get,
    path = NUMBERS,
    operation_id = "listPhoneNumbers",
    tag = "Telephony",
    security(("bearerAuth" = ["read"])),
    params(ListQuery),
    responses(ListAnswers, ListRefusals, web::answers::Failures)
)]
pub(crate) async fn list(
    State(app): State<App>,
    Queried { caller, params, .. }: Queried<Read>,
) -> ApiResult<Response<Body>> {
    let listing = parse(params)?;
    let page = Page {
        after: listing.cursor.as_ref().map(|cursor| cursor.last().clone()),
        limit: listing.limit,
        bytes: ANSWER_LIMIT_BYTES,
    };
    let view = app.table.numbers(&caller.organization, &listing.filter, &page).await?;
    if let Some(cursor) = &listing.cursor
        && !cursor.is_sealed_with(&view.organization.cursor_key)
    {
        let issue = domain::Issue { path: "cursor".to_owned(), message: cursor::MALFORMED.to_owned() };
        return Err(ApiError::InvalidQuery(vec![issue]));
    }
    answer(&app, &listing, &view)
}

fn parse(mut params: Params) -> ApiResult<Listing> {
    let limit = params.optional("limit", |text| match text.parse() {
        Ok(limit @ 1..=PAGE_LIMIT_ROWS) => Ok(limit),
        _ => Err("must be a whole number from 1 to 200"),
    });
    let source = params.optional("source", |text| match text {
        "managed" => Ok("managed"),
        "sip_trunk" => Ok("sip_trunk"),
        _ => Err("must be 'managed' or 'sip_trunk'"),
    });
    let filter = Filter {
        source,
        direction: params.optional("direction", Direction::parse),
        agent: params.optional("agentId", AgentId::parse),
        e164: params.optional("e164", E164::from_stored),
    };
    let cursor = params.optional("cursor", Cursor::parse);
    params.finish(Listing { filter, limit, cursor })
}

fn answer(app: &App, listing: &Listing, view: &View<Vec<PhoneNumber>>) -> ApiResult<Response<Body>> {
    let wanted = listing.limit.unwrap_or(usize::MAX);
    let (mut body, mut escaped, mut last) = (Vec::from(b"["), Escaped::default(), None);
    let View { shown, sip_connections, organization, shortfalls } = view;
    let (mut more, now) = (shown.len() > wanted, app.clock.now());
    for (at, number) in shown.iter().take(wanted).enumerate() {
        let shortfall = shortfalls.get(&number.id).copied();
        let row = PhoneNumberRow::new(number, sip_connections, organization, &app.sip_host, shortfall, now);
        let end = body.len();
        if at > 0 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, &row).map_err(Error::internal)?;
        if at > 0 && escaped.is_longer(&body, ANSWER_LIMIT_BYTES) {
            more = true;
            body.truncate(end);
            break;
        }
        last = Some(&number.id);
    }
    body.push(b']');
    if more && listing.limit.is_none() {
        return Err(ApiError::ResultTooLarge(
            "Too many phone numbers for one answer; page through them with ?limit=200".to_owned(),
        ));
    }
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(last) = last.filter(|_| more) {
        let cursor = cursor::seal(last, &view.organization.cursor_key);
        let link = format!("</v1/phone-numbers?{}>; rel=\"next\"", next_query(listing, &cursor));
        headers.insert(header::LINK, HeaderValue::from_str(&link).map_err(Error::internal)?);
        headers.insert(NEXT_CURSOR, HeaderValue::from_str(&cursor).map_err(Error::internal)?);
    }
    Ok(response)
}

/// Measures growing JSON as it will be inside a JSON string. It counts quotes only when they could matter: they can at most double it.
#[derive(Default)]
struct Escaped {
    /// So many bytes of the JSON are counted,
    counted: usize,
    /// and have this length in a string.
    bytes: usize,
}

impl Escaped {
    fn is_longer(&mut self, json: &[u8], limit: usize) -> bool {
        let rest = &json[self.counted..];
        if self.bytes + 2 * rest.len() > limit {
            let quotes = rest.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
            *self = Self { counted: json.len(), bytes: self.bytes + rest.len() + quotes };
        }
        self.bytes > limit
    }
}

/// The query of the next page: the same filter and limit, behind the cursor.
fn next_query(listing: &Listing, cursor: &str) -> String {
    let Filter { source, direction, agent, e164 } = &listing.filter;
    let limit = listing.limit.map(|limit| limit.to_string());
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("source", *source),
        ("direction", direction.map(Direction::as_str)),
        ("agentId", agent.as_ref().map(AgentId::as_str)),
        ("e164", e164.as_ref().map(E164::as_str)),
        ("limit", limit.as_deref()),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("cursor", cursor).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_measured_as_it_will_be_inside_a_string_however_it_grows() {
        for limit in 0..60 {
            let (mut escaped, mut json) = (Escaped::default(), Vec::new());
            for row in [r#"{"a":1}"#, r#"{"a":"\"}"#, "[]", r#""""""#, "1234567890"] {
                json.extend_from_slice(row.as_bytes());
                let text = std::str::from_utf8(&json).unwrap();
                let whole = serde_json::to_string(text).unwrap().len() - 2;
                let longer = escaped.is_longer(&json, limit);
                assert_eq!(longer, whole > limit, "{text} is {whole} bytes, the limit {limit}");
                if longer {
                    break;
                }
            }
        }
    }
}
