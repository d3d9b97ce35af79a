//! The template's functions, started in this process as the template says: with its variables, behind its queues and
//! schedules.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use axum::Router;
use runtime::Start;
use runtime::function::{Awaited, Entrance};
use runtime::schedule::Schedule;
use runtime::settings::Settings;
use runtime::worker::QueueWorker;
use serde_json::Value;
use web::Http;

use crate::functions::registered;
use crate::template::{Delivery, Function, Stack, referred};

/// What a deployment has that the template does not say.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The template's parameters where they are not its defaults.
    pub parameters: BTreeMap<&'static str, String>,
    /// The names and addresses of resources, by their logical ids. Every other resource has its logical id for a name.
    pub resources: BTreeMap<String, String>,
    /// Variables that are set by somebody else, whatever the template says.
    pub variables: BTreeMap<&'static str, String>,
}

impl Surroundings {
    /// The variables that a function runs with.
    ///
    /// # Panics
    /// The template refers to something that it does not hold.
    #[must_use]
    pub fn environment(&self, stack: &Stack, function: &Function<'_>) -> BTreeMap<String, String> {
        let declared = stack.variables(function);
        let mut variables: BTreeMap<_, _> =
            declared.into_iter().map(|(name, value)| (name, self.resolve(stack, &value))).collect();
        variables.extend(self.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        variables
    }

    fn resolve(&self, stack: &Stack, value: &Value) -> String {
        let Some(name) = referred(value) else { return text(value) };
        let known = self.parameters.get(name).or_else(|| self.resources.get(name)).cloned();
        known.unwrap_or_else(|| match stack.parameters().get(name) {
            Some(parameter) => text(&parameter["Default"]),
            None => stack.resource(name).to_owned(),
        })
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => panic!("{other} is no value of a variable"),
    }
}

/// A way into a function, as whoever calls it sees it.
pub enum Opened {
    Http(Http),
    Queue(QueueWorker),
    Schedule(Schedule),
}

/// Starts the function that a Lambda runs and opens the entrance that it serves. Also returns what Lambda awaits before the
/// first call.
///
/// # Errors
/// The function is not registered, does not start, or has no such entrance.
pub fn open(function: &Function<'_>, start: &Start) -> io::Result<(Opened, Awaited<()>)> {
    let name = &function.package;
    let unknown = || io::Error::other(format!("{name} is not registered in local/src/functions.rs"));
    let started = (registered(name).ok_or_else(unknown)?.start)(start).map_err(io::Error::other)?;
    let (entrance, warm_up) = started.enter(function.entrance.as_deref()).map_err(io::Error::other)?;
    let opened =
        Opened::of(entrance).ok_or_else(|| io::Error::other(format!("{name} has an entrance of a new kind")))?;
    Ok((opened, warm_up))
}

impl Opened {
    fn of(entrance: Box<dyn Entrance>) -> Option<Self> {
        let entrance: Box<dyn Any> = entrance;
        let http = entrance.downcast().map(|http| Self::Http(*http));
        let queue = http.or_else(|other| other.downcast().map(|worker| Self::Queue(*worker)));
        queue.or_else(|other| other.downcast().map(|schedule| Self::Schedule(*schedule))).ok()
    }
}

/// Every function of the template, started.
#[derive(Default)]
pub struct Deployment {
    /// The routes of all.
    pub routes: Router,
    /// Who works on which queue, and how it is handed over.
    pub workers: BTreeMap<String, (QueueWorker, Delivery)>,
    pub schedules: Vec<Recurring>,
    /// What each function was started with, by its name.
    pub starts: BTreeMap<String, Start>,
    /// The variables that the template declares for each function, by its logical id, with their values here.
    pub variables: BTreeMap<String, BTreeMap<String, String>>,
}

/// Something that is done again and again.
#[derive(Clone)]
pub struct Recurring {
    /// Whose it is.
    pub function: String,
    /// When, such as `rate(1 minute)`.
    pub expression: String,
    pub event: Value,
    pub schedule: Schedule,
}

impl Recurring {
    /// How often a `rate(…)` comes round; `None` for any other expression.
    pub(crate) fn period(&self) -> Option<Duration> {
        let (count, unit) = self.expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3_600,
            "day" => 86_400,
            _ => return None,
        };
        Some(Duration::from_secs(count.parse::<u64>().ok()? * seconds))
    }

    /// Does it once; a failure is logged, and the next run does what this one has not.
    pub(crate) async fn run(&self) {
        if let Err(error) = self.schedule.handle(self.event.clone()).await {
            let function = &self.function;
            tracing::warn!(faas.name = function, error.cause = %domain::chain(&*error), "a scheduled run failed");
        }
    }
}

impl Deployment {
    /// Starts them all. `adapt` changes what Lambda would start them with.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start(stack: &Stack, around: &Surroundings, adapt: impl Fn(&mut Start)) -> io::Result<Self> {
        if let Some(unknown) = around.parameters.keys().find(|name| !stack.parameters().contains_key(**name)) {
            return Err(io::Error::other(format!("the template has no parameter {unknown}")));
        }
        let mut deployment = Self::default();
        for function in stack.functions() {
            let variables = around.environment(stack, &function);
            let declared = stack.variables(&function);
            let kept = variables.clone().into_iter().filter(|(name, _)| declared.contains_key(name));
            deployment.variables.insert(function.logical.to_owned(), kept.collect());
            let mut start = Start::in_lambda(Settings::from_reader(move |name| variables.get(name).cloned()));
            adapt(&mut start);
            match open(&function, &start)?.0 {
                Opened::Http(http) => deployment.routes = deployment.routes.merge(http.into_router()),
                Opened::Queue(worker) => {
                    let sources = stack.sources(&function).into_iter();
                    deployment.workers.extend(sources.map(|(queue, delivery)| (queue, (worker.clone(), delivery))));
                }
                Opened::Schedule(schedule) => {
                    let schedules = stack.schedules(&function).into_iter();
                    deployment.schedules.extend(schedules.map(|scheduled| Recurring {
                        function: function.name.clone(),
                        expression: scheduled.expression.to_owned(),
                        event: scheduled.input,
                        schedule: schedule.clone(),
                    }));
                }
            }
            deployment.starts.insert(function.name, start);
        }
        Ok(deployment)
    }
}
