//! The description is the one that the code gives, sound in itself, and never less than the published description that
//! existing clients were generated from.

use std::collections::{BTreeMap, BTreeSet};

use domain::api_key::Scope;
use serde_json::{Map, Value, json};
use web::Code;

const COMMITTED: &str = include_str!("../../../openapi.json");
/// The bare facts of the published description, in a shape of their own: `is` names one of `schemas`.
const PUBLISHED: &str = include_str!("published.json");

/// Fields that may be null in our answers though the published description does not say so: what is not known or not
/// filed is null, and published clients take these as optional.
const MAY_BE_NULL: [&str; 5] = [
    "PhoneNumberKybOverview.submission",
    "PhoneNumberKybSubmission.businessProfile",
    "PhoneNumberKybSubmission.authorizedRepresentative",
    "PhoneNumberKybBusinessProfile.registrationId",
    "PhoneNumberKybAuthorizedRepresentative.phone",
];
/// Any object in the published description, while clients know its five fields as required.
const CLOSER: [&str; 1] = ["PhoneNumberKybBusinessProfile.address"];

#[test]
fn the_committed_description_is_up_to_date() {
    let generated = local::openapi::text().unwrap();
    assert!(COMMITTED == generated, "openapi.json is stale: run `cargo run -- --openapi > openapi.json`");
}

#[test]
fn nothing_of_the_published_description_is_missing() {
    let (ours, published) = (ours(), parse(PUBLISHED));
    let mut comparison =
        Comparison { ours: &ours, schemas: &published["schemas"], excused: BTreeSet::new(), missing: BTreeSet::new() };
    let operations = list(&published["operations"]);
    assert!(!operations.is_empty());
    for operation in operations {
        comparison.operation(operation);
    }
    assert!(comparison.missing.is_empty(), "{:#?}", comparison.missing);
    let excuses: BTreeSet<_> = MAY_BE_NULL.into_iter().chain(CLOSER).map(str::to_owned).collect();
    assert_eq!(comparison.excused, excuses, "an excuse that nothing needs any more");
}

#[test]
fn the_short_form_of_a_submission_is_described() {
    let ours = ours();
    let body = &ours["components"]["schemas"]["PhoneNumberKybSubmitRequest"];
    let forms = forms(&ours, body).0;
    let short = forms.iter().find(|form| form["properties"].get("declaration").is_some()).expect("a short form");
    assert_eq!(short["required"], json!(["declaration", "attestationAccepted"]));
    let declaration = &ours["components"]["schemas"]["PhoneNumberKybDeclaration"];
    assert_eq!(declaration["required"], json!(["businessName", "useCase"]));
}

#[test]
fn every_reference_leads_somewhere() {
    let ours = ours();
    let mut references = BTreeSet::new();
    visit(&ours, &mut |value| references.extend(value["$ref"].as_str().map(str::to_owned)));
    assert!(!references.is_empty());
    for reference in &references {
        assert!(ours.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    for name in entries(&ours["components"]["schemas"]).keys() {
        assert!(references.contains(&format!("#/components/schemas/{name}")), "nothing uses the schema {name}");
    }
}

#[test]
fn every_operation_says_what_it_is_for_and_which_scope_it_needs() {
    let ours = ours();
    let tags: Vec<_> = list(&ours["tags"]).iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for (route, operation) in operations(&ours) {
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{route}: no summary");
        assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{route}: its id is taken");
        let own = list(&operation["tags"]);
        assert!(!own.is_empty() && own.iter().all(|tag| tags.contains(&tag)), "{route}: {own:?}");
        let scope = operation["security"][0]["bearerAuth"][0].as_str().and_then(Scope::parse).expect("a scope");
        assert_eq!(
            scope == Scope::Read,
            route.starts_with("GET"),
            "{route}: reading needs `read`, changing another scope"
        );
        assert_eq!(operation["security"], json!([{ "bearerAuth": [scope.as_str()] }]), "{route}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{route}: {} says nothing", parameter["name"]);
        }
    }
    assert_eq!(ours["components"]["securitySchemes"]["bearerAuth"]["scheme"], "bearer");
}

#[test]
fn every_failure_has_the_errors_form() {
    let ours = ours();
    for (route, operation) in operations(&ours) {
        let answers = entries(&operation["responses"]);
        let mut expected = vec!["400", "401", "403", "500", "503"];
        if operation.get("requestBody").is_some() {
            expected.extend(["413", "415"]);
        }
        if route.contains("{id}") {
            expected.push("404");
        }
        for status in expected {
            assert!(answers.contains_key(status), "{route} does not say {status}");
        }
        for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
            let schema = &answer["content"]["application/json"]["schema"];
            assert_eq!(schema, &json!({ "$ref": "#/components/schemas/Error" }), "{route} {status}");
            assert!(answer["description"].as_str().is_some_and(|text| text.contains('`')), "{route} {status}: no code");
            let passes = codes(&answer["description"]).any(|code| code == "IDEMPOTENCY_IN_PROGRESS");
            let waits = answer["headers"].get("Retry-After").is_some();
            assert_eq!(waits, passes || ["429", "503"].contains(&status.as_str()), "{route} {status}");
        }
    }
}

#[test]
fn every_code_is_listed_and_every_listed_code_is_answered() {
    let ours = ours();
    let answered: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let listed = &ours["components"]["schemas"]["Error"]["properties"]["code"]["description"];
    let listed: BTreeSet<&str> = codes(listed).collect();
    assert_eq!(listed, answered);
    let mut named = BTreeSet::new();
    for (_, operation) in operations(&ours) {
        for answer in entries(&operation["responses"]).values() {
            named.extend(codes(&answer["description"]).map(str::to_owned));
        }
    }
    named.insert("METHOD_NOT_ALLOWED".to_owned());
    assert_eq!(named, answered.into_iter().map(str::to_owned).collect());
}

#[test]
fn every_text_that_a_caller_sends_has_a_limit() {
    let ours = ours();
    let mut texts = 0;
    for (route, operation) in operations(&ours) {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        // An id or a cursor of another form is answered as such, whatever its length.
        let parameters = parameters.filter(|it| it["in"] == "query" && it["name"] != "cursor");
        for schema in parameters.map(|it| &it["schema"]).chain([body]) {
            each_text(&ours, schema, &mut |at, text| {
                texts += 1;
                let limited = ["maxLength", "enum", "pattern"].iter().any(|limit| text.contains_key(*limit));
                // The server records its own version and does not read this one.
                assert!(limited || at == "attestationVersion", "{route}: {at} has no limit");
            });
        }
    }
    assert!(texts > 40);
}

fn ours() -> Value {
    parse(COMMITTED)
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> BTreeMap<String, &Value> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value)).collect()
}

/// Each operation under its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = entries(&document["paths"]).into_iter();
    paths
        .flat_map(|(path, methods)| {
            let route = move |method: String| format!("{} {path}", method.to_uppercase());
            entries(methods).into_iter().map(move |(method, operation)| (route(method), operation))
        })
        .collect()
}

fn visit(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
        Value::Object(fields) => fields.values().for_each(|field| visit(field, see)),
        _ => {}
    }
}

/// Every text within what a schema describes, with the name of its field.
fn each_text(document: &Value, schema: &Value, see: &mut impl FnMut(&str, &Map<String, Value>)) {
    for form in forms(document, schema).0 {
        for (name, field) in entries(form.get("properties").unwrap_or(&Value::Null)) {
            for inner in forms(document, field).0.iter().filter(|inner| inner.get("type") == Some(&json!("string"))) {
                see(&name, inner);
            }
            each_text(document, field, see);
        }
    }
}

fn is_code(text: &str) -> bool {
    text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// The codes that a description names.
fn codes(description: &Value) -> impl Iterator<Item = &str> {
    description.as_str().unwrap_or_default().split('`').filter(|text| is_code(text))
}

/// What a schema says once references are followed and parts are put together: each form that a value may have, and
/// whether it may be null.
fn forms(document: &Value, schema: &Value) -> (Vec<Map<String, Value>>, bool) {
    let mut own = schema.as_object().cloned().unwrap_or_default();
    let mut nullable = false;
    if let Some(Value::Array(types)) = own.get("type") {
        nullable = types.contains(&json!("null"));
        let rest = types.iter().find(|kind| **kind != "null").cloned().expect("a type beside null");
        own.insert("type".to_owned(), rest);
    }
    let mut parts = Vec::new();
    if let Some(Value::String(reference)) = own.remove("$ref") {
        parts.push(document.pointer(reference.trim_start_matches('#')).expect("a schema").clone());
    }
    if let Some(Value::Array(all)) = own.remove("allOf") {
        parts.extend(all);
    }
    let mut found = vec![own];
    for part in &parts {
        let (inner, null) = forms(document, part);
        nullable |= null;
        found = combine(&found, &inner);
    }
    for word in ["oneOf", "anyOf"] {
        let Some(Value::Array(any)) = found[0].remove(word) else { continue };
        let (null, any): (Vec<_>, Vec<_>) = any.into_iter().partition(|form| form["type"] == "null");
        let any: Vec<_> = any.iter().map(|form| forms(document, form)).collect();
        nullable |= !null.is_empty() || any.iter().any(|(_, null)| *null);
        found = combine(&found, &any.into_iter().flat_map(|(inner, _)| inner).collect::<Vec<_>>());
    }
    (found, nullable)
}

/// Every form on the left together with every form on the right.
fn combine(left: &[Map<String, Value>], right: &[Map<String, Value>]) -> Vec<Map<String, Value>> {
    let pairs = left.iter().flat_map(|one| right.iter().map(move |other| (one, other)));
    pairs
        .map(|(one, other)| {
            let mut whole = one.clone();
            for (word, value) in other {
                match (whole.get_mut(word), value) {
                    (Some(Value::Object(mine)), Value::Object(theirs)) => mine.extend(theirs.clone()),
                    (Some(Value::Array(mine)), Value::Array(theirs)) => mine.extend(theirs.iter().cloned()),
                    _ => drop(whole.insert(word.clone(), value.clone())),
                }
            }
            whole
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

/// Holds our description against the published facts.
struct Comparison<'a> {
    ours: &'a Value,
    schemas: &'a Value,
    excused: BTreeSet<String>,
    missing: BTreeSet<String>,
}

impl Comparison<'_> {
    fn operation(&mut self, fact: &Value) {
        let route = fact["route"].as_str().expect("a route");
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let ours = &self.ours["paths"][path][method.to_lowercase()];
        for word in ["operationId", "tags"] {
            self.check(ours[word] == fact[word], || format!("{route}: {word}"));
        }
        let parameters = list(&ours["parameters"]);
        let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        for parameter in list(&fact["parameters"]) {
            let name = parameter["name"].as_str().expect("a name");
            let found = parameters.iter().find(|ours| same(ours, parameter));
            let Some(found) = found else {
                self.check(false, || format!("{route}: {name}"));
                continue;
            };
            self.check(found["required"] == parameter["required"], || format!("{route}: {name} required"));
            let mut fact = parameter.as_object().expect("an object").clone();
            fact.retain(|word, _| !["name", "in", "required"].contains(&word.as_str()));
            self.value(Side::Request, &format!("{route}: {name}"), &Value::Object(fact), &found["schema"]);
        }
        let own = parameters.iter().filter(|ours| !list(&fact["parameters"]).iter().any(|fact| same(ours, fact)));
        for parameter in own {
            self.check(parameter["required"] == false, || format!("{route}: {} is required", parameter["name"]));
        }
        if let Some(request) = fact.get("request") {
            self.check(ours["requestBody"]["required"] == true, || format!("{route}: a body is required"));
            let schema = &ours["requestBody"]["content"]["application/json"]["schema"];
            self.value(Side::Request, &format!("{route}: request"), request, schema);
        } else {
            self.check(ours.get("requestBody").is_none(), || format!("{route}: takes no body"));
        }
        for (status, answer) in entries(&fact["answers"]) {
            let schema = &ours["responses"][&status]["content"]["application/json"]["schema"];
            self.value(Side::Answer, &format!("{route}: {status}"), answer, schema);
        }
    }

    fn value(&mut self, side: Side, at: &str, fact: &Value, schema: &Value) {
        if schema.is_null() {
            return self.check(false, || format!("{at} is not there"));
        }
        let (forms, nullable) = forms(self.ours, schema);
        if fact["nullable"] == true {
            self.check(nullable, || format!("{at} may be null"));
        } else if side == Side::Answer && nullable {
            self.excusable(&MAY_BE_NULL, at, "is never null");
        }
        self.check(side == Side::Request || forms.len() == 1, || format!("{at}: one form"));
        let (at, fact) = match fact["is"].as_str() {
            Some(name) if self.schemas[name].get("properties").is_some() => (name, &self.schemas[name]),
            Some(name) => (at, &self.schemas[name]),
            None => (at, fact),
        };
        // Of several forms of a request one is the published one: the one that it misses least in.
        let judged = forms.iter().map(|form| {
            let mut alone = Comparison {
                ours: self.ours,
                schemas: self.schemas,
                excused: BTreeSet::new(),
                missing: BTreeSet::new(),
            };
            alone.form(side, at, fact, form);
            alone
        });
        let best = judged.min_by_key(|judged| judged.missing.len()).expect("a form");
        self.excused.extend(best.excused);
        self.missing.extend(best.missing);
    }

    fn form(&mut self, side: Side, at: &str, fact: &Value, ours: &Map<String, Value>) {
        let mine = |word: &str| ours.get(word).unwrap_or(&Value::Null);
        for (word, value) in entries(fact) {
            match word.as_str() {
                "nullable" | "required" => {}
                "properties" => {
                    for (name, field) in entries(value) {
                        self.value(side, &format!("{at}.{name}"), field, &mine("properties")[&name]);
                    }
                }
                "items" => self.value(side, &format!("{at}[]"), value, mine("items")),
                // What we answer must be known to clients; what they send must be known to us.
                "enum" => {
                    let has = |all: &Value, some: &Value| list(some).iter().all(|one| list(all).contains(one));
                    let knows = has(mine("enum"), value) && (side == Side::Request || has(value, mine("enum")));
                    self.check(knows, || format!("{at}: {word} {value}"));
                }
                // Our answers may say more of an object; one that says nothing must be open.
                "additionalProperties" => {
                    let described = side == Side::Answer && ours.contains_key("properties");
                    if side == Side::Request && ours.contains_key("properties") {
                        self.excusable(&CLOSER, at, "takes any object");
                    } else {
                        self.check(described || mine(&word) == value, || format!("{at}: {word} {value}"));
                    }
                }
                _ => self.check(mine(&word) == value, || format!("{at}: {word} {value}")),
            }
        }
        let (published, required) = (list(&fact["required"]), list(mine("required")));
        match side {
            Side::Answer => {
                for name in published {
                    self.check(required.contains(name), || format!("{at}: {name} is always there"));
                }
            }
            Side::Request if fact.get("properties").is_some() => {
                for name in required {
                    self.check(published.contains(name), || format!("{at}: {name} is not required"));
                }
            }
            Side::Request => {}
        }
    }

    fn check(&mut self, holds: bool, fact: impl FnOnce() -> String) {
        if !holds {
            self.missing.insert(fact());
        }
    }

    fn excusable(&mut self, excuses: &[&str], at: &str, fact: &str) {
        if excuses.contains(&at) {
            self.excused.insert(at.to_owned());
        } else {
            self.missing.insert(format!("{at} {fact}"));
        }
    }
}
