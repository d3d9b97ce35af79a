//! The one SMS brand (10DLC) that the sandbox's registry knows.

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

use super::problem::Problem;

/// The brand's id; every other one is unknown.
const BRAND: &str = "BSANDBOX";

/// `GET /v2/10dlc/brand/{brandId}`: camelCase, without the envelope that other answers have.
pub(super) async fn brand(Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    if id != BRAND {
        return Err(Problem::not_found());
    }
    Ok(Json(json!({
        "brandId": BRAND,
        "tcrBrandId": "BTCR001",
        "cspId": "SANDBOX",
        "entityType": "PRIVATE_PROFIT",
        "brandRelationship": "BASIC_ACCOUNT",
        "vertical": "TECHNOLOGY",
        "displayName": "Harbor Voice",
        "companyName": "Harbor Voice Inc",
        "ein": "98-7654321",
        "street": "200 Pier Ave",
        "city": "San Francisco",
        "state": "CA",
        "postalCode": "94111",
        "country": "US",
        "email": "compliance@harbor.example.com",
        "phone": "+14155550100",
        "website": "https://harbor.example.com",
        "firstName": null,
        "lastName": null,
        "status": "OK",
        "mock": true,
    })))
}
