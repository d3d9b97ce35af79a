//! `PATCH /v1/phone-numbers/{id}`: changes where a number's calls go.

use axum::extract::State;
use domain::number::{Direction, DispatchTemplate, Patch};
use domain::{AgentId, Label};
use utoipa::{IntoParams, IntoResponses, ToSchema};
use web::{ApiResult, Fields, IfMatch, JsonBody, NumberPath, Write};

use crate::app::{App, Id, NUMBER, NumberAnswers, Row};

/// What is to change.
#[derive(ToSchema)]
#[schema(as = PhoneNumberUpdateRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct UpdateRequest {
    /// Cannot be null.
    #[schema(nullable = false)]
    direction: Option<web::Direction>,
    /// Replaced whole; at most 16 KiB of compact JSON, nested at most 100 levels deep.
    dispatch_metadata_template: Option<web::JsonObject>,
    /// One line.
    #[schema(max_length = 120, examples("Sales line"))]
    label: Option<String>,
    /// The agent that inbound calls go to; an agent has at most one number.
    #[schema(max_length = 128, examples("agent_sales"))]
    agent_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct IfMatchHeader {
    /// The `ETag` of the version to change, such as `"3"`.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
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
    Conflict(web::ErrorBody),
}

/// Update a phone number
///
/// What is absent stays, null clears (direction cannot be null), `dispatchMetadataTemplate` is replaced whole. With
/// `If-Match`, only the version that the caller has seen is changed. Limited to 300 a minute for each organization.
#[utoipa::path(
    patch, path = NUMBER, operation_id = "updatePhoneNumber", tag = "Telephony",
    security(("bearerAuth" = ["write"])),
    params(Id, IfMatchHeader), request_body = UpdateRequest,
    responses(
        NumberAnswers, web::answers::Invalid, web::answers::Failures, web::answers::Missing,
        UpdateRefusals, web::answers::Precondition, web::answers::Unread, web::answers::RateLimited,
    ),
)]
pub(crate) async fn update(
    State(app): State<App>,
    Write(caller): Write,
    NumberPath(id): NumberPath,
    IfMatch(expected): IfMatch,
    JsonBody { fields, .. }: JsonBody,
) -> ApiResult<Row> {
    let patch = parse(fields)?;
    let (organization, actor, now) = (&caller.organization, caller.actor(), app.clock.now());
    let number = app.table.patch_number(organization, &id, &patch, expected, &actor, now).await?;
    Ok(app.row(&number))
}

fn parse(mut fields: Fields) -> domain::Result<Patch> {
    if fields.is_null("direction") {
        fields.issue("direction", "cannot be null; leave it out to keep it");
    }
    let patch = Patch {
        direction: fields.optional("direction", Direction::parse),
        template: fields.change("dispatchMetadataTemplate", |fields| {
            fields.json("dispatchMetadataTemplate", DispatchTemplate::from_compact_json)
        }),
        agent: fields.change("agentId", |fields| fields.optional("agentId", parse_agent)),
        label: fields.change("label", |fields| fields.optional("label", Label::parse)),
    };
    fields.finish(Some(patch))
}

/// Clients send an empty text for "no agent", which this API says otherwise.
fn parse_agent(text: &str) -> Result<AgentId, &'static str> {
    if text.is_empty() { Err("must not be empty; null unlinks the agent") } else { AgentId::parse(text) }
}
