//! Writes what was measured: tables between markers in docs/performance.md, and their plots.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

use bench::document::{PERFORMANCE, publish};
use bench::quantile;

use crate::footprint::Footprint;
use crate::growth::Curve;
use crate::plot;
use crate::starts::START;
use crate::subject::{Kind, THINNEST};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) route: &'static str,
    pub(crate) kind: Kind,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) processor: Option<Duration>,
    /// Requests to the table and capacity units.
    pub(crate) calls: Option<(f64, f64)>,
}

impl Line {
    pub(crate) fn of_starts(route: &'static str, kind: Kind, mut times: Vec<Duration>) -> Self {
        let (p50, p99) = (quantile(&mut times, 50), quantile(&mut times, 99));
        Self { name: kind.name(route), route, kind, p50, p99, processor: None, calls: None }
    }

    /// How many times as long as the other one it takes.
    fn over(&self, other: &Self) -> f64 {
        self.p50.as_secs_f64() / other.p50.as_secs_f64()
    }
}

pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
    pub(crate) purchases: Vec<Line>,
    pub(crate) footprints: Vec<Footprint>,
    pub(crate) growth: Vec<Curve>,
    /// Why a language was not measured.
    pub(crate) missing: Vec<String>,
    /// Whose answers are not the product's.
    pub(crate) differences: Vec<String>,
    /// Calls of each kind, starts, purchases, GETs for the peak memory, calls of each point of the growth.
    pub(crate) counts: [usize; 5],
}

impl Report {
    pub(crate) fn write(&self) -> io::Result<()> {
        publish(Path::new(PERFORMANCE), "bench", &self.text())?;
        std::fs::write(format!("{DOCS}/performance.svg"), plot::bars(&self.bars()))?;
        std::fs::write(format!("{DOCS}/growth.svg"), plot::curves(&self.growth))
    }

    fn text(&self) -> String {
        let [calls, starts, purchases, memory, growth] = self.counts;
        let mut text = format!("![Ratios](performance.svg)\n\n{calls} calls and {starts} starts of each kind.");
        for why in &self.missing {
            let _ = write!(text, " Not everything was measured: {why}.");
        }
        for name in &self.differences {
            let _ = write!(text, " **{name} does not answer what the product answers.**");
        }
        let _ = write!(text, "\n\n{}\n{purchases} purchases and releases of each kind.\n\n", self.routes());
        let _ = write!(text, "{}\nPeak memory is that after {memory} GETs.\n\n", self.trades());
        let _ = write!(text, "{}\n![Growth](growth.svg)\n\n", self.sizes());
        let _ = write!(text, "The median of {growth} calls, and the capacity units of one.\n\n{}", self.curves());
        text
    }

    /// A start is divided by a bare start, all else by the thinnest bare function.
    fn over_thinnest(&self, line: &Line) -> f64 {
        let thinnest = Kind::Bare.name(if line.route == START { START } else { THINNEST });
        self.lines.iter().find(|other| other.name == thinnest).map_or(1.0, |thinnest| line.over(thinnest))
    }

    /// The product's time, divided by that of a function in another language.
    fn over_sdk(&self, line: &Line, kind: Kind) -> String {
        let same = |other: &&Line| other.route == line.route && other.kind == kind && line.kind == Kind::Product;
        self.lines.iter().find(same).map_or("–".to_owned(), |other| format!("{:.2}", line.over(other)))
    }

    fn bars(&self) -> Vec<(&str, Kind, f64)> {
        self.lines.iter().map(|line| (line.name.as_str(), line.kind, self.over_thinnest(line))).collect()
    }

    fn routes(&self) -> String {
        let mut text =
            "| what | p50 | ÷ thinnest bare | ÷ Node.js | ÷ Python | p99 | processor time | requests to the table \
                        | capacity units |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
                .to_owned();
        for line in &self.lines {
            let (node, python) = (self.over_sdk(line, Kind::Node), self.over_sdk(line, Kind::Python));
            let (name, p50, ratio) = (&line.name, milliseconds(line.p50), self.over_thinnest(line));
            let _ = writeln!(text, "| {name} | {p50} | {ratio:.2} | {node} | {python} | {} |", rest(line));
        }
        text
    }

    /// The bare function follows the product's.
    fn trades(&self) -> String {
        let mut text = "| what | p50 | ÷ bare | p99 | processor time | requests to the table | capacity units |\n\
                        |---|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
        for line in &self.purchases {
            let bare = self.purchases.iter().find(|other| other.route == line.route && other.kind == Kind::Bare);
            let ratio = bare.map_or(1.0, |bare| line.over(bare));
            let _ = writeln!(text, "| {} | {} | {ratio:.2} | {} |", line.name, milliseconds(line.p50), rest(line));
        }
        text
    }

    fn sizes(&self) -> String {
        let mut text = "| what | peak memory | bytes | compressed |\n|---|---:|---:|---:|\n".to_owned();
        for Footprint { name, peak_kilobytes, bytes, compressed } in &self.footprints {
            let peak = peak_kilobytes.map_or("–".to_owned(), |peak| format!("{peak} kB"));
            let _ = writeln!(text, "| {name} | {peak} | {bytes} | {compressed} |");
        }
        text
    }

    fn curves(&self) -> String {
        let mut text = "| what | numbers | p50 | capacity units |\n|---|---:|---:|---:|\n".to_owned();
        for (name, points) in &self.growth {
            for point in points {
                let (numbers, p50) = (plot::thousands(point.numbers), milliseconds(point.p50));
                let _ = writeln!(text, "| {name} | {numbers} | {p50} | {:.1} |", point.units);
            }
        }
        text
    }
}

/// The columns that all tables of calls end with.
fn rest(line: &Line) -> String {
    let processor = line.processor.map_or("–".to_owned(), milliseconds);
    let (requests, units) = line
        .calls
        .map_or(("–".to_owned(), "–".to_owned()), |(n, units)| (format!("{n:.1}"), format!("{units:.1}")));
    format!("{} | {processor} | {requests} | {units}", milliseconds(line.p99))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}
