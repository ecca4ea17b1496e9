//! Prometheus metrics. Each service has its own registry, so that tests can run many services in one process.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use prometheus::{
    DEFAULT_BUCKETS, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, process_collector::ProcessCollector,
};

/// The content type of the Prometheus text format.
pub const CONTENT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns metrics from another part of the process, in the Prometheus text format.
pub type Appendix = Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// A request that is not answered yet.
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The registry of a service and the metrics that every service has.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    appendix: Option<Appendix>,
}

impl Metrics {
    /// Registers the metrics that every service has.
    ///
    /// # Panics
    /// Never panics: the names are constants, valid and unique.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let requests = counter(
            &registry,
            "http_requests_total",
            "Requests answered, by method, route and status.",
            &["method", "route", "status"],
        );
        let seconds = histogram(
            &registry,
            "http_request_duration_seconds",
            "Time to answer, by method and route.",
            &["method", "route"],
            DEFAULT_BUCKETS,
        );
        let in_flight = gauge(&registry, "http_requests_in_flight", "Requests that are not answered yet.");
        let process = ProcessCollector::for_self();
        registry.register(Box::new(process)).expect("registered once");
        Self { registry, requests, seconds, in_flight, appendix: None }
    }

    /// Shows the service and its version.
    pub(crate) fn record_build(&self, service: &str, version: &str) {
        let options = Opts::new("service_build_info", "The service and its version; always 1.");
        if let Ok(info) = IntGaugeVec::new(options, &["service", "version"]) {
            info.with_label_values(&[service, version]).set(1);
            // Several routers can share the metrics of one service.
            let _ = self.registry.register(Box::new(info));
        }
    }

    /// Counts a request as in flight until the drop of the result.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Appends the text of another source to `/metrics`.
    #[must_use]
    pub fn append(mut self, appendix: Appendix) -> Self {
        self.appendix = Some(appendix);
        self
    }

    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn observe(&self, method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
        let method = known_method(method);
        self.requests.with_label_values(&[method, route, status.as_str()]).inc();
        self.seconds.with_label_values(&[method, route]).observe(elapsed.as_secs_f64());
    }

    pub(crate) async fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        if let Some(appendix) = &self.appendix {
            text.push_str(&appendix().await);
        }
        Ok(text)
    }
}

/// Returns the label of a method. Unknown methods share one, since callers could invent any number of them.
fn known_method(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if known.contains(method) { method.as_str() } else { OTHER }
}

/// The label value for all further values.
const OTHER: &str = "other";
/// Longer than every code and name of the suite.
const MAX_LABEL_LENGTH: usize = 64;

/// Limits the values of a label whose text comes from another process, since each value keeps a series for ever.
/// The first values keep their text; all further ones become `other`.
#[derive(Debug, Clone)]
pub struct FewLabels {
    max_labels: usize,
    known: Arc<RwLock<HashSet<String>>>,
}

impl FewLabels {
    #[must_use]
    pub fn new(max_labels: usize) -> Self {
        Self::with_known(max_labels, [])
    }

    /// Reserves room for labels that must never become `other`.
    #[must_use]
    pub fn with_known<const N: usize>(max_labels: usize, known: [&str; N]) -> Self {
        Self { max_labels, known: Arc::new(RwLock::new(known.map(str::to_owned).into())) }
    }

    /// Returns the text, or `other` when it is too long or the limit is reached.
    #[must_use]
    pub fn label<'t>(&self, text: &'t str) -> &'t str {
        if text.len() > MAX_LABEL_LENGTH {
            return OTHER;
        }
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(text) {
            return text;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.contains(text) {
            return text;
        }
        if known.len() >= self.max_labels {
            return OTHER;
        }
        known.insert(text.to_owned());
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers a counter with labels.
///
/// # Panics
/// Panics when the name is invalid or already registered. That is a bug, visible at the first start.
#[must_use]
pub fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid counter");
    registry.register(Box::new(counter.clone())).expect("registered once");
    counter
}

/// Registers a histogram with labels.
///
/// # Panics
/// As [`counter`].
#[must_use]
pub fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let histogram = HistogramVec::new(options, labels).expect("a valid histogram");
    registry.register(Box::new(histogram.clone())).expect("registered once");
    histogram
}

/// Registers a gauge.
///
/// # Panics
/// As [`counter`].
#[must_use]
pub fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("a valid gauge");
    registry.register(Box::new(gauge.clone())).expect("registered once");
    gauge
}

/// Registers a gauge with labels.
///
/// # Panics
/// As [`counter`].
#[must_use]
pub fn labelled_gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let gauge = IntGaugeVec::new(Opts::new(name, help), labels).expect("a valid gauge");
    registry.register(Box::new(gauge.clone())).expect("registered once");
    gauge
}

/// Returns the metrics of a registry in the Prometheus text format, for an [`Appendix`].
#[must_use]
pub fn text(registry: &Registry) -> String {
    // Encoding cannot fail for metrics of this program.
    TextEncoder::new().encode_to_string(&registry.gather()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_a_limited_number_of_values() {
        let labels = FewLabels::new(2);
        assert_eq!(["a", "b", "c", "a"].map(|text| labels.label(text)), ["a", "b", "other", "a"]);
        assert_eq!(FewLabels::new(2).label(&"x".repeat(65)), "other");
    }
}
