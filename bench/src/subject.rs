//! One side of a comparison: a function's process, and what it is asked.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::Engine;
use crate::routes::{ROUTES, Route, event};
use crate::runtime_api::{Function, Program};
use crate::sdk::Sdk;

/// The bare function that every figure is divided by.
pub(crate) const THINNEST: &str = "one";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Product,
    Bare,
    Node,
    Python,
}

impl Kind {
    /// What a subject of this kind is called on a route.
    pub(crate) fn name(self, route: &str) -> String {
        match self {
            Self::Product => route.to_owned(),
            Self::Bare => format!("bare: {route}"),
            Self::Node => format!("Node.js: {route}"),
            Self::Python => format!("Python: {route}"),
        }
    }
}

pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) route: &'static str,
    pub(crate) kind: Kind,
    pub(crate) program: Program,
    pub(crate) event: Value,
    pub(crate) function: Function,
    calls: usize,
}

impl Subject {
    pub(crate) async fn start(
        name: String,
        of: (&'static str, Kind),
        program: Program,
        event: Value,
    ) -> io::Result<Self> {
        let function = Function::start(&program).await?;
        let (route, kind) = of;
        Ok(Self { name, route, kind, program, event, function, calls: 0 })
    }

    /// Starts the process anew, with its calls to the table going to `endpoint`.
    pub(crate) async fn restart_at(&mut self, endpoint: &str) -> io::Result<()> {
        let mut program = self.program.clone();
        program.environment.insert("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned());
        self.function = Function::start(&program).await?;
        Ok(())
    }

    /// One call; each PATCH changes the label.
    pub(crate) async fn ask(&mut self) -> io::Result<Duration> {
        Ok(self.ask_for_body().await?.0)
    }

    /// The same, with the answer's body.
    pub(crate) async fn ask_for_body(&mut self) -> io::Result<(Duration, Value)> {
        self.calls += 1;
        if self.event["requestContext"]["http"]["method"] == "PATCH" {
            let label = format!("Line {} {}", self.calls, self.function.process.id());
            self.event["body"] = json!({ "label": label }).to_string().into();
        }
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.name));
        let (took, answer) = self.function.invoke(&self.event).await.map_err(named)?;
        if answer["statusCode"] == 200 {
            Ok((took, serde_json::from_str(answer["body"].as_str().unwrap_or_default())?))
        } else {
            Err(io::Error::other(format!("{}: {answer}", self.name)))
        }
    }
}

/// Everybody who answers a route, the product first. The thinnest bare function follows the first product.
pub(crate) async fn subjects(engine: &Engine, folder: &str, sdks: &[Sdk]) -> io::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for route in &ROUTES {
        let event = event(route.event, engine)?;
        let program = product(engine, folder, route.binary);
        subjects
            .push(Subject::start(route.name.to_owned(), (route.name, Kind::Product), program, event.clone()).await?);
        for kind in bare_kinds(route, subjects.len() == 1) {
            let of = (route.name, Kind::Bare);
            subjects.push(Subject::start(Kind::Bare.name(kind), of, bare(engine, folder, kind), event.clone()).await?);
        }
        for sdk in sdks.iter().filter(|_| route.has_sdks) {
            let of = (route.name, sdk.kind);
            subjects.push(Subject::start(sdk.kind.name(route.name), of, sdk.program(engine), event.clone()).await?);
        }
    }
    Ok(subjects)
}

fn bare_kinds(route: &Route, first: bool) -> impl Iterator<Item = &'static str> {
    let thinnest = first.then_some(THINNEST);
    thinnest.into_iter().chain(Some(route.bare).filter(|bare| *bare != THINNEST))
}

pub(crate) fn product(engine: &Engine, folder: &str, binary: &str) -> Program {
    Program { binary: format!("{folder}/{binary}"), arguments: Vec::new(), environment: engine.environment("") }
}

pub(crate) fn bare(engine: &Engine, folder: &str, kind: &str) -> Program {
    Program { binary: format!("{folder}/bare"), arguments: Vec::new(), environment: engine.environment(kind) }
}
