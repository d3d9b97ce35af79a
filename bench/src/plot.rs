//! The plots, as SVG.

use std::fmt::Write;

use crate::growth::Curve;
use crate::subject::Kind;

const LEFT: f64 = 240.0;
const WIDTH: f64 = 460.0;
const LINES: [&str; 2] = ["#2a6", "#46c"];

impl Kind {
    const fn colour(self) -> &'static str {
        match self {
            Self::Product => "#2a6",
            Self::Bare => "#9aa",
            Self::Node => "#d93",
            Self::Python => "#46c",
        }
    }
}

fn head(height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"20\">{title}</text>\n"
    )
}

/// A bar for each ratio. Each step of the scale doubles, since ratios reach from one to hundreds.
pub(crate) fn bars(bars: &[(&str, Kind, f64)]) -> String {
    let widest = bars.iter().map(|(_, _, ratio)| ratio.log2()).fold(1.0, f64::max);
    // A ratio of one half has no length.
    let length = |ratio: f64| WIDTH * ((ratio.log2() + 1.0) / (widest + 1.0)).max(0.0);
    let bottom = 50.0 + bars.iter().map(|_| 24.0).sum::<f64>();
    let title = "median ÷ median of the thinnest bare function (less is better; logarithmic)";
    let mut svg = head(bottom + 30.0, title);
    for mark in [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().filter(|mark| f64::from(*mark) <= widest.exp2()) {
        let x = LEFT + length(f64::from(mark));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"40\" y2=\"{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#777\">{mark}</text>",
            bottom + 16.0
        );
    }
    let mut top = 44.0;
    for (name, kind, ratio) in bars {
        let (length, fill, middle) = (length(*ratio), kind.colour(), top + 14.0);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"18\" fill=\"{fill}\"/>\
             <text x=\"{:.1}\" y=\"{middle}\">{ratio:.2}</text>",
            LEFT - 10.0,
            LEFT + length + 6.0
        );
        top += 24.0;
    }
    svg + "</svg>\n"
}

/// A line for each route, over the number of numbers.
pub(crate) fn curves(curves: &[Curve]) -> String {
    let all = || curves.iter().flat_map(|(_, points)| points);
    let highest = all().map(|point| point.p50.as_secs_f64()).fold(0.0, f64::max);
    let most = all().map(|point| point.numbers).max().map_or(10.0, f64::from);
    let x = |numbers: u32| 110.0 + 470.0 * (f64::from(numbers).log10() - 1.0) / (most.log10() - 1.0).max(1.0);
    let y = |seconds: f64| 240.0 - 170.0 * seconds / highest;
    let mut svg = head(290.0, "median time and capacity units, by the organization's numbers (logarithmic)");
    let _ = writeln!(
        svg,
        "<line x1=\"60\" x2=\"720\" y1=\"240\" y2=\"240\" stroke=\"#777\"/><text x=\"30\" y=\"244\">0 ms</text>"
    );
    for point in curves.first().into_iter().flat_map(|(_, points)| points) {
        let (x, numbers) = (x(point.numbers), thousands(point.numbers));
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"262\" text-anchor=\"middle\">{numbers} numbers</text>");
    }
    for ((name, points), colour) in curves.iter().zip(LINES) {
        let place = |point: &crate::growth::Point| (x(point.numbers), y(point.p50.as_secs_f64()));
        let path: Vec<_> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for point in points {
            let ((x, y), milliseconds) = (place(point), point.p50.as_secs_f64() * 1000.0);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/><text x=\"{x:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\" fill=\"{colour}\">{milliseconds:.2} ms, {:.0} units</text>",
                y - 10.0,
                point.units
            );
        }
        let (x, y) = points.last().map_or((0.0, 0.0), place);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>", x + 10.0, y + 18.0);
    }
    svg + "</svg>\n"
}

/// A whole number with commas.
pub(crate) fn thousands(number: u32) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}
