//! `template.yaml` as AWS reads it: short tags such as `!Ref` in their long form, `{"Ref": …}`.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "the template is part of this program")]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

/// The template.
#[derive(Clone)]
pub struct Stack {
    pub document: Value,
    /// The logical ids of all resources, in the order of the file.
    order: Vec<String>,
}

/// One Lambda function as the template has it.
pub struct Function<'a> {
    pub logical: &'a str,
    /// `KybNotifier` is `kyb-notifier`.
    pub name: String,
    /// The folder of its package, which its binary is called after. Where several Lambda functions run one binary, each
    /// is called after the entrance that it serves: `renewals-charge` serves `charge` of `renewals`.
    pub package: String,
    pub entrance: Option<String>,
    pub properties: &'a Value,
}

/// A queue and who works on it, as the template has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The most messages handed over at once.
    pub batch: usize,
    /// The most batches worked on at once.
    pub concurrency: usize,
    /// How long a message that was handed over stays out of sight.
    pub visibility: Duration,
    /// How often a message is handed over before it is put aside as a dead letter.
    pub receives: u32,
    /// How long a message waits before it is handed over for the first time.
    pub delay: Duration,
}

/// Something that a function is to do at its time.
pub struct Scheduled<'a> {
    /// Such as `rate(1 minute)`.
    pub expression: &'a str,
    /// What the event says; the bus's own event where the template gives none.
    pub input: Value,
}

impl Stack {
    /// The template that this program was built with.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::parse(include_str!("../../template.yaml")));
        &STACK
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

    /// The logical id of a resource that is there.
    #[must_use]
    pub fn resource<'a>(&self, logical: &'a str) -> &'a str {
        assert!(self.document["Resources"][logical].is_object(), "there is no resource {logical}");
        logical
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
        self.of_type("AWS::Serverless::Function").map(|logical| self.lambda(logical)).collect()
    }

    fn lambda<'a>(&'a self, logical: &'a str) -> Function<'a> {
        let (name, properties) = (kebab(logical), self.properties(logical));
        let entrance = properties["Environment"]["Variables"]["ENTRANCE"].as_str().map(str::to_owned);
        let served = entrance.as_ref().and_then(|entrance| name.strip_suffix(entrance)?.strip_suffix('-'));
        Function { logical, package: served.unwrap_or(&name).to_owned(), name, entrance, properties }
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

    /// The queues whose messages a function works on, by their logical ids.
    #[must_use]
    pub fn sources(&self, function: &Function<'_>) -> BTreeMap<String, Delivery> {
        let mappings = self.of_type("AWS::Lambda::EventSourceMapping").map(|logical| self.properties(logical));
        let own = mappings.filter(|mapping| referred(&mapping["FunctionName"]) == Some(function.logical));
        own.map(|mapping| (arn(&mapping["EventSourceArn"]), self.delivery(mapping))).collect()
    }

    fn delivery(&self, mapping: &Value) -> Delivery {
        let queue = self.properties(&arn(&mapping["EventSourceArn"]));
        let count = |value: &Value| usize::try_from(self.number(value)).unwrap();
        let delay = &queue["DelaySeconds"];
        Delivery {
            batch: count(&mapping["BatchSize"]),
            concurrency: count(&mapping["ScalingConfig"]["MaximumConcurrency"]),
            visibility: Duration::from_secs(self.number(&queue["VisibilityTimeout"])),
            receives: u32::try_from(self.number(&queue["RedrivePolicy"]["maxReceiveCount"])).unwrap(),
            delay: Duration::from_secs(if delay.is_null() { 0 } else { self.number(delay) }),
        }
    }

    /// What a function is to do at its time.
    #[must_use]
    pub fn schedules<'a>(&self, function: &Function<'a>) -> Vec<Scheduled<'a>> {
        let events = function.properties["Events"].as_object().into_iter().flat_map(Map::values);
        let events = events.filter(|event| event["Type"] == "Schedule").map(|event| &event["Properties"]);
        let scheduled = |event: &'a Value| Scheduled {
            expression: event["Schedule"].as_str().unwrap(),
            input: match event["Input"].as_str() {
                Some(input) => serde_json::from_str(input).unwrap(),
                None => json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} }),
            },
        };
        events.map(scheduled).collect()
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
