//! Tests the traces of orders, which the real processes export to a collector.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, FOUNDER, PROVIDER, Service, WORKER};

use crate::{
    collector::{Collector, Span},
    support::{POLL_INTERVAL, TIMEOUT, TestStack},
};

/// The span of the shop that calls us.
const SHOP: &str = "00f067aa01a902b7";

/// Starts a stack that exports its traces, with founder.
async fn start(
    name: &'static str,
    more: &[(&'static Service, &'static str, &str)],
) -> (TestStack, Collector) {
    let (collector, endpoint) = Collector::start().await;
    let test = TestStack::start_with(name, |options| {
        options.services.push(&FOUNDER);
        options.environment.push((&FOUNDER, "FOUNDER_OFFLINE", "true".to_owned()));
        for service in [&API, &WORKER, &PROVIDER, &FOUNDER] {
            options.environment.push((service, "OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.clone()));
            options.environment.push((service, "OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()));
        }
        options
            .environment
            .extend(more.iter().map(|(service, name, value)| (*service, *name, (*value).to_owned())));
    })
    .await;
    (test, collector)
}

/// Sends a request as a part of a trace. The shop's span is its parent.
pub async fn call(
    test: &TestStack,
    trace: &str,
    service: &Service,
    method: Method,
    path: &str,
    body: Option<&Value>,
) {
    let mut request = reqwest::Client::new()
        .request(method, format!("{}{path}", test.stack.url(service)))
        .header("traceparent", format!("00-{trace}-{SHOP}-01"));
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
}

/// Waits until the trace has a span, and returns all its spans.
async fn wait_for_span(collector: &Collector, trace: &str, name: &str) -> Vec<Span> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let spans = collector.trace(trace);
        if !named(&spans, name).is_empty() {
            return spans;
        }
        let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
        assert!(Instant::now() < deadline, "{name} is not among {names:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// Returns the parent of a span.
fn parent<'s>(spans: &'s [Span], span: &Span) -> &'s Span {
    let found = spans.iter().find(|other| other.id == span.parent);
    found.unwrap_or_else(|| panic!("{span:?} has no parent in its trace"))
}

#[tokio::test]
async fn an_order_is_one_trace_through_all_services_with_its_failed_attempts() {
    let trace = "4bf92f3577134da6a3ce929d0e0e4701";
    let (test, collector) = start("one-trace", &[]).await;
    test.plan("1", &json!({"payment.capture": ["internal_error"]})).await;
    call(&test, trace, &FOUNDER, Method::GET, "/api/v1/user-context?strategy=rxjs", None).await;
    call(&test, trace, &API, Method::POST, "/api/v1/order", Some(&test.order("1"))).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");

    let spans = wait_for_span(&collector, trace, "RunWorkflow:orderFulfillmentWorkflow").await;
    for span in &spans {
        if span.parent != SHOP {
            parent(&spans, span);
        }
    }
    let services: HashSet<_> = spans.iter().map(|span| span.service.as_str()).collect();
    for service in ["founder", "temporal-api", "temporal-worker", "fake-stripe-chaos"] {
        assert!(services.contains(service), "{service} is missing in {services:?}");
    }
    let placed = named(&spans, "POST /api/v1/order")[0];
    assert_eq!((placed.service.as_str(), placed.parent.as_str()), ("temporal-api", SHOP));
    let start = named(&spans, "StartWorkflow:orderFulfillmentWorkflow")[0];
    assert_eq!(parent(&spans, start).name, "POST /api/v1/order");

    let attempts = named(&spans, "RunActivity:capturePayment");
    let failed: Vec<_> = attempts.iter().map(|attempt| attempt.is_error).collect();
    assert_eq!(failed.iter().filter(|failed| **failed).count(), 1, "{attempts:?}");
    assert_eq!(failed.len(), 2, "{attempts:?}");
    for attempt in attempts {
        assert_eq!(parent(&spans, attempt).name, "StartActivity:capturePayment");
    }

    let requests = named(&spans, "POST /payment/capture");
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.service, "fake-stripe-chaos");
        let call = parent(&spans, request);
        assert_eq!((call.service.as_str(), call.name.as_str()), ("temporal-worker", "POST"));
        assert_eq!(parent(&spans, call).name, "RunActivity:capturePayment");
        let transactions =
            spans.iter().filter(|span| span.name == "transaction" && span.parent == request.id);
        assert_eq!(transactions.count(), 1);
    }
    let scenarios: Vec<_> = requests.iter().map(|request| &request.attributes["chaos.scenario"]).collect();
    assert!(scenarios.iter().any(|scenario| *scenario == "internal_error"), "{scenarios:?}");

    for service in [&API, &WORKER, &PROVIDER, &FOUNDER] {
        let log = test.stack.options().folder.join("logs").join(format!("{}.log", service.name));
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains(&format!(r#""trace_id":"{trace}""#)), "{} logs no trace id", service.name);
    }
    test.stop().await;
}

#[tokio::test]
async fn a_worker_that_replays_an_order_exports_no_span_again() {
    let trace = "4bf92f3577134da6a3ce929d0e0e4702";
    let (mut test, collector) = start("replayed-trace", &[]).await;
    let mut order = test.order("1");
    order["requiresApproval"] = json!(true);
    call(&test, trace, &API, Method::POST, "/api/v1/order", Some(&order)).await;
    test.wait_for_step("1", "awaiting_approval").await;
    // The two spans can be exported apart, and a killed worker exports none.
    wait_for_span(&collector, trace, "StartActivity:authorizePayment").await;
    wait_for_span(&collector, trace, "RunActivity:authorizePayment").await;
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    test.signal_by_api("1", "approve", None).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");

    let spans = wait_for_span(&collector, trace, "RunActivity:sendNotification").await;
    let mut ids = HashMap::new();
    for span in &spans {
        assert!(ids.insert(&span.id, span).is_none(), "{span:?} was exported twice");
    }
    for activity in ["authorizePayment", "reserveInventory", "capturePayment", "createShippingLabel"] {
        for name in [format!("StartActivity:{activity}"), format!("RunActivity:{activity}")] {
            assert_eq!(named(&spans, &name).len(), 1, "{name}");
        }
    }
    let starts = named(&spans, "StartActivity:authorizePayment");
    let later = named(&spans, "StartActivity:capturePayment");
    assert_eq!(starts[0].parent, later[0].parent, "the replay drew the same id for the workflow's span");
    test.stop().await;
}

#[tokio::test]
async fn a_sampler_that_records_nothing_exports_nothing() {
    let off = |service| (service, "OTEL_TRACES_SAMPLER", "always_off");
    let (test, collector) =
        start("unsampled", &[off(&API), off(&WORKER), off(&PROVIDER), off(&FOUNDER)]).await;
    test.run("1").await;
    test.stop().await;
    assert!(collector.is_empty(), "the processes ended, and exported their last spans");
}
