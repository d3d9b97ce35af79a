//! The routes that are measured, and their events.

use std::io;

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::subject::THINNEST;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");

/// A route, and the bare function that does the same calls.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) binary: &'static str,
    pub(crate) event: &'static str,
    pub(crate) bare: &'static str,
    /// Whether the functions in Node.js and Python have it.
    pub(crate) has_sdks: bool,
}

pub(crate) const GET: &str = "GET a number";
pub(crate) const LIST: &str = "list 100 numbers";
pub(crate) const PATCH: &str = "PATCH a number";

pub(crate) const ROUTES: [Route; 4] = [
    Route { name: GET, binary: "numbers", event: "numbers-get", bare: "get", has_sdks: true },
    Route { name: LIST, binary: "numbers", event: "numbers-list", bare: "list", has_sdks: true },
    Route { name: PATCH, binary: "numbers", event: "numbers-update", bare: "patch", has_sdks: true },
    Route { name: "GET the balance", binary: "credits", event: "credits-balance", bare: THINNEST, has_sdks: false },
];

/// An event of `events/`, for the engine's organization and its number.
pub(crate) fn event(name: &str, engine: &Engine) -> io::Result<Value> {
    event_of(name, &engine.key, &engine.number)
}

pub(crate) fn event_of(name: &str, key: &str, number: &str) -> io::Result<Value> {
    let text = std::fs::read_to_string(format!("{EVENTS}/{name}.json"))?;
    let mut event: Value = serde_json::from_str(&text.replace("API_KEY", key).replace("NUMBER_ID", number))?;
    if name == "numbers-list" {
        page_of(&mut event, 100);
    }
    if let Some(headers) = event["headers"].as_object_mut() {
        // The number's version rises with each change.
        headers.remove("if-match");
    }
    Ok(event)
}

/// Asks for a page of this many numbers.
pub(crate) fn page_of(event: &mut Value, limit: usize) {
    event["rawQueryString"] = format!("limit={limit}").into();
    event["queryStringParameters"] = json!({ "limit": limit.to_string() });
}
