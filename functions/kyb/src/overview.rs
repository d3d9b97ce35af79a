//! `GET /v1/phone-numbers/kyb`: the current verification and its prefill.

use axum::Json;
use axum::extract::State;
use web::{ApiResult, Read};

use crate::app::{App, OVERVIEW};
use crate::rows::OverviewRow;

/// Get phone-number business verification
///
/// Where it stands, the latest submission, and values to begin a form with.
#[utoipa::path(
    get, path = OVERVIEW, operation_id = "getPhoneNumberKyb", tag = "Telephony",
    security(("bearerAuth" = ["read"])),
    responses(
        (status = 200, description = "Business verification state", body = OverviewRow),
        web::answers::Invalid, web::answers::Failures,
    ),
)]
pub(crate) async fn overview(State(app): State<App>, Read(caller): Read) -> ApiResult<Json<OverviewRow>> {
    let verification = app.table.verification(&caller.organization).await?;
    Ok(Json(OverviewRow::new(&verification, &caller, &app)))
}
