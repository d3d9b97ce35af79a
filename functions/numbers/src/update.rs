use axum::extract::State;
use domain::number::{Direction, DispatchTemplate, Patch};
use domain::{AgentId, Label};
use web::{ApiResult, Fields, IfMatch, JsonBody, NumberPath, Write};

use crate::{App, Row};

/// Update a phone number
///
/// What is absent stays, null clears (direction cannot be null), `dispatchMetadataTemplate` is replaced whole. With
/// `If-Match`, only the version that the caller has seen is changed.
#[utoipa::path(
    patch, path = "/v1/phone-numbers/{id}", operation_id = "updatePhoneNumber", tag = "Telephony",
    security(("bearerAuth" = ["write"])),
    params(crate::docs::Id, crate::docs::IfMatchHeader), request_body = crate::docs::UpdateRequest,
    responses(
        crate::docs::NumberAnswers, web::answers::Invalid, web::answers::Failures, web::answers::Missing,
        crate::docs::UpdateRefusals, web::answers::Precondition, web::answers::TooLarge,
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
            fields.json("dispatchMetadataTemplate", DispatchTemplate::parse)
        }),
        agent: fields.change("agentId", |fields| fields.optional("agentId", AgentId::parse)),
        label: fields.change("label", |fields| fields.optional("label", Label::parse)),
    };
    fields.finish(Some(patch))
}
