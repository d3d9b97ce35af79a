//! Writes what was measured: a table between markers in docs/performance.md, and its plot.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use crate::quantile;

const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.svg");
const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->";
const THINNEST: &str = "bare: one";

pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) processor: Option<Duration>,
    /// Requests to the table and capacity units.
    pub(crate) calls: Option<(f64, f64)>,
}

impl Line {
    pub(crate) fn of_starts(name: &str, mut times: Vec<Duration>) -> Self {
        let (p50, p99) = (quantile(&mut times, 50), quantile(&mut times, 99));
        Self { name: name.to_owned(), p50, p99, processor: None, calls: None }
    }
}

pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
    /// Peak kilobytes of the product's GET and of the thinnest bare function.
    pub(crate) memory: [u64; 2],
    /// Name, bytes, compressed bytes.
    pub(crate) sizes: Vec<(&'static str, u64, u64)>,
    pub(crate) calls: usize,
}

impl Report {
    pub(crate) fn write(&self) -> io::Result<()> {
        let old = std::fs::read_to_string(TEXT)?;
        let missing = || io::Error::other("docs/performance.md has lost its markers");
        let begin = old.find(BEGIN).ok_or_else(missing)? + BEGIN.len();
        let end = old.find(END).ok_or_else(missing)?;
        std::fs::write(TEXT, format!("{}\n{}\n{}", &old[..begin], self.table(), &old[end..]))?;
        std::fs::write(PLOT, self.plot())
    }

    /// A start is divided by a bare start, all else by the thinnest bare function.
    fn ratio(&self, line: &Line) -> f64 {
        let base = if line.processor.is_none() { "bare: start to first answer" } else { THINNEST };
        let base = self.lines.iter().find(|other| other.name == base).map_or(line.p50, |base| base.p50);
        line.p50.as_secs_f64() / base.as_secs_f64()
    }

    fn table(&self) -> String {
        let mut text = format!(
            "![Ratios](performance.svg)\n\n{} calls of each kind.\n\n\
             | what | p50 | ÷ thinnest bare | p99 | processor time | requests to the table | capacity units |\n\
             |---|---:|---:|---:|---:|---:|---:|\n",
            self.calls
        );
        for line in &self.lines {
            let processor = line.processor.map_or("–".to_owned(), milliseconds);
            let (requests, units) = line
                .calls
                .map_or(("–".to_owned(), "–".to_owned()), |(n, units)| (format!("{n:.1}"), format!("{units:.1}")));
            let (ratio, p50, p99) = (self.ratio(line), milliseconds(line.p50), milliseconds(line.p99));
            let _ =
                writeln!(text, "| {} | {p50} | {ratio:.2} | {p99} | {processor} | {requests} | {units} |", line.name);
        }
        let [product, bare] = self.memory;
        let _ = writeln!(text, "\nPeak memory after many GETs: {product} kB; the thinnest bare function: {bare} kB.\n");
        text += "| binary | bytes | compressed |\n|---|---:|---:|\n";
        for (name, bytes, zipped) in &self.sizes {
            let _ = writeln!(text, "| {name} | {bytes} | {zipped} |");
        }
        text
    }

    fn plot(&self) -> String {
        let height = 40 + 28 * self.lines.len();
        let widest = self.lines.iter().map(|line| self.ratio(line)).fold(1.0, f64::max);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"20\">median ÷ median of the thinnest bare function (less is better)</text>\n"
        );
        let mut top = 34;
        for line in &self.lines {
            let (ratio, middle) = (self.ratio(line), top + 15);
            let (width, fill) = (440.0 * ratio / widest, if line.name.starts_with("bare") { "#9aa" } else { "#2a6" });
            let _ = writeln!(
                svg,
                "<text x=\"210\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"220\" y=\"{top}\" width=\"{width:.1}\" height=\"20\" fill=\"{fill}\"/>\
                 <text x=\"{:.1}\" y=\"{middle}\">{ratio:.2}</text>",
                line.name,
                226.0 + width
            );
            top += 28;
        }
        svg + "</svg>\n"
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}
