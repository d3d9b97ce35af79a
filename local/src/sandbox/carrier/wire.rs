//! Telnyx's JSON: envelopes, and what each thing looks like.

use axum::Json;
use domain::Timestamp;
use serde_json::{Value, json};

use super::book::{OwnedNumber, PlacedOrder};
use super::inventory;
use super::query::Page;

/// One thing.
pub(super) fn data(data: &Value) -> Json<Value> {
    Json(json!({ "data": data }))
}

/// A page of things.
pub(super) fn page<T>(page: Page<T>, show: impl Fn(T) -> Value) -> Json<Value> {
    let Page { items, number, size, total } = page;
    let meta = json!({
        "page_number": number,
        "page_size": size,
        "total_pages": total.div_ceil(size),
        "total_results": total,
    });
    Json(json!({ "data": items.into_iter().map(show).collect::<Vec<_>>(), "meta": meta }))
}

/// The answer to a search, which has no pages.
pub(super) fn offers(numbers: &[String]) -> Json<Value> {
    let meta = json!({ "total_results": numbers.len(), "best_effort_results": 0 });
    let data: Vec<Value> = numbers.iter().map(|number| offer(number)).collect();
    Json(json!({ "data": data, "meta": meta, "metadata": meta }))
}

fn offer(number: &str) -> Value {
    let region = |kind: &str, name: &str| json!({ "region_type": kind, "region_name": name });
    let mut regions = vec![region("country_code", "US")];
    if let Some((city, state)) = number.get(2..5).and_then(inventory::place) {
        regions.extend([region("state", state), region("location", city), region("rate_center", &city.to_uppercase())]);
    }
    let features: Vec<Value> = inventory::FEATURES.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "record_type": "available_phone_number",
        "phone_number": number,
        "vanity_format": "",
        "best_effort": false,
        "quickship": true,
        "reservable": true,
        "region_information": regions,
        "cost_information": { "upfront_cost": "1.00000", "monthly_cost": "1.00000", "currency": "USD" },
        "features": features,
    })
}

/// An order as one answer of its own.
pub(super) fn order(order: &PlacedOrder, now: Timestamp) -> Value {
    let mut shown = listed_order(order, now);
    shown["phone_numbers"] = json!([{
        "record_type": "number_order_phone_number",
        "id": order.line_id,
        "bundle_id": null,
        "phone_number": order.phone_number,
        "phone_number_type": "local",
        "country_code": "US",
        "regulatory_requirements": [],
        "requirements_met": true,
        "requirements_status": "approved",
        "status": order.status(now),
    }]);
    shown
}

/// An order in a list: its lines lack their status.
pub(super) fn listed_order(order: &PlacedOrder, now: Timestamp) -> Value {
    json!({
        "record_type": "number_order",
        "id": order.id,
        "status": order.status(now),
        "phone_numbers": [{ "id": order.line_id, "phone_number": order.phone_number }],
        "phone_numbers_count": 1,
        "requirements_met": true,
        "sub_number_orders_ids": [],
        "customer_reference": order.customer_reference,
        "connection_id": order.connection_id,
        "messaging_profile_id": order.messaging_profile_id,
        "billing_group_id": null,
        "created_at": order.created_at().to_string(),
        "updated_at": order.updated_at(now).to_string(),
    })
}

/// A number of ours.
pub(super) fn number(number: &OwnedNumber) -> Value {
    let mut shown = common(number, "active");
    shown["country_iso_alpha2"] = "US".into();
    shown["source_type"] = "number_order".into();
    shown["emergency_status"] = "disabled".into();
    shown["inbound_call_screening"] = "disabled".into();
    shown
}

/// A number that was released, which shows less.
pub(super) fn deleted(number: &OwnedNumber) -> Value {
    common(number, "deleted")
}

fn common(number: &OwnedNumber, status: &str) -> Value {
    json!({
        "record_type": "phone_number",
        "id": number.id,
        "phone_number": number.phone_number,
        "phone_number_type": "local",
        "status": status,
        "tags": number.tags,
        "customer_reference": number.customer_reference,
        "connection_id": number.connection_id,
        "connection_name": null,
        "messaging_profile_id": number.messaging_profile_id,
        "messaging_profile_name": null,
        "billing_group_id": null,
        "external_pin": null,
        "emergency_enabled": false,
        "emergency_address_id": null,
        "call_forwarding_enabled": true,
        "call_recording_enabled": false,
        "caller_id_name_enabled": false,
        "cnam_listing_enabled": false,
        "deletion_lock_enabled": false,
        "hd_voice_enabled": false,
        "t38_fax_gateway_enabled": false,
        "purchased_at": number.purchased_at().to_string(),
        "created_at": number.active_from().to_string(),
        "activated_at": number.active_from().to_string(),
        "updated_at": number.updated_at().to_string(),
    })
}
