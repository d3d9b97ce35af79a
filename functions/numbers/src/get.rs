//! `GET /v1/phone-numbers/{id}`: one number.

use axum::extract::State;
use domain::Error;
use web::{ApiResult, NumberPath, Read};

use crate::app::{App, Id, NUMBER, NumberAnswers, Row};

/// Get a phone number
#[utoipa::path(
    get,
    path = NUMBER,
    operation_id = "getPhoneNumber",
    tag = "Telephony",
    security(("bearerAuth" = ["read"])),
    params(Id),
    responses(NumberAnswers, web::answers::Invalid, web::answers::Failures, web::answers::Missing)
)]
pub(crate) async fn get(State(app): State<App>, Read(caller): Read, NumberPath(id): NumberPath) -> ApiResult<Row> {
    let number = app.table.number(&caller.organization, &id).await?.ok_or(Error::NotFound)?;
    Ok(app.row(&number))
}
