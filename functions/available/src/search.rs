//! `GET /v1/phone-numbers/available`: asks the carrier for numbers that can be bought.

use axum::Json;
use axum::extract::State;
use domain::Name;
use domain::carrier::{Offer, Search};
use domain::number::Prices;
use serde::Serialize;
use table::Rate;
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, E164, Params, Queried, Read, usd};

use crate::app::{AVAILABLE, App};

/// A number that can be bought now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AvailablePhoneNumber)]
pub(crate) struct AvailableRow {
    #[schema(value_type = E164)]
    e164: String,
    /// Such as `+1 (415) 555-0123`.
    friendly_name: String,
    /// What we charge each month, the first one at once.
    monthly_cost_usd: f64,
    /// What we charge once.
    upfront_cost_usd: f64,
    /// Such as `voice`, `sms`.
    features: Vec<String>,
    region: Region,
}

/// Where the number belongs, as far as the carrier says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AvailablePhoneNumberRegion)]
pub(crate) struct Region {
    #[schema(required)]
    state: Option<String>,
    #[schema(required)]
    locality: Option<String>,
    #[schema(required)]
    rate_center: Option<String>,
}

impl AvailableRow {
    fn new(offer: Offer, prices: Prices) -> Self {
        let Offer { e164, features, state, locality, rate_center } = offer;
        Self {
            friendly_name: e164.friendly(),
            e164: e164.to_string(),
            monthly_cost_usd: usd(prices.monthly),
            upfront_cost_usd: usd(prices.upfront),
            features,
            region: Region { state, locality, rate_center },
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct SearchQuery {
    /// Three digits, such as `415`; the newest area codes, too.
    #[param(pattern = r"^\d{3}$")]
    area_code: Option<String>,
    /// A city.
    #[param(max_length = 200)]
    locality: Option<String>,
    /// How many numbers to answer with.
    #[param(minimum = 1, maximum = 50, default = 10)]
    limit: Option<u8>,
}

/// Search available managed numbers
///
/// Asks the carrier for US local numbers that can be ordered now; where it has none, as for an area code of another
/// country, the list is empty. Prices are what this service charges. Searches and purchases together are limited to
/// 60 a minute for each organization.
#[utoipa::path(
    get, path = AVAILABLE, operation_id = "searchAvailablePhoneNumbers", tag = "Telephony",
    security(("bearerAuth" = ["read"])),
    params(SearchQuery),
    responses(
        (status = 200, description = "Available numbers", body = Vec<AvailableRow>),
        web::answers::Invalid, web::answers::Failures, web::answers::RateLimited,
    ),
)]
pub(crate) async fn search(
    State(app): State<App>,
    Queried { caller, params, .. }: Queried<Read>,
) -> ApiResult<Json<Vec<AvailableRow>>> {
    let search = parse(params)?;
    app.table.count(&caller.organization, Rate::Searches, app.clock.now()).await?;
    let offers = app.carrier.search(&search, app.price_limits).await?;
    Ok(Json(offers.into_iter().map(|offer| AvailableRow::new(offer, app.prices)).collect()))
}

fn parse(mut params: Params) -> ApiResult<Search> {
    let area_code = params.optional("areaCode", |text| {
        let three = text.len() == 3 && text.bytes().all(|digit| digit.is_ascii_digit());
        if three { Ok(text.to_owned()) } else { Err("must be three digits such as 415") }
    });
    let locality = params.optional("locality", Name::parse).map(|name| name.to_string());
    let limit = params.optional("limit", |text| match text.parse() {
        Ok(limit @ 1..=50) => Ok(limit),
        _ => Err("must be a whole number from 1 to 50"),
    });
    params.finish(Search { area_code, locality, limit: limit.unwrap_or(10) })
}
