//! What a warm function does in a second and what a million calls cost, calculated from the processor time of one call.
//!
//! Prices: <https://aws.amazon.com/lambda/pricing/>, arm64 in us-east-1, first tier. Processor and memory:
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.

use std::fmt::Write;
use std::io;
use std::time::Duration;

/// USD for one GB-second.
const GB_SECOND_USD: f64 = 0.000_013_333_4;
/// USD for a million requests to Lambda.
const MILLION_REQUESTS_USD: f64 = 0.20;
/// USD for a million requests to an HTTP API of API Gateway, as docs/costs.md says.
const GATEWAY_USD: f64 = 1.00;
/// Megabytes at which a function has one whole processor.
const WHOLE_PROCESSOR_MB: f64 = 1769.0;
/// How long a function waits for one request to DynamoDB: an assumption. AWS promises single-digit milliseconds.
const WAIT_FOR_TABLE: Duration = Duration::from_millis(5);
const MEMORY_MB: [u32; 3] = [128, 256, 512];

/// The calls of the measured table, each with what DynamoDB bills for a million of them, in USD: docs/costs.md, and for the
/// list 14 read units at the price that stands there.
const CALLS: [(&str, f64); 4] =
    [("GET a number", 0.38), ("list 100 numbers", 1.75), ("PATCH a number", 4.75), ("GET the balance", 0.25)];

/// One call as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// The processor time that it takes on one whole processor.
    pub processor: Duration,
    /// Its requests to the table. Each one counts as if it waited for the one before.
    pub requests: f64,
}

impl Call {
    /// How long the call takes with `memory_mb` megabytes (128 to 1769): the processor's share is stretched, the waiting is not.
    #[must_use]
    pub fn duration(self, memory_mb: u32) -> Duration {
        let stretch = (WHOLE_PROCESSOR_MB / f64::from(memory_mb)).max(1.0);
        self.processor.mul_f64(stretch) + WAIT_FOR_TABLE.mul_f64(self.requests)
    }

    /// Calls a second of one function that is never idle. It serves one call at a time.
    #[must_use]
    pub fn per_second(self, memory_mb: u32) -> f64 {
        self.duration(memory_mb).as_secs_f64().recip()
    }

    /// What Lambda bills for a million calls, in USD. It rounds each duration up to the next millisecond.
    #[must_use]
    pub fn lambda_usd(self, memory_mb: u32) -> f64 {
        let seconds = (self.duration(memory_mb).as_secs_f64() * 1000.0).ceil() / 1000.0;
        seconds * f64::from(memory_mb) / 1024.0 * GB_SECOND_USD * 1_000_000.0 + MILLION_REQUESTS_USD
    }
}

/// The table of all calls and memory sizes, from the document that holds the measured table.
///
/// # Errors
/// The document lacks one of the calls, its processor time or its requests.
pub fn table(document: &str) -> io::Result<String> {
    let mut text = String::from(
        "| call | memory | duration | calls a second | Lambda | DynamoDB | API Gateway | USD for a million |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (name, table_usd) in CALLS {
        let call = measured(document, name).ok_or_else(|| io::Error::other(format!("no figures of '{name}'")))?;
        for memory in MEMORY_MB {
            let (lambda, took) = (call.lambda_usd(memory), call.duration(memory).as_secs_f64() * 1000.0);
            let (rate, total) = (call.per_second(memory), lambda + table_usd + GATEWAY_USD);
            let _ = writeln!(
                text,
                "| {name} | {memory} MB | {took:.1} ms | {rate:.0} | {lambda:.2} | {table_usd:.2} | {GATEWAY_USD:.2} | {total:.2} |"
            );
        }
    }
    Ok(text)
}

/// Reads one call's row; columns are found by their heads.
fn measured(document: &str, name: &str) -> Option<Call> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let heads = document.lines().map(cells).find(|cells| cells.iter().any(|cell| cell == "processor time"))?;
    let row = document.lines().map(cells).find(|cells| cells.get(1).is_some_and(|cell| cell == name))?;
    let number = |head: &str| {
        let cell = row.get(heads.iter().position(|cell| cell == head)?)?;
        cell.trim_end_matches(" ms").parse::<f64>().ok()
    };
    let processor = Duration::try_from_secs_f64(number("processor time")? / 1000.0).ok()?;
    Some(Call { processor, requests: number("requests to the table")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Call = Call { processor: Duration::from_millis(1), requests: 1.0 };

    #[test]
    fn less_memory_stretches_the_processor_time_and_not_the_waiting() {
        // 1 ms × 1769 / 128 = 13.82 ms, and 5 ms for one request.
        assert!((ONE.duration(128).as_secs_f64() * 1000.0 - 18.820).abs() < 0.001);
        assert!((ONE.duration(1769).as_secs_f64() * 1000.0 - 6.0).abs() < 0.001);
        assert_eq!(ONE.duration(3538), ONE.duration(1769), "one call uses one processor");
        assert!((ONE.per_second(128) - 53.13).abs() < 0.01);
    }

    #[test]
    fn a_million_calls_cost_started_milliseconds_times_memory_and_a_price_for_each_request() {
        // 19 ms × 0.125 GB × 0.0000133334 USD × 1,000,000 + 0.20 USD
        assert!((ONE.lambda_usd(128) - 0.231_667).abs() < 0.000_001);
        // 1 ms × 1769 / 512 + 5 ms = 8.46 ms, billed as 9 ms × 0.5 GB
        assert!((ONE.lambda_usd(512) - 0.260_000).abs() < 0.000_001);
    }

    #[test]
    fn the_measured_row_is_found_by_its_name_and_the_heads_of_its_columns() {
        let text = "| what | p50 | processor time | requests to the table |\n|---|---|---|---|\n\
                    | bare: one | 0.3 ms | 0.222 ms | 1.0 |\n| GET a number | 0.5 ms | 0.250 ms | 2.0 |\n";
        let expected = Call { processor: Duration::from_micros(250), requests: 2.0 };
        assert_eq!(measured(text, "GET a number"), Some(expected));
        assert_eq!(measured(text, "PATCH a number"), None);
    }

    #[test]
    fn the_documents_tables_give_a_row_for_each_call_and_memory_size() {
        let text = table(&std::fs::read_to_string(crate::document::PERFORMANCE).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 2 + CALLS.len() * MEMORY_MB.len());
    }

    #[test]
    fn what_the_table_costs_is_what_the_page_of_costs_says() {
        let costs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/costs.md")).unwrap();
        for (row, name) in [
            ("`GET /v1/phone-numbers/{id}`", "GET a number"),
            ("`PATCH /v1/phone-numbers/{id}`", "PATCH a number"),
            ("`GET /v1/credits/balance`", "GET the balance"),
        ] {
            let line = costs.lines().find(|line| line.starts_with(&format!("| {row} |"))).unwrap();
            let (_, usd) = CALLS.iter().find(|(call, _)| *call == name).unwrap();
            assert!(line.ends_with(&format!("| {usd:.2} |")), "{line}");
        }
        assert!(costs.contains("0.125 USD for a million read units") && costs.contains("API Gateway (1.00 USD"));
    }
}
