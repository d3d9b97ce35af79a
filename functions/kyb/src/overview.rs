use axum::Json;
use axum::extract::State;
use web::{ApiResult, Read};

use crate::App;
use crate::rows::OverviewRow;

/// Get phone-number business verification
#[utoipa::path(
    get, path = "/v1/phone-numbers/kyb", operation_id = "getPhoneNumberKyb", tag = "Telephony",
    responses(
        (status = 200, description = "Business verification state", body = OverviewRow),
        web::answers::Failures,
    ),
)]
pub(crate) async fn overview(State(app): State<App>, Read(caller): Read) -> ApiResult<Json<OverviewRow>> {
    Ok(Json(OverviewRow::new(&app.table.verification(&caller.organization).await?)))
}
