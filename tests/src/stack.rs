//! `template.yaml` as AWS reads it: short tags such as `!Ref` in their long form, `{"Ref": …}`.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a template of another form stops the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

/// The repository's folder.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of `functions/`, by name.
#[must_use]
pub fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("functions")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The template.
#[derive(Clone)]
pub struct Stack {
    pub document: Value,
    /// The logical ids of all resources, in the order of the file.
    order: Vec<String>,
}

/// One function as the template has it.
pub struct Function<'a> {
    pub logical: &'a str,
    /// Its folder, package and binary.
    pub name: String,
    pub properties: &'a Value,
}

impl Stack {
    /// The template of this repository.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&std::fs::read_to_string(repository().join("template.yaml")).unwrap())
    }

    /// A template of this text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let documents = YamlOwned::load_from_str(text).unwrap();
        let [document] = documents.as_slice() else { panic!("the template is one document") };
        let resources = document.as_mapping_get("Resources").unwrap();
        let order = resources.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect();
        Self { document: plain(document), order }
    }

    /// The parameters by name.
    #[must_use]
    pub fn parameters(&self) -> &Map<String, Value> {
        self.document["Parameters"].as_object().unwrap()
    }

    /// A resource's properties.
    #[must_use]
    pub fn properties(&self, logical: &str) -> &Value {
        let properties = &self.document["Resources"][logical]["Properties"];
        assert!(properties.is_object(), "there is no resource {logical}");
        properties
    }

    /// The logical ids of every resource of a type, in the order of the file.
    pub fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let ids = self.order.iter().map(String::as_str);
        ids.filter(move |logical| self.document["Resources"][*logical]["Type"] == kind)
    }

    /// The functions in the order of the file.
    #[must_use]
    pub fn functions(&self) -> Vec<Function<'_>> {
        let function = |logical| Function { logical, name: kebab(logical), properties: self.properties(logical) };
        self.of_type("AWS::Serverless::Function").map(function).collect()
    }

    /// The function of this name.
    #[must_use]
    pub fn function(&self, name: &str) -> Function<'_> {
        let mut functions = self.functions().into_iter();
        functions.find(|function| function.name == name).unwrap_or_else(|| panic!("the template has no {name}"))
    }

    /// What a function gets for a property: its own value, or the one for all.
    #[must_use]
    pub fn effective<'a>(&'a self, function: &Function<'a>, property: &str) -> &'a Value {
        let own = &function.properties[property];
        if own.is_null() { &self.document["Globals"]["Function"][property] } else { own }
    }

    /// A number that stands there, or is a parameter's default.
    #[must_use]
    pub fn number(&self, value: &Value) -> u64 {
        let parameter = referred(value).and_then(|name| self.parameters().get(name));
        let value = parameter.map_or(value, |parameter| &parameter["Default"]);
        value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
    }

    /// The variables of a function's environment: those of all, and its own.
    #[must_use]
    pub fn variables(&self, function: &Function<'_>) -> Map<String, Value> {
        let mut variables = Map::new();
        for level in [&self.document["Globals"]["Function"], function.properties] {
            variables.extend(level["Environment"]["Variables"].as_object().cloned().unwrap_or_default());
        }
        variables
    }

    /// The queues whose messages a function works on.
    #[must_use]
    pub fn sources(&self, function: &Function<'_>) -> BTreeSet<String> {
        let mappings = self.of_type("AWS::Lambda::EventSourceMapping").map(|logical| self.properties(logical));
        let own = mappings.filter(|mapping| referred(&mapping["FunctionName"]) == Some(function.logical));
        own.map(|mapping| arn(&mapping["EventSourceArn"])).collect()
    }
}

/// The logical id that a `!Ref` names.
#[must_use]
pub fn referred(value: &Value) -> Option<&str> {
    value["Ref"].as_str()
}

/// What an ARN in the template is of: `Table`, `Table/index/work`.
#[must_use]
pub fn arn(value: &Value) -> String {
    let named = referred(value).map(str::to_owned);
    let got = || value["Fn::GetAtt"].as_str().and_then(|text| text.strip_suffix(".Arn")).map(str::to_owned);
    let put_together = || {
        let (id, rest) = value["Fn::Sub"].as_str()?.strip_prefix("${")?.split_once(".Arn}")?;
        Some(format!("{id}{rest}"))
    };
    named.or_else(got).or_else(put_together).unwrap_or_else(|| panic!("{value} names no resource of the stack"))
}

/// A value that may stand alone or in a list.
#[must_use]
pub fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

/// `KybNotifier` is `kyb-notifier`.
fn kebab(logical: &str) -> String {
    let mut name = String::new();
    for character in logical.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

fn plain(node: &YamlOwned) -> Value {
    match node {
        YamlOwned::Tagged(tag, node) => {
            let name = if tag.suffix == "Ref" { "Ref".to_owned() } else { format!("Fn::{}", tag.suffix) };
            json!({ name: plain(node) })
        }
        YamlOwned::Mapping(entries) => {
            let entry = |(key, value): (&YamlOwned, &YamlOwned)| (key.as_str().unwrap().to_owned(), plain(value));
            Value::Object(entries.iter().map(entry).collect())
        }
        YamlOwned::Sequence(items) => items.iter().map(plain).collect(),
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(flag)) => json!(flag),
        YamlOwned::Value(ScalarOwned::Integer(number)) => json!(number),
        YamlOwned::Value(ScalarOwned::FloatingPoint(number)) => json!(number.into_inner()),
        YamlOwned::Value(ScalarOwned::String(text)) => json!(text),
        YamlOwned::Representation(..) | YamlOwned::Alias(_) | YamlOwned::BadValue => panic!("{node:?}"),
    }
}
