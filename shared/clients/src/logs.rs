//! Logs: one JSON object a line, with dotted field names.

use tracing::level_filters::LevelFilter;

/// Starts logging to standard output, where Lambda collects it.
pub fn start(least: LevelFilter) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(least)
        .init();
}
