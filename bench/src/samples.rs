//! What the calls of one subject took, and what they asked of the table.

use std::io;
use std::time::Duration;

use bench::quantile;

use crate::counter::Counter;
use crate::engine::Engine;
use crate::report::Line;
use crate::subject::Subject;

#[derive(Default)]
pub(crate) struct Samples {
    block_medians: Vec<Duration>,
    all: Vec<Duration>,
    processor: Duration,
}

impl Samples {
    /// Adds a block of calls.
    pub(crate) async fn add_block(&mut self, subject: &mut Subject, calls: usize) -> io::Result<()> {
        let before = subject.function.process.processor_time()?;
        let mut taken = Vec::with_capacity(calls);
        for _ in 0..calls {
            taken.push(subject.ask().await?);
        }
        self.processor += subject.function.process.processor_time()?.saturating_sub(before);
        self.all.extend(&taken);
        self.block_medians.push(quantile(&mut taken, 50));
        Ok(())
    }

    /// Adds one call as a block of its own, with all of the process's time since `before`.
    pub(crate) fn add(&mut self, took: Duration, processor: Duration) {
        self.processor += processor;
        self.all.push(took);
        self.block_medians.push(took);
    }

    /// `calls`: requests to the table and capacity units of one call.
    pub(crate) fn line(mut self, subject: &Subject, calls: (f64, f64)) -> Line {
        let count = u32::try_from(self.all.len().max(1)).unwrap_or(u32::MAX);
        Line {
            name: subject.name.clone(),
            route: subject.route,
            kind: subject.kind,
            p50: quantile(&mut self.block_medians, 50),
            p99: quantile(&mut self.all, 99),
            processor: Some(self.processor / count),
            calls: Some(calls),
        }
    }
}

/// Requests to the table, and capacity units, of one call: in a pass of its own, through a proxy.
pub(crate) async fn count(engine: &Engine, subject: &mut Subject) -> io::Result<(f64, f64)> {
    const CALLS: u32 = 10;
    engine.forget_rates().await?;
    let counter = Counter::start(engine.url.clone()).await?;
    subject.restart_at(&counter.url).await?;
    // The first call looks the key up.
    subject.ask().await?;
    counter.take();
    for _ in 0..CALLS {
        subject.ask().await?;
    }
    let (requests, capacity) = counter.take();
    Ok((requests / f64::from(CALLS), capacity / f64::from(CALLS)))
}
