//! `make bench`: the functions' release binaries beside bare ones, in one run.

#![expect(clippy::disallowed_methods, reason = "Lambda's deadlines are in real time")]

mod counter;
mod engine;
mod report;
mod runtime_api;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use counter::Counter;
use engine::Engine;
use report::{Line, Report};
use runtime_api::{Environment, Function};
use serde_json::{Value, json};

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");
/// The bare function that every figure is divided by.
const THINNEST: &str = "one";

/// A route, and the bare function that does the same calls.
struct Route {
    name: &'static str,
    binary: &'static str,
    event: &'static str,
    bare: &'static str,
}

const ROUTES: [Route; 4] = [
    Route { name: "GET a number", binary: "numbers", event: "numbers-get", bare: "get" },
    Route { name: "list 100 numbers", binary: "numbers", event: "numbers-list", bare: "list" },
    Route { name: "PATCH a number", binary: "numbers", event: "numbers-update", bare: "patch" },
    Route { name: "GET the balance", binary: "credits", event: "credits-balance", bare: "one" },
];

/// How much is measured.
struct Plan {
    blocks: usize,
    calls: usize,
    starts: usize,
    memory_calls: usize,
}

impl Plan {
    fn of(short: bool) -> Self {
        if short {
            Self { blocks: 3, calls: 40, starts: 5, memory_calls: 500 }
        } else {
            Self { blocks: 9, calls: 150, starts: 15, memory_calls: 10_000 }
        }
    }
}

/// A function's process with what it is asked.
struct Subject {
    name: String,
    binary: String,
    environment: Environment,
    event: Value,
    function: Function,
    changes: bool,
}

/// What the blocks of one subject gave.
#[derive(Default)]
struct Samples {
    block_medians: Vec<Duration>,
    all: Vec<Duration>,
    processor: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = Plan::of(arguments.iter().any(|argument| argument == "short"));
    let folder = std::env::current_exe()?.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let local = format!("{folder}/local");
    say("starting the engine and planting 100 numbers")?;
    let engine = Engine::start(&local).await?;
    let mut subjects = subjects(&engine, &folder).await?;
    let mut samples: Vec<Samples> = subjects.iter().map(|_| Samples::default()).collect();
    for block in 0..=plan.blocks {
        say(&format!("block {block} of {} (block 0 warms up)", plan.blocks))?;
        for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
            engine.forget_rates().await?;
            measure_block(subject, plan.calls, (block > 0).then_some(samples)).await?;
        }
    }
    let mut lines = starts(&engine, &folder, plan.starts).await?;
    for (subject, samples) in subjects.iter_mut().zip(samples) {
        say(&format!("counting the calls of {}", subject.name))?;
        let (requests, capacity) = count(&engine, subject).await?;
        lines.push(samples.line(subject, requests, capacity));
    }
    say(&format!("{} GETs for the peak memory", plan.memory_calls))?;
    let memory = [peak_memory(&mut subjects[0], &plan).await?, peak_memory(&mut subjects[1], &plan).await?];
    let report = Report { lines, memory, sizes: sizes(&folder)?, calls: plan.calls * plan.blocks };
    report.write()?;
    say("wrote docs/performance.md and docs/performance.svg")
}

pub(crate) fn say(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "bench: {text}")
}

fn event(name: &str, engine: &Engine) -> io::Result<Value> {
    let text = std::fs::read_to_string(format!("{EVENTS}/{name}.json"))?;
    let text = text.replace("API_KEY", &engine.key).replace("NUMBER_ID", &engine.number);
    let mut event: Value = serde_json::from_str(&text)?;
    if name == "numbers-list" {
        event["rawQueryString"] = "limit=100".into();
        event["queryStringParameters"] = json!({ "limit": "100" });
    }
    if let Some(headers) = event["headers"].as_object_mut() {
        // The number's version rises with each change.
        headers.remove("if-match");
    }
    Ok(event)
}

/// A bare function and the product's, for each route; the thinnest stands second.
async fn subjects(engine: &Engine, folder: &str) -> io::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for route in &ROUTES {
        let event = event(route.event, engine)?;
        let (name, environment) = (route.name.to_owned(), engine.environment(""));
        subjects.push(subject(name, format!("{folder}/{}", route.binary), environment, event.clone()).await?);
        if subjects.len() == 1 {
            subjects.push(bare(THINNEST, engine, folder, event.clone()).await?);
        }
        if route.bare != THINNEST {
            subjects.push(bare(route.bare, engine, folder, event).await?);
        }
    }
    Ok(subjects)
}

async fn bare(kind: &str, engine: &Engine, folder: &str, event: Value) -> io::Result<Subject> {
    subject(format!("bare: {kind}"), format!("{folder}/bare"), engine.environment(kind), event).await
}

async fn subject(name: String, binary: String, environment: Environment, event: Value) -> io::Result<Subject> {
    let function = Function::start(&binary, &environment).await?;
    let changes = name.starts_with("PATCH");
    Ok(Subject { name, binary, environment, event, function, changes })
}

async fn measure_block(subject: &mut Subject, calls: usize, samples: Option<&mut Samples>) -> io::Result<()> {
    let before = processor_time(subject.function.pid())?;
    let mut taken = Vec::with_capacity(calls);
    for call in 0..calls {
        taken.push(ask(subject, call).await?);
    }
    if let Some(samples) = samples {
        samples.processor += processor_time(subject.function.pid())?.saturating_sub(before);
        samples.all.extend(&taken);
        samples.block_medians.push(quantile(&mut taken, 50));
    }
    Ok(())
}

async fn ask(subject: &mut Subject, call: usize) -> io::Result<Duration> {
    if subject.changes {
        let label = format!("Line {call} {}", subject.function.pid());
        subject.event["body"] = json!({ "label": label }).to_string().into();
    }
    let (took, answer) = subject.function.invoke(&subject.event).await?;
    if answer["statusCode"] == 200 { Ok(took) } else { Err(io::Error::other(format!("{}: {answer}", subject.name))) }
}

/// From the start of a process to its first answer, product and thinnest in turn.
async fn starts(engine: &Engine, folder: &str, times: usize) -> io::Result<Vec<Line>> {
    let (mut product, mut thinnest) = (Vec::new(), Vec::new());
    for time in 1..=times {
        say(&format!("start {time} of {times}"))?;
        product.push(start_once(&format!("{folder}/numbers"), &engine.environment(""), engine).await?);
        thinnest.push(start_once(&format!("{folder}/bare"), &engine.environment(THINNEST), engine).await?);
    }
    Ok(vec![Line::of_starts("start to first GET", product), Line::of_starts("bare: start to first answer", thinnest)])
}

async fn start_once(binary: &str, environment: &Environment, engine: &Engine) -> io::Result<Duration> {
    let event = event("numbers-get", engine)?;
    let begun = Instant::now();
    Function::start(binary, environment).await?.invoke(&event).await?;
    Ok(begun.elapsed())
}

/// Requests to the table, and capacity units, of one call: in a pass of its own, through a proxy.
async fn count(engine: &Engine, subject: &mut Subject) -> io::Result<(f64, f64)> {
    const CALLS: u32 = 10;
    engine.forget_rates().await?;
    let counter = Counter::start(engine.url.clone()).await?;
    let mut environment = subject.environment.clone();
    environment.insert("AWS_ENDPOINT_URL".to_owned(), counter.url.clone());
    subject.function = Function::start(&subject.binary, &environment).await?;
    ask(subject, 1000).await?;
    counter.take();
    for call in 0..CALLS {
        ask(subject, 1001 + call as usize).await?;
    }
    let (requests, capacity) = counter.take();
    Ok((requests / f64::from(CALLS), capacity / f64::from(CALLS)))
}

async fn peak_memory(subject: &mut Subject, plan: &Plan) -> io::Result<u64> {
    subject.function = Function::start(&subject.binary, &subject.environment).await?;
    for call in 0..plan.memory_calls {
        ask(subject, call).await?;
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", subject.function.pid()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    Ok(peak.trim().trim_end_matches(" kB").parse().unwrap_or_default())
}

/// User and system time of a process; the kernel counts in hundredths of a second.
fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    Ok(Duration::from_millis(10 * fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()))
}

/// Bytes of each binary, and of it compressed as in a zip file.
fn sizes(folder: &str) -> io::Result<Vec<(&'static str, u64, u64)>> {
    let size = |name| {
        let path = format!("{folder}/{name}");
        let zipped = std::process::Command::new("gzip").args(["-9", "-c", &path]).output()?.stdout.len() as u64;
        Ok((name, std::fs::metadata(&path)?.len(), zipped))
    };
    ["numbers", "credits", "bare"].into_iter().map(size).collect()
}

pub(crate) fn quantile(durations: &mut [Duration], percent: usize) -> Duration {
    durations.sort_unstable();
    durations.get((durations.len() * percent / 100).min(durations.len().saturating_sub(1))).copied().unwrap_or_default()
}

impl Samples {
    fn line(mut self, subject: &Subject, requests: f64, capacity: f64) -> Line {
        let calls = u32::try_from(self.all.len().max(1)).unwrap_or(u32::MAX);
        Line {
            name: subject.name.clone(),
            p50: quantile(&mut self.block_medians, 50),
            p99: quantile(&mut self.all, 99),
            processor: Some(self.processor / calls),
            calls: Some((requests, capacity)),
        }
    }
}
