//! `make bench`: the functions' release binaries beside bare ones and beside functions in other languages, in one run.

#![expect(clippy::disallowed_methods, reason = "Lambda's deadlines are in real time")]

mod callgrind;
mod counter;
mod counts;
mod engine;
mod footprint;
mod growth;
mod plot;
mod purchases;
mod report;
mod routes;
mod runtime_api;
mod samples;
mod sdk;
mod starts;
mod subject;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use engine::Engine;
use footprint::{Footprint, peak_memory};
use report::{Line, Report};
use routes::GET;
use samples::{Samples, count};
use sdk::Sdk;
use subject::{Kind, Subject, subjects};

/// How much is measured.
struct Plan {
    blocks: usize,
    calls: usize,
    starts: usize,
    purchases: usize,
    memory_calls: usize,
    growth: &'static [u32],
    growth_calls: usize,
}

impl Plan {
    const SHORT: Self = Self {
        blocks: 3,
        calls: 30,
        starts: 5,
        purchases: 2,
        memory_calls: 200,
        growth: &[10, 1_000],
        growth_calls: 50,
    };
    const WHOLE: Self = Self {
        blocks: 9,
        calls: 150,
        starts: 15,
        purchases: 30,
        memory_calls: 10_000,
        growth: &[10, 1_000, 5_000],
        growth_calls: 1_000,
    };
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let program = std::env::current_exe()?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let local = folder.join("local").display().to_string();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => bench(&Plan::WHOLE, folder).await,
        ["short"] => bench(&Plan::SHORT, folder).await,
        ["counts", function] => counts::check(function, &local).await,
        ["accept-counts", function, why] => counts::accept(function, &local, why).await,
        _ => {
            say("usage: bench [short | counts FUNCTION | accept-counts FUNCTION WHY]")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Measures, and writes the figures into the documents.
async fn bench(plan: &Plan, folder: &Path) -> io::Result<ExitCode> {
    let (sdks, missing) = Sdk::find(folder.parent().unwrap_or(folder));
    for why in &missing {
        say(&format!("NOT EVERYTHING IS MEASURED: {why}"))?;
    }
    let report = measure(plan, &folder.display().to_string(), &sdks, missing).await?;
    report.write()?;
    say("wrote docs/performance.md, docs/performance.svg and docs/growth.svg")?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn say(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "bench: {text}")
}

async fn measure(plan: &Plan, folder: &str, sdks: &[Sdk], missing: Vec<String>) -> io::Result<Report> {
    say("starting the engine and planting 100 numbers")?;
    let engine = Engine::start(&format!("{folder}/local")).await?;
    let mut subjects = subjects(&engine, folder, sdks).await?;
    let differences = differences(&mut subjects).await?;
    let samples = blocks(plan, &engine, &mut subjects).await?;
    let mut lines = starts::measure(&engine, folder, sdks, plan.starts).await?;
    lines.extend(counted(&engine, &mut subjects, samples).await?);
    say(&format!("{} GETs of each for the peak memory", plan.memory_calls))?;
    let footprints = footprints(&engine, &mut subjects, folder, sdks, plan.memory_calls).await?;
    drop(subjects);
    say(&format!("{} purchases and releases", plan.purchases))?;
    let purchases = purchases::measure(&engine, folder, plan.purchases).await?;
    let growth = growth::measure(&engine, folder, plan.growth, plan.growth_calls).await?;
    let counts = [plan.calls * plan.blocks, plan.starts, plan.purchases, plan.memory_calls, plan.growth_calls];
    Ok(Report { lines, purchases, footprints, growth, missing, differences, counts })
}

/// Whether functions in other languages answer what the product answers. Block by block, only the status is looked at.
async fn differences(subjects: &mut [Subject]) -> io::Result<Vec<String>> {
    let mut differences = Vec::new();
    let (mut product, mut route) = (serde_json::Value::Null, "");
    for subject in subjects.iter_mut().filter(|subject| subject.kind != Kind::Bare) {
        let (_, mut body) = subject.ask_for_body().await?;
        if subject.event["requestContext"]["http"]["method"] == "PATCH" {
            // Each call has its own.
            (body["label"], body["updatedAt"]) = (true.into(), true.into());
        }
        if subject.kind == Kind::Product {
            (product, route) = (body, subject.route);
        } else if subject.route != route || body != product {
            say(&format!("THE ANSWERS DIFFER: {} answers\n{body}\nand the product answers\n{product}", subject.name))?;
            differences.push(subject.name.clone());
        }
    }
    Ok(differences)
}

/// Measures all subjects in turn, block by block.
async fn blocks(plan: &Plan, engine: &Engine, subjects: &mut [Subject]) -> io::Result<Vec<Samples>> {
    let mut samples: Vec<Samples> = subjects.iter().map(|_| Samples::default()).collect();
    for block in 0..=plan.blocks {
        say(&format!("block {block} of {} (block 0 warms up)", plan.blocks))?;
        for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
            engine.forget_rates().await?;
            if block == 0 {
                Samples::default().add_block(subject, plan.calls).await?;
            } else {
                samples.add_block(subject, plan.calls).await?;
            }
        }
    }
    Ok(samples)
}

async fn counted(engine: &Engine, subjects: &mut [Subject], samples: Vec<Samples>) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (subject, samples) in subjects.iter_mut().zip(samples) {
        say(&format!("counting the calls of {}", subject.name))?;
        let calls = count(engine, subject).await?;
        lines.push(samples.line(subject, calls));
    }
    Ok(lines)
}

/// The thinnest bare function stands for the bare ones.
async fn footprints(
    engine: &Engine,
    subjects: &mut [Subject],
    folder: &str,
    sdks: &[Sdk],
    calls: usize,
) -> io::Result<Vec<Footprint>> {
    let mut peaks = Vec::new();
    for kind in [Kind::Product, Kind::Bare].into_iter().chain(sdks.iter().map(|sdk| sdk.kind)) {
        let subject = subjects.iter_mut().find(|subject| subject.route == GET && subject.kind == kind);
        let Some(subject) = subject else { return Err(io::Error::other("a subject of GET is missing")) };
        peaks.push(peak_memory(subject, &engine.url, calls).await?);
    }
    let mut footprints = vec![
        Footprint::of_binary(folder, "numbers", Some(peaks[0]))?,
        Footprint::of_binary(folder, "credits", None)?,
        Footprint::of_binary(folder, "bare", Some(peaks[1]))?,
    ];
    for (sdk, peak) in sdks.iter().zip(&peaks[2..]) {
        footprints.push(Footprint::of_sdk(sdk, Some(*peak))?);
    }
    Ok(footprints)
}
