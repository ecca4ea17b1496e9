//! Traces by OpenTelemetry: spans of requests, calls and transactions, their context in headers, and their export.
//!
//! Spans for traces have their own [`TARGET`]. So log lines stay as they are, and a service without traces pays
//! nothing for them.

use std::{collections::HashMap, time::Duration};

use axum::http::{self, StatusCode};
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::TextMapPropagator,
    trace::{FutureExt, Status, TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{IdGenerator, SdkTracer, SdkTracerProvider},
};
use reqwest::{RequestBuilder, Response};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{client, config::TraceExport, telemetry};

/// The target of the spans that traces consist of. Logs don't contain these spans.
pub const TARGET: &str = "traces";

/// Limits the export of the last spans at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The tracer provider of the process. A drop exports the last spans.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// The exporter can't be built.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("the traces' exporter can't be built: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("the traces' HTTP client can't be built: {0}")]
    Client(#[from] reqwest::Error),
}

impl Traces {
    /// Starts the export to the endpoint. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` can replace the name
    /// and the version.
    ///
    /// # Errors
    /// Fails if the standard variables of the exporter have a wrong value.
    pub(crate) fn start(
        name: &'static str,
        version: &'static str,
        export: &TraceExport,
        ids: impl IdGenerator + 'static,
    ) -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client::build_blocking(&export.endpoint)?)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_id_generator(ids)
            .with_resource(resource(name, version))
            .with_batch_exporter(exporter)
            .build();
        opentelemetry::global::set_tracer_provider(provider.clone());
        Ok(Self(provider))
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.0.tracer("order-fulfilment")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Describes this process. The variables of the operator win.
fn resource(name: &'static str, version: &'static str) -> Resource {
    let of_operator = Resource::builder().build();
    let ours = [KeyValue::new("service.name", name), KeyValue::new("service.version", version)];
    let missing = ours.into_iter().filter(|attribute| {
        // The SDK itself has a name for a process without one.
        let given = of_operator.get(&attribute.key);
        given.is_none_or(|value| value.as_str().starts_with("unknown_service"))
    });
    Resource::builder().with_attributes(missing).build()
}

/// Returns the id of the current trace.
pub(crate) fn current_id() -> Option<TraceId> {
    let context = Context::current();
    let span = context.span();
    span.span_context().is_valid().then(|| span.span_context().trace_id())
}

/// Returns the header `traceparent` (W3C) of the current span, if a trace is recorded.
#[must_use]
pub fn current_header() -> Option<String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&Context::current(), &mut headers);
    headers.remove("traceparent")
}

/// Returns the span of a request. It continues the caller's trace.
pub(crate) fn server_span<B>(request: &http::Request<B>, route: &str, correlation_id: &str) -> Span {
    let method = request.method();
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = %method,
        http.route = route,
        url.path = request.uri().path(),
        http.response.status_code = tracing::field::Empty,
        correlation_id,
    );
    if !span.is_disabled() {
        let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
        // An error means that no layer exports spans.
        let _ = span.set_parent(caller);
    }
    span
}

/// Records the status of an answer. A 5xx is an error of this service.
pub(crate) fn record_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.set_status(Status::error(status.to_string()));
    }
}

/// Sends a request as a span of its own, whose context the headers carry. The span has no query, which can hold
/// a key.
///
/// # Errors
/// Fails as [`RequestBuilder::send`].
pub async fn send(request: RequestBuilder) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let mut request = request?;
    let url = request.url();
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = %request.method(),
        otel.kind = "client",
        http.request.method = %request.method(),
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.path = url.path(),
        http.response.status_code = tracing::field::Empty,
    );
    if span.is_disabled() {
        return client.execute(request).await;
    }
    let mut headers = HeaderInjector(request.headers_mut());
    TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
    let result = client.execute(request).instrument(span.clone()).await;
    match &result {
        Ok(response) => {
            span.record("http.response.status_code", response.status().as_u16());
            if response.status().is_client_error() || response.status().is_server_error() {
                span.set_status(Status::error(response.status().to_string()));
            }
        }
        Err(error) => {
            // The text of the error itself has the whole address.
            let cause = std::error::Error::source(error).map(telemetry::error_chain);
            span.set_status(Status::error(cause.unwrap_or_else(|| "no answer".to_owned())));
        }
    }
    result
}

/// Adds an attribute to the current span, if a trace is recorded.
pub fn record(key: &'static str, value: impl Into<Value>) {
    Context::current().span().set_attribute(KeyValue::new(key, value));
}

/// Keeps the current span and trace for work that becomes a separate task.
pub fn in_current_trace<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.in_current_span().with_current_context()
}
