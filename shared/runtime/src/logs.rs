//! Logs: one JSON object a line, with dotted field names.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging to standard output, where Lambda collects it.
pub fn start(least: LevelFilter) {
    start_into(least, io::stdout);
}

/// Starts logging to somewhere else, for whoever wants to read along.
pub fn start_into(least: LevelFilter, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(least)
        .with_writer(writer)
        .init();
}
