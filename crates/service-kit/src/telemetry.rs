//! Logs to standard output: one JSON object on each line, or a readable text for people.

use std::{error::Error, fmt::Write as _, panic};

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{Common, LogFormat};

/// Starts the logs. A second call in the same process changes nothing.
pub fn init(common: &Common) {
    // The configuration has checked the filter already.
    let Ok(filter) = parse_filter(&common.log_filter) else { return };
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match common.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Pretty => builder.with_target(false).try_init(),
    };
    if started.is_ok() {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
        }));
    }
}

/// Parses the filter of the logs.
///
/// # Errors
/// Returns an error when tracing-subscriber can't parse the text.
pub(crate) fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(text)
}

/// Returns the message of an error followed by the messages of all its causes.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string never fails.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
