//! Variables: what the template sets, what the functions read, what the README says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use runtime::settings::{Setter, Settings, SettingsError, VARIABLES, Variable};
use tests::deployed::{start, surroundings};

use crate::stack::{Function, Stack, folders, referred, repository};

/// The variables that a function has in a deployment, with one of them changed.
fn variables(function: &Function<'_>, changed: Option<(&str, Option<&str>)>) -> BTreeMap<String, String> {
    let mut variables = surroundings("http://127.0.0.1:9").environment(Stack::built_in(), function);
    if let Some((name, value)) = changed {
        variables.remove(name);
        variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
    variables
}

/// Why a function does not start with these.
fn refusal(function: &Function<'_>, name: &str, value: Option<&str>) -> SettingsError {
    let variables = variables(function, Some((name, value)));
    let started = start(function, Settings::from_reader(move |name| variables.get(name).cloned()));
    started.err().unwrap_or_else(|| panic!("{} starts with {name}: {value:?}", function.name))
}

/// The names that a function asks for while it starts, but for the endpoints of single services.
fn asked_for(function: &Function<'_>) -> BTreeSet<String> {
    let (names, variables) = (Arc::new(Mutex::new(BTreeSet::new())), variables(function, None));
    let noted = names.clone();
    let settings = Settings::from_reader(move |name| {
        noted.lock().unwrap().insert(name.to_owned());
        variables.get(name).cloned()
    });
    start(function, settings.clone()).unwrap();
    // Whoever serves one of several entrances is told which; `main` asks.
    if function.entrance.is_some() {
        let _ = settings.entrance();
    }
    let names = names.lock().unwrap();
    names.iter().filter(|name| !is_endpoint(name)).cloned().collect()
}

/// The variables that a function asks for, by the names that it asks with.
fn read_by(function: &Function<'_>) -> Vec<(String, &'static Variable)> {
    let known = |name: String| {
        let variable = VARIABLES.iter().find(|variable| variable.is(&name));
        let variable = variable.unwrap_or_else(|| panic!("{} reads {name}: VARIABLES lacks it", function.name));
        (name, variable)
    };
    asked_for(function).into_iter().map(known).collect()
}

/// The endpoint of a single service, as AWS names them.
fn is_endpoint(name: &str) -> bool {
    name.starts_with("AWS_ENDPOINT_URL_")
}

fn set_by(setter: Setter) -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(move |variable| variable.set_by == setter)
}

#[test]
fn the_template_sets_each_variable_for_the_functions_that_read_it_and_no_other() {
    let stack = Stack::built_in();
    for function in stack.functions() {
        let declared = stack.variables(&function);
        let declared: BTreeSet<&str> = declared.keys().map(String::as_str).filter(|name| !is_endpoint(name)).collect();
        let read = read_by(&function);
        let read = read.iter().filter(|(_, variable)| variable.set_by != Setter::Lambda);
        let wanted: BTreeSet<&str> = read.map(|(name, _)| name.as_str()).collect();
        assert_eq!(declared, wanted, "{}: the template sets the left, the function reads the right", function.name);
    }
}

#[test]
fn what_is_set_by_hand_is_empty_and_every_secret_is_an_arn() {
    let stack = Stack::built_in();
    for function in stack.functions() {
        for (name, value) in stack.variables(&function) {
            if set_by(Setter::Hand).any(|variable| variable.name == name) || is_endpoint(&name) {
                assert_eq!(value, "", "{}: {name} has a value", function.name);
            }
            let secret = ["SECRET", "TOKEN", "PASSWORD"].iter().any(|word| name.contains(word));
            if secret && value != "" {
                assert!(name.ends_with("_ARN"), "{}: {name}", function.name);
                let id = referred(&value).unwrap_or_else(|| panic!("{name} is {value}"));
                assert_eq!(stack.document["Resources"][id]["Type"], "AWS::SecretsManager::Secret", "{name}");
            }
        }
    }
    for secret in stack.of_type("AWS::SecretsManager::Secret") {
        let properties = stack.properties(secret);
        assert!(properties["SecretString"].is_null() && properties["GenerateSecretString"].is_object(), "{secret}");
    }
    // Where something is says nothing secret.
    let parameters = stack.parameters().keys().filter(|name| !name.ends_with("Url") && !name.ends_with("Arn"));
    for name in parameters {
        assert!(!["Secret", "Token", "Key"].iter().any(|word| name.contains(word)), "{name} looks like a secret");
    }
}

#[test]
fn a_missing_variable_without_a_default_is_named_by_every_function_that_reads_it() {
    for function in Stack::built_in().functions() {
        for (name, _) in read_by(&function).into_iter().filter(|(_, variable)| variable.default.is_none()) {
            for left in [None, Some("")] {
                let error = refusal(&function, &name, left).to_string();
                assert_eq!(error, format!("environment variable {name} is not set"), "{}", function.name);
            }
        }
    }
}

/// For each variable that is more than text, a value that it must not have.
const BAD: [(&str, &str); 7] = [
    ("LOG_LEVEL", "trace"),
    ("UPFRONT_PRICE_USD", "1,00"),
    ("MONTHLY_PRICE_USD", "-1"),
    ("PURCHASE_POLICY", "everybody"),
    ("SIP_HOST", "sip.example.com/x"),
    ("IMPORT_MONTHLY_FEE_USD", "free"),
    ("IMPORT_LIMIT", "many"),
];

#[test]
fn a_malformed_variable_is_named_by_every_function_that_reads_it() {
    let mut tried = BTreeSet::new();
    for function in Stack::built_in().functions() {
        let read = asked_for(&function);
        for (name, bad) in BAD.into_iter().filter(|(name, _)| *name == "LOG_LEVEL" || read.contains(*name)) {
            let error = refusal(&function, name, Some(bad)).to_string();
            assert!(error.starts_with(&format!("environment variable {name} must be ")), "{}: {error}", function.name);
            tried.insert(name);
        }
    }
    assert_eq!(tried, BAD.map(|(name, _)| name).into(), "each is read by somebody");
}

#[test]
fn the_defaults_of_the_template_are_those_of_the_code() {
    let stack = Stack::built_in();
    for function in stack.functions() {
        for (name, value) in stack.variables(&function) {
            let parameter = referred(&value).and_then(|name| stack.parameters().get(name));
            let Some(default) = parameter.and_then(|parameter| parameter.get("Default")) else { continue };
            let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let known = VARIABLES.iter().find(|known| known.is(&name)).expect("a variable");
            assert_eq!(Some(text.as_str()), known.default, "{name} of {}", function.name);
        }
    }
}

const BEGIN: &str = "<!-- variables: made from shared/runtime/src/settings.rs; a test compares -->\n";
const END: &str = "<!-- end of variables -->\n";

/// Who reads a variable, by package, in the order of the template.
fn readers(variable: &Variable) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for function in Stack::built_in().functions() {
        if read_by(&function).iter().any(|(_, read)| read.name == variable.name) {
            packages.push(function.package);
        }
    }
    packages.dedup();
    packages
}

fn table() -> String {
    let mut text = "| variable | meaning | default | read by |\n|---|---|---|---|\n".to_owned();
    for setter in [Setter::Template, Setter::Lambda, Setter::Hand] {
        for variable in set_by(setter) {
            let Variable { name, meaning, default, .. } = variable;
            let default = match default {
                None => "–".to_owned(),
                Some("") => String::new(),
                Some(value) => format!("`{value}`"),
            };
            let readers = readers(variable);
            assert!(!readers.is_empty() || *name == "ENTRANCE", "nobody reads {name}");
            let readers = if readers.len() == folders().len() { "all".to_owned() } else { readers.join(", ") };
            let by = match setter {
                Setter::Template => "",
                Setter::Lambda => "; set by Lambda",
                Setter::Hand => "; for trying things out",
            };
            writeln!(text, "| `{name}` | {meaning}{by} | {default} | {readers} |").unwrap();
        }
    }
    text
}

#[test]
fn the_readme_lists_the_variables_as_they_are() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let listed = readme.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(listed, _)| listed);
    assert!(listed == Some(&table()), "put this between the markers in README.md:\n\n{BEGIN}{}{END}", table());
}
