//! From the start of a process to its first answer.

use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::Engine;
use crate::report::Line;
use crate::routes::event;
use crate::runtime_api::{Function, Program};
use crate::say;
use crate::sdk::Sdk;
use crate::subject::{Kind, THINNEST, bare, product};

pub(crate) const START: &str = "start to first GET";

/// All kinds in turn.
pub(crate) async fn measure(engine: &Engine, folder: &str, sdks: &[Sdk], times: usize) -> io::Result<Vec<Line>> {
    let event = event("numbers-get", engine)?;
    let own = [(Kind::Product, product(engine, folder, "numbers")), (Kind::Bare, bare(engine, folder, THINNEST))];
    let others = sdks.iter().map(|sdk| (sdk.kind, sdk.program(engine)));
    let programs: Vec<(Kind, Program)> = own.into_iter().chain(others).collect();
    let mut taken: Vec<Vec<Duration>> = programs.iter().map(|_| Vec::new()).collect();
    for time in 1..=times {
        say(&format!("start {time} of {times}"))?;
        for ((_, program), taken) in programs.iter().zip(&mut taken) {
            taken.push(once(program, &event).await?);
        }
    }
    Ok(programs.iter().zip(taken).map(|((kind, _), taken)| Line::of_starts(START, *kind, taken)).collect())
}

async fn once(program: &Program, event: &Value) -> io::Result<Duration> {
    let begun = Instant::now();
    Function::start(program).await?.invoke(event).await?;
    Ok(begun.elapsed())
}
