//! `GET /v1/credits/balance`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use web::{ApiResult, Read, TableApp, usd};

use crate::BALANCE;

/// What is left.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreditsBalance)]
#[expect(clippy::struct_field_names, reason = "each is a field that callers see")]
pub(crate) struct Balance {
    /// US dollars; never below zero.
    #[schema(examples(98.0))]
    balance_usd: f64,
    /// Always `USD`.
    #[schema(examples("USD"))]
    currency: &'static str,
    /// When the last entry was booked; before the first one, when the organization was created.
    #[schema(format = DateTime)]
    updated_at: String,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum BalanceAnswers {
    /// The balance
    #[response(
        status = 200,
        example = json!({ "balanceUsd": 98.0, "currency": "USD", "updatedAt": "2026-07-01T00:00:00.000Z" })
    )]
    Balance(Balance),
}

/// Get the balance
///
/// What the organization has left of its prepaid credits.
#[utoipa::path(
    get, path = BALANCE, operation_id = "getCreditsBalance", tag = "Credits",
    security(("bearerAuth" = ["read"])),
    responses(BalanceAnswers, web::answers::Invalid, web::answers::Failures),
)]
pub(crate) async fn get(State(app): State<TableApp>, Read(caller): Read) -> ApiResult<Json<Balance>> {
    let (credits, organization) =
        tokio::try_join!(app.table.credits(&caller.organization), app.table.organization(&caller.organization))?;
    let updated_at = credits.booked_at.unwrap_or(organization.created_at).to_string();
    Ok(Json(Balance { balance_usd: usd(credits.balance), currency: "USD", updated_at }))
}
