//! A function started in this process with just the variables that the template gives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use kyb_notifier::Notifier;
use reconciler::Reconciler;
use runtime::settings::{Settings, SettingsError};
use serde_json::Value;

use crate::stack::{Function, Stack, referred};

/// A function, as its `main.rs` makes it before the Lambda runtime takes over.
pub(crate) enum Started {
    Http(Router),
    Notifier(Notifier),
    Reconciler(Reconciler),
}

/// Starts a function. Here, and in `drives.rs`, a new function has to be named.
pub(crate) fn start(name: &str, settings: &Settings) -> Result<Started, SettingsError> {
    settings.log_level()?;
    Ok(match name {
        "available" => Started::Http(available::router(available::App::from_settings(settings)?)),
        "imports" => Started::Http(imports::router(imports::App::from_settings(settings)?)),
        "kyb" => Started::Http(kyb::router(kyb::App::from_settings(settings)?)),
        "kyb-notifier" => Started::Notifier(Notifier::from_settings(settings)?),
        "kyb-review" => Started::Http(kyb_review::router(kyb_review::App::from_settings(settings)?)),
        "numbers" => Started::Http(numbers::router(numbers::App::from_settings(settings)?)),
        "reconciler" => Started::Reconciler(Reconciler::from_settings(settings)?),
        unknown => panic!("{} does not say how {unknown} starts", file!()),
    })
}

/// Where the things are that a deployment has outside the stack.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) table_name: String,
    pub(crate) aws_url: String,
    pub(crate) carrier_url: String,
    pub(crate) slack_url: String,
}

impl Surroundings {
    /// Addresses at which nobody answers, for functions that are only started.
    pub(crate) fn nowhere() -> Self {
        let url = "http://127.0.0.1:9".to_owned();
        Self { table_name: "Table".to_owned(), aws_url: url.clone(), carrier_url: url.clone(), slack_url: url }
    }

    /// What the template's value is in a deployment. The address or ARN of a resource is its logical id here.
    fn resolve(&self, stack: &Stack, value: &Value) -> String {
        let Some(name) = referred(value) else { return text(value) };
        match (name, stack.parameters().get(name)) {
            ("Table", _) => self.table_name.clone(),
            ("TelnyxUrl", _) => self.carrier_url.clone(),
            ("SlackUrl", _) => self.slack_url.clone(),
            ("SipHost", _) => "sip.example.com".to_owned(),
            (_, Some(parameter)) => text(&parameter["Default"]),
            (resource, None) => {
                let _ = stack.properties(resource);
                resource.to_owned()
            }
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("{other} is no value of a variable"),
    }
}

/// The variables that a function runs with: the template's, and those that Lambda sets itself.
pub(crate) fn environment(stack: &Stack, function: &Function<'_>, around: &Surroundings) -> BTreeMap<String, String> {
    let declared = stack.variables(function);
    let mut variables: BTreeMap<_, _> =
        declared.into_iter().map(|(name, value)| (name, around.resolve(stack, &value))).collect();
    for (name, value) in [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]
    {
        variables.insert(name.to_owned(), value.to_owned());
    }
    variables.insert("AWS_ENDPOINT_URL".to_owned(), around.aws_url.clone());
    variables
}

/// Settings that read these variables, and the names that have been asked for since.
pub(crate) fn settings(variables: BTreeMap<String, String>) -> (Settings, AskedFor) {
    let asked_for = AskedFor::default();
    let names = asked_for.clone();
    let settings = Settings::from_reader(move |name| {
        names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        variables.get(name).cloned()
    });
    (settings, asked_for)
}

pub(crate) type AskedFor = Arc<Mutex<BTreeSet<String>>>;
