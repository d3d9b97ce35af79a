use domain::Error;
use domain::kyb::Brand;
use serde_json::json;

use super::super::Telnyx;
use super::super::brand::BrandId;
use super::server::{Server, says};
use runtime::Secret;

async fn asked(status: u16, body: &str) -> (domain::Result<Option<Brand>>, Vec<String>) {
    let body = body.to_owned();
    let server = Server::start(move |_, _| says(status, &body)).await;
    let telnyx = Telnyx::new(&server.url, Secret::given(r#"{"apiKey":"KEY0188_secret"}"#), "numbers");
    let brand = telnyx.brand(&BrandId::parse("B4F2-x_1").unwrap()).await;
    (brand, server.lines())
}

#[tokio::test]
async fn a_brand_is_read_with_whatever_it_has() {
    let body = json!({
        "brandId": "B4F2-x_1", "companyName": " Acme Inc\u{7} ", "displayName": null, "entityType": "PRIVATE_PROFIT",
        "ein": 123_456_789, "street": ["no", "text"], "postalCode": "94105", "firstName": "x".repeat(3_000),
    });
    let wrapped = asked(200, &json!({ "data": body }).to_string()).await.0;
    let (brand, lines) = asked(200, &body.to_string()).await;
    assert_eq!(wrapped.unwrap(), *brand.as_ref().unwrap(), "with and without an envelope");
    let brand = brand.unwrap().unwrap();
    assert_eq!(lines, ["GET /v2/10dlc/brand/B4F2-x_1"]);
    assert_eq!((brand.company_name.as_str(), brand.display_name.as_str()), ("Acme Inc", ""));
    assert_eq!((brand.ein.as_str(), brand.street.as_str(), brand.postal_code.as_str()), ("123456789", "", "94105"));
    assert_eq!(brand.first_name.len(), 2_000);
}

#[tokio::test]
async fn a_brand_that_the_carrier_does_not_know_is_none_and_all_else_is_no_answer() {
    let unknown = json!({ "errors": [{ "code": "10005", "title": "Resource not found" }] }).to_string();
    for body in [unknown.as_str(), r#"{"detail":"Brand not found"}"#] {
        assert!(matches!(asked(404, body).await.0, Ok(None)), "{body}");
    }
    for (status, body) in [
        (404, "<html>"),
        (404, "{}"),
        (404, r#"{"detail":null}"#),
        (200, r#"{"data":{}}"#),
        (200, "<html>"),
        (200, "{}"),
        (200, "[]"),
        (500, "{}"),
        (401, &unknown),
    ] {
        let brand = asked(status, body).await.0;
        assert!(matches!(brand, Err(Error::CarrierUnavailable(_))), "{status} {body}: {brand:?}");
    }
}

#[test]
fn the_id_of_a_brand_needs_no_escaping() {
    for bad in ["", "a/b", "..", "a b", "a?b", "é", &"a".repeat(65)] {
        assert!(BrandId::parse(bad).is_err(), "{bad}");
    }
}
