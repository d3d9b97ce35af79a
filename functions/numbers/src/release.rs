//! `DELETE /v1/phone-numbers/{id}`: releases a number at the carrier, or forgets an imported one.

use axum::Json;
use axum::extract::State;
use domain::audit::{Action, Actor};
use domain::number::{PhoneNumber, ReleaseReason, Source};
use domain::{Error, Result};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use web::{ApiResult, IfMatch, NumberPath, Write};

use crate::app::{App, Id, NUMBER};
use crate::update::IfMatchHeader;

/// The answer to a release.
#[derive(Serialize, ToSchema)]
pub(crate) struct Released {
    released: bool,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum ReleaseRefusals {
    /// The number's order is still being confirmed (`PHONE_NUMBER_BUSY`), or the carrier refuses to release the number
    /// until the operator has cleared that up there (`PHONE_NUMBER_RELEASE_REFUSED`).
    #[response(
        status = 409,
        example = json!({
            "error": "This phone number's order or release is still being settled; try again in a few minutes",
            "code": "PHONE_NUMBER_BUSY", "retryable": true,
        })
    )]
    Conflict(web::ErrorBody),
}

/// Release a phone number
///
/// A managed number goes back to the carrier, an imported one is only forgotten here. When the carrier fails or refuses,
/// the number stays, out of use, and DELETE again continues. With `If-Match`, only the version that the caller has seen is
/// released.
#[utoipa::path(
    delete, path = NUMBER, operation_id = "deletePhoneNumber", tag = "Telephony",
    security(("bearerAuth" = ["write"])),
    params(Id, IfMatchHeader),
    responses(
        (status = 200, description = "Release result", body = Released),
        web::answers::Invalid, web::answers::Failures, web::answers::Missing, ReleaseRefusals,
        web::answers::Precondition,
    ),
)]
pub(crate) async fn release(
    State(app): State<App>,
    Write(caller): Write,
    NumberPath(id): NumberPath,
    IfMatch(expected): IfMatch,
) -> ApiResult<Json<Released>> {
    let number = app.table.find_number(&caller.organization, &id).await?.ok_or(Error::NotFound)?;
    let actor = caller.actor();
    match number.source {
        Source::Managed(_) => release_managed(&app, number, expected, &actor).await?,
        Source::SipTrunk { .. } => app.table.remove_number(number, expected, &actor, app.clock.now()).await?,
    }
    Ok(Json(Released { released: true }))
}

/// First out of use, then back to the carrier, then out of the table: wherever this stops, DELETE again continues.
async fn release_managed(app: &App, number: PhoneNumber, expected: Option<u64>, actor: &Actor) -> Result<()> {
    let release = |number: PhoneNumber| {
        number.expect(expected)?;
        number.release(ReleaseReason::Requested, app.clock.now())
    };
    let releasing = app.table.transition(number, release, Action::ReleaseBegun, actor).await?;
    settling::finish_release(&app.table, &app.carrier, releasing, actor, app.clock.now()).await
}
