//! Variables: what the template sets, what the functions read, what the README says.

use std::collections::BTreeSet;
use std::fmt::Write;

use runtime::settings::{Readers, Setter, VARIABLES, Variable};

use crate::deployed::{Surroundings, environment, settings, start};
use crate::stack::{Stack, folders, referred, repository};

/// The names that a function asks for while it starts, but for the endpoints of single services.
fn read_by(stack: &Stack, name: &str, without: Option<&str>) -> BTreeSet<String> {
    let mut variables = environment(stack, &stack.function(name), &Surroundings::nowhere());
    if let Some(without) = without {
        variables.remove(without);
    }
    let (settings, asked_for) = settings(variables);
    let _ = start(name, &settings);
    let names = asked_for.lock().unwrap();
    names.iter().filter(|name| !is_endpoint(name)).cloned().collect()
}

/// The endpoint of a single service, as AWS names them.
fn is_endpoint(name: &str) -> bool {
    name.starts_with("AWS_ENDPOINT_URL_")
}

fn set_by(setter: Setter) -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(move |variable| variable.set_by == setter)
}

#[test]
fn the_table_of_variables_says_which_function_reads_what() {
    let stack = Stack::read();
    for name in folders() {
        let said: BTreeSet<String> = VARIABLES
            .iter()
            .filter(|variable| variable.read_by.include(&name))
            .map(|variable| variable.name.to_owned())
            .collect();
        assert_eq!(read_by(&stack, &name, None), said, "{name} reads the left, VARIABLES says the right");
    }
}

#[test]
fn the_template_sets_each_variable_for_the_functions_that_read_it_and_no_other() {
    let stack = Stack::read();
    for name in folders() {
        let variables = stack.variables(&stack.function(&name));
        let declared: BTreeSet<&str> = variables.keys().map(String::as_str).filter(|name| !is_endpoint(name)).collect();
        let set = VARIABLES.iter().filter(|variable| variable.set_by != Setter::Lambda);
        let wanted = set.filter(|variable| variable.read_by.include(&name)).map(|variable| variable.name).collect();
        assert_eq!(declared, wanted, "{name}: the template sets the left, the function reads the right");
    }
}

#[test]
fn what_is_set_by_hand_is_empty_and_every_secret_is_an_arn() {
    let stack = Stack::read();
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
    let parameters = stack.parameters().keys().filter(|name| !name.ends_with("Url"));
    for name in parameters {
        assert!(!["Secret", "Token", "Key"].iter().any(|word| name.contains(word)), "{name} looks like a secret");
    }
}

#[test]
fn a_missing_variable_without_a_default_is_named_by_every_function_that_reads_it() {
    let stack = Stack::read();
    let required = VARIABLES.iter().filter(|variable| variable.default.is_none());
    for variable in required {
        for name in folders().iter().filter(|name| variable.read_by.include(name)) {
            for left in [None, Some("")] {
                let mut variables = environment(&stack, &stack.function(name), &Surroundings::nowhere());
                variables.remove(variable.name);
                variables.extend(left.map(|value| (variable.name.to_owned(), value.to_owned())));
                let error = start(name, &settings(variables).0).err().unwrap_or_else(|| panic!("{name} starts"));
                assert_eq!(error.to_string(), format!("environment variable {} is not set", variable.name), "{name}");
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
    let stack = Stack::read();
    for (variable, bad) in BAD {
        let readers = &VARIABLES.iter().find(|known| known.name == variable).unwrap().read_by;
        for name in folders().iter().filter(|name| readers.include(name)) {
            let mut variables = environment(&stack, &stack.function(name), &Surroundings::nowhere());
            variables.insert(variable.to_owned(), bad.to_owned());
            let error = start(name, &settings(variables).0).err().unwrap_or_else(|| panic!("{name} takes {bad}"));
            let sentence = format!("environment variable {variable} must be ");
            assert!(error.to_string().starts_with(&sentence), "{name}: {error}");
        }
    }
}

#[test]
fn the_defaults_of_the_template_are_those_of_the_code() {
    let stack = Stack::read();
    for function in stack.functions() {
        for (name, value) in stack.variables(&function) {
            let parameter = referred(&value).and_then(|name| stack.parameters().get(name));
            let Some(default) = parameter.and_then(|parameter| parameter.get("Default")) else { continue };
            let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let known = VARIABLES.iter().find(|known| known.name == name).expect("a variable");
            assert_eq!(Some(text.as_str()), known.default, "{name} of {}", function.name);
        }
    }
}

const BEGIN: &str = "<!-- variables: made from shared/runtime/src/settings.rs; a test compares -->\n";
const END: &str = "<!-- end of variables -->\n";

fn table() -> String {
    let mut text = "| variable | meaning | default | read by |\n|---|---|---|---|\n".to_owned();
    for setter in [Setter::Template, Setter::Lambda, Setter::Hand] {
        for Variable { name, meaning, default, read_by, .. } in set_by(setter) {
            let default = match default {
                None => "–".to_owned(),
                Some("") => String::new(),
                Some(value) => format!("`{value}`"),
            };
            let readers = match read_by {
                Readers::Every => "all".to_owned(),
                Readers::These(names) => names.join(", "),
            };
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
