//! Every route as the description has it, with a request that it would carry out.
//!
//! The description's own test holds it to the code, so a route that is added is covered by every test that goes through
//! all routes, or fails until somebody says here what a good request to it is.

#![expect(clippy::missing_panics_doc, reason = "a test that cannot read the description fails")]

use domain::api_key::Scope;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{Call, TestApp, full_form};

const DESCRIPTION: &str = include_str!("../../openapi.json");

/// An id of the right form that no number has.
pub const NOBODYS_NUMBER: &str = "pn_01kwdfkd000000000000000001";

/// One route, as it is described.
pub struct Route {
    pub method: Method,
    pub path: String,
    pub scope: Scope,
    /// The names within its path.
    pub parameters: Vec<String>,
    /// What its body may hold; `None` for a route without one.
    pub request: Option<Map<String, Value>>,
    /// What its answer holds.
    pub answer: Map<String, Value>,
}

impl Route {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path about one number.
    pub fn about(&self, number: &str) -> String {
        for parameter in &self.parameters {
            assert_eq!(parameter, "id", "{}: say what {parameter} names", self.name());
        }
        self.path.replace("{id}", number)
    }

    /// A call about a number that nobody has, where the path names one.
    pub fn call(&self, app: &TestApp) -> Call {
        app.call(self.method.clone(), &self.about(NOBODYS_NUMBER))
    }

    /// A body that would be carried out; of numbers, the `nth` one.
    pub fn body(&self, nth: usize) -> Value {
        match self.name().as_str() {
            "POST /v1/phone-numbers" => json!({ "e164": format!("+1415555{:04}", 2_000 + nth) }),
            "POST /v1/phone-numbers/import" => {
                json!({ "e164": format!("+1212555{:04}", 2_000 + nth), "sipTrunkId": "trunk" })
            }
            "PATCH /v1/phone-numbers/{id}" => json!({ "label": "Desk" }),
            "PUT /v1/phone-numbers/kyb/draft" | "POST /v1/phone-numbers/kyb/submit" => full_form(),
            other => panic!("{other}: say what a good body is"),
        }
    }

    /// A call with a body that would be carried out, where the route takes one.
    pub fn good_call(&self, app: &TestApp, nth: usize) -> Call {
        let call = self.call(app);
        if self.request.is_some() { call.json(&self.body(nth)) } else { call }
    }

    /// Whether the body is a verification.
    pub fn files(&self) -> bool {
        self.fields().any(|(name, _)| name == "attestationAccepted")
    }

    pub fn fields(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.request.iter().flatten()
    }
}

/// Every route of the description.
pub fn routes() -> Vec<Route> {
    let document = description();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("an object") {
        for (method, operation) in methods.as_object().expect("an object") {
            let scope = operation["security"][0]["bearerAuth"][0].as_str().and_then(Scope::parse);
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_path = parameters.filter(|parameter| parameter["in"] == "path");
            let of = |content: &Value| properties(&document, &content["content"]["application/json"]["schema"]);
            routes.push(Route {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                scope: scope.unwrap_or_else(|| panic!("{method} {path} needs no scope")),
                parameters: in_path.map(|parameter| parameter["name"].as_str().expect("a text").to_owned()).collect(),
                request: operation.get("requestBody").map(of),
                answer: of(&operation["responses"]["200"]),
            });
        }
    }
    assert!(!routes.is_empty());
    routes
}

/// The fields of a schema, or of all the forms that it may have.
fn properties(document: &Value, schema: &Value) -> Map<String, Value> {
    let schema = resolved(document, schema);
    let mut all = schema["properties"].as_object().cloned().unwrap_or_default();
    for form in schema["oneOf"].as_array().into_iter().flatten() {
        all.extend(properties(document, form));
    }
    all
}

/// A schema, or the one that it refers to.
pub fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).expect("a reference that leads somewhere")
        }
        None => schema,
    }
}

/// The routes that take a body.
pub fn routes_with_a_body() -> impl Iterator<Item = Route> {
    routes().into_iter().filter(|route| route.request.is_some())
}

/// The whole description.
pub fn description() -> Value {
    serde_json::from_str(DESCRIPTION).expect("the description")
}
