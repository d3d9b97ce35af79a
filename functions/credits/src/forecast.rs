//! `GET /v1/credits/forecast`: what falls due, and how far the credits reach. What charges numbers works it out.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::renewal::{Charge, Forecast, charges, forecast};
use domain::{MicroUsd, Timestamp};
use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use web::{ApiError, ApiResult, Params, Queried, Read, TableApp, usd};

use crate::FORECAST;

const DAYS_DEFAULT: u64 = 30;
const DAYS_MOST: u64 = 366;
/// More charges than this do not fit into an answer.
const CHARGES_MOST: usize = 5_000;
const DAY: Duration = Duration::from_hours(24);

/// What falls due, and how far the credits reach.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreditsForecast)]
pub(crate) struct ForecastRow {
    /// US dollars that are left now.
    #[schema(examples(1.0))]
    balance_usd: f64,
    /// US dollars that the charges below add up to.
    #[schema(examples(2.0))]
    due_usd: f64,
    /// When the first month begins that the credits do not cover; null when they cover all.
    #[schema(required, format = DateTime)]
    covered_until: Option<String>,
    /// In the order in which they are charged: the month that begins first, then the lower id.
    charges: Vec<ChargeRow>,
}

/// A month of a number that begins within the time asked for, or has begun and is not paid.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreditsForecastCharge)]
pub(crate) struct ChargeRow {
    phone_number_id: String,
    #[schema(value_type = web::E164)]
    e164: String,
    /// When the month begins.
    #[schema(format = DateTime)]
    due_at: String,
    #[schema(examples(1.0))]
    amount_usd: f64,
    /// Whether the credits pay for it, once all that comes before it is paid. A number is suspended at the first month that is
    /// not covered.
    covered: bool,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum ForecastAnswers {
    /// The forecast
    #[response(
        status = 200,
        example = json!({
            "balanceUsd": 1.0, "dueUsd": 2.0, "coveredUntil": "2026-08-15T00:00:00.000Z",
            "charges": [
                {
                    "phoneNumberId": "pn_01kwdfkd000000000000000001", "e164": "+12015551234",
                    "dueAt": "2026-08-01T00:00:00.000Z", "amountUsd": 1.0, "covered": true,
                },
                {
                    "phoneNumberId": "pn_01kwdfkd000000000000000002", "e164": "+12015551235",
                    "dueAt": "2026-08-15T00:00:00.000Z", "amountUsd": 1.0, "covered": false,
                },
            ],
        })
    )]
    Forecast(ForecastRow),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum ForecastRefusals {
    /// A query parameter breaks a rule (`VALIDATION_ERROR`), or there are more than 5,000 charges (`RESULT_TOO_LARGE`): the
    /// error names a smaller `days`.
    #[response(
        status = 400,
        example = json!({
            "error": "More than 5,000 charges fall due within 366 days; ask for days=150",
            "code": "RESULT_TOO_LARGE", "retryable": false,
        })
    )]
    Refused(web::ErrorBody),
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct ForecastQuery {
    /// How many days to look ahead.
    #[param(minimum = 1, maximum = 366, default = 30)]
    days: Option<u16>,
}

/// Forecast charges
///
/// What the organization's numbers will be charged within so many days, unpaid months included, and which of it the credits
/// cover. Nothing is booked. A number that was changed within the last second may be shown as it was before.
#[utoipa::path(
    get, path = FORECAST, operation_id = "forecastCredits", tag = "Credits",
    security(("bearerAuth" = ["read"])),
    params(ForecastQuery),
    responses(ForecastAnswers, ForecastRefusals, web::answers::Failures),
)]
pub(crate) async fn get(
    State(app): State<TableApp>,
    Queried { caller, params, .. }: Queried<Read>,
) -> ApiResult<Json<ForecastRow>> {
    let days = parse(params)?;
    let now = app.clock.now();
    let until = now.plus(DAY * days);
    let (credits, numbers) =
        tokio::try_join!(app.table.credits(&caller.organization), app.table.renewables(&caller.organization, until))?;
    let balance = credits.balance;
    if let Some(forecast) = forecast(&numbers, balance, now, until, CHARGES_MOST) {
        return Ok(Json(ForecastRow::new(balance, forecast)));
    }
    let first_too_many = charges(&numbers, balance, now, until).nth(CHARGES_MOST).map(|charge| charge.due);
    Err(ApiError::ResultTooLarge(too_many(days, first_too_many, now)))
}

fn parse(mut params: Params) -> ApiResult<u32> {
    let days = params.optional("days", |text| match text.parse() {
        Ok(days @ 1..=DAYS_MOST) => Ok(days),
        _ => Err("must be a whole number from 1 to 366"),
    });
    params.finish(u32::try_from(days.unwrap_or(DAYS_DEFAULT)).unwrap_or_default())
}

fn too_many(days: u32, first_too_many: Option<Timestamp>, now: Timestamp) -> String {
    let fewer = first_too_many.map_or(0, |due| due.since(now).as_secs() / DAY.as_secs());
    match fewer {
        0 => format!(
            "More than 5,000 charges fall due within {days} days, and as many within one; read the ledger instead"
        ),
        fewer => format!("More than 5,000 charges fall due within {days} days; ask for days={fewer}"),
    }
}

impl ForecastRow {
    fn new(balance: MicroUsd, forecast: Forecast<'_>) -> Self {
        let Forecast { due, covered_until, charges } = forecast;
        Self {
            balance_usd: usd(balance),
            due_usd: usd(due),
            covered_until: covered_until.map(|at| at.to_string()),
            charges: charges.iter().map(ChargeRow::new).collect(),
        }
    }
}

impl ChargeRow {
    fn new(charge: &Charge<'_>) -> Self {
        Self {
            phone_number_id: charge.number.id.to_string(),
            e164: charge.number.e164.to_string(),
            due_at: charge.due.to_string(),
            amount_usd: usd(charge.number.monthly),
            covered: charge.covered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_that_is_too_long_names_how_many_days_fit() {
        let now = Timestamp::from_millis(1_784_000_000_000);
        let told = too_many(366, Some(now.plus(DAY * 12 + Duration::from_hours(1))), now);
        assert_eq!(told, "More than 5,000 charges fall due within 366 days; ask for days=12");
        assert!(too_many(1, Some(now), now).ends_with("read the ledger instead"));
    }
}
