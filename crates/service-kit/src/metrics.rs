//! Prometheus metrics: one registry a service, as a value, so that tests can run many services at once.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};

/// The content type of the Prometheus text format.
pub const CONTENT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Text in the Prometheus format from elsewhere in the process, appended to the service's own.
pub type Appendix = Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>;

/// The registry of a service and the metrics that every service has.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    appendix: Option<Appendix>,
}

impl Metrics {
    /// # Panics
    /// Never: the names are constants, valid and unlike one another.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let requests = counter(
            &registry,
            "http_requests_total",
            "Requests answered, by method, route and status.",
            &["method", "route", "status"],
        );
        let seconds = HistogramVec::new(
            HistogramOpts::new("http_request_duration_seconds", "Time to answer, by method and route."),
            &["method", "route"],
        )
        .expect("a valid histogram");
        registry.register(Box::new(seconds.clone())).expect("registered once");
        Self { registry, requests, seconds, appendix: None }
    }

    /// Appends another source's text to `/metrics`.
    #[must_use]
    pub fn append(mut self, appendix: Appendix) -> Self {
        self.appendix = Some(appendix);
        self
    }

    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn observe(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = known(method);
        self.requests.with_label_values(&[method, route, status.as_str()]).inc();
        self.seconds.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    pub(crate) async fn text(&self) -> Result<String, prometheus::Error> {
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        if let Some(appendix) = &self.appendix {
            text.push_str(&appendix().await);
        }
        Ok(text)
    }
}

/// Callers can invent methods, and a label is kept for ever.
fn known(method: &Method) -> &str {
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

/// A label value that stands for all further ones.
const OTHER: &str = "other";
/// No code or name of ours is as long.
const LONGEST_LABEL: usize = 64;

/// Bounds how many values a label has whose text comes from another process: each one is a series that is
/// kept for ever. The first so many are themselves, all others are `other`.
#[derive(Debug, Clone)]
pub struct FewLabels {
    most: usize,
    known: Arc<RwLock<HashSet<String>>>,
}

impl FewLabels {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self::with_known(most, [])
    }

    /// Keeps a place for labels that must never become `other`.
    #[must_use]
    pub fn with_known<const N: usize>(most: usize, known: [&str; N]) -> Self {
        Self { most, known: Arc::new(RwLock::new(known.map(str::to_owned).into())) }
    }

    /// Returns the text, or `other` where it is long or there are enough already.
    #[must_use]
    pub fn label<'t>(&self, text: &'t str) -> &'t str {
        if text.len() > LONGEST_LABEL {
            return OTHER;
        }
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(text) {
            return text;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.contains(text) {
            return text;
        }
        if known.len() >= self.most {
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

/// A counter with labels, registered.
///
/// # Panics
/// When the name isn't valid or is taken: a fault of the program, seen at its first start.
#[must_use]
pub fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid counter");
    registry.register(Box::new(counter.clone())).expect("registered once");
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_from_elsewhere_has_few_values() {
        let labels = FewLabels::new(2);
        assert_eq!(["a", "b", "c", "a"].map(|text| labels.label(text)), ["a", "b", "other", "a"]);
        assert_eq!(FewLabels::new(2).label(&"x".repeat(65)), "other");
    }
}
