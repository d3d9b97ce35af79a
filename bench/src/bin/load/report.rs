//! What was seen, as a table.

use std::fmt::Write;
use std::time::Duration;

use bench::quantile;

use crate::drive::Result;
use crate::memory::{FLAT_PERCENT, Memory};
use crate::tally::Tally;

/// The table of a drive; `how` says how it was driven.
pub(crate) fn table(how: &str, result: &Result) -> String {
    let tally = &result.tally;
    let mut text = format!("{how}\n\n| call | count | p50 | p99 | errors |\n|---|---:|---:|---:|---:|\n");
    for (call, seen) in &tally.calls {
        text += &line(call.name(), &mut seen.took.clone(), seen.errors);
    }
    let mut all: Vec<_> = tally.calls.values().flat_map(|seen| seen.took.iter().copied()).collect();
    text += &line("all", &mut all, tally.errors());
    let _ = write!(text, "\n{}\n{}", rate(tally, result.took), memory(&result.memory));
    text
}

fn line(name: &str, took: &mut [Duration], errors: usize) -> String {
    let (p50, p99) = (milliseconds(quantile(took, 50)), milliseconds(quantile(took, 99)));
    format!("| {name} | {} | {p50} | {p99} | {errors} |\n", took.len())
}

#[expect(clippy::cast_precision_loss, reason = "no run makes so many calls")]
fn rate(tally: &Tally, took: Duration) -> String {
    let a_second = tally.count() as f64 / took.as_secs_f64();
    format!("{a_second:.0} calls a second. {} answers were 429.", tally.limited)
}

fn memory(memory: &Memory) -> String {
    let (Some([begin, end, peak]), Some([second, last])) = (memory.span(), memory.medians()) else {
        return String::new();
    };
    let verdict = if memory.is_flat() == Some(true) { "flat" } else { "not flat" };
    format!(
        "\nResident memory of the local run: {begin} kB at the beginning, {end} kB at the end, {peak} kB at most. It is {verdict}: the \
         median of the last third is {last} kB, that of the second third {second} kB, and up to {FLAT_PERCENT} % more counts as flat.\n"
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Call;
    use crate::tally::Outcome;

    #[test]
    fn the_table_has_a_row_for_each_call_and_one_for_all() {
        let mut tally = Tally::default();
        tally.add(Call::List, Duration::from_millis(4), Outcome::Unexpected("500".to_owned()));
        tally.add(Call::Get, Duration::from_millis(2), Outcome::Expected);
        let result = Result { tally, memory: Memory::default(), took: Duration::from_secs(1) };
        let expected = "Driven.\n\n| call | count | p50 | p99 | errors |\n|---|---:|---:|---:|---:|\n\
                        | GET a number | 1 | 2.00 ms | 2.00 ms | 0 |\n| list 20 numbers | 1 | 4.00 ms | 4.00 ms | 1 |\n\
                        | all | 2 | 4.00 ms | 4.00 ms | 1 |\n\n2 calls a second. 0 answers were 429.\n";
        assert_eq!(table("Driven.", &result), expected);
    }
}
