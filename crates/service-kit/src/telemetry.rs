//! Logs to standard output: one JSON object on each line, or a readable text for people. With an endpoint, traces
//! are exported, too.

use std::{error::Error, fmt, fmt::Write as _, panic};

use opentelemetry_sdk::trace::IdGenerator;
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{ParseError, filter_fn},
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{
    config::{Common, LogFormat},
    traces::{self, Traces, TracesError},
};

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The running logs and traces. A drop writes the last lines and exports the last spans.
pub struct Telemetry {
    _traces: Option<Traces>,
    // Dropped after the traces, whose export can log.
    _log_writer: WorkerGuard,
}

/// Starts the logs, and the traces if an endpoint is configured. A second call in the same process changes nothing.
///
/// A thread of its own writes the lines, so no request waits for the standard output. A full queue makes requests wait,
/// and loses no line. A SIGKILL loses the lines in the queue.
///
/// # Errors
/// Fails if the exporter of the traces can't be built.
pub fn init(
    name: &'static str,
    version: &'static str,
    common: &Common,
    ids: impl IdGenerator + 'static,
) -> Result<Telemetry, TracesError> {
    let (writer, log_writer) =
        NonBlockingBuilder::default().lossy(false).thread_name("log").finish(std::io::stdout());
    // The configuration has checked the filter already.
    let filter = parse_filter(&common.log_filter).unwrap_or_default();
    let logs: BoxedLayer = match common.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(writer)
            .map_event_format(WithTraceId)
            .boxed(),
        LogFormat::Pretty => tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_writer(writer)
            .map_event_format(WithTraceId)
            .boxed(),
    };
    let is_log = filter_fn(|metadata| metadata.target() != traces::TARGET);
    let mut layers = vec![logs.with_filter(is_log).with_filter(filter).boxed()];
    let traces =
        common.trace_export.as_ref().map(|export| Traces::start(name, version, export, ids)).transpose()?;
    if let Some(traces) = &traces {
        let spans = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        layers.push(
            spans
                .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == traces::TARGET))
                .boxed(),
        );
    }
    if tracing_subscriber::registry().with(layers).try_init().is_ok() {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
        }));
    }
    Ok(Telemetry { _traces: traces, _log_writer: log_writer })
}

/// Adds the id of the current trace to a log line.
struct WithTraceId<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithTraceId<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = traces::current_id() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.trim_end().strip_suffix('}') {
            Some(json) if line.starts_with('{') => writeln!(writer, r#"{json},"trace_id":"{id}"}}"#),
            _ => writeln!(writer, "{} trace_id={id}", line.trim_end()),
        }
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
