//! Tests reconciliations against the real services: what they find, what they repair, and their schedule.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod support;

mod findings;
mod runs;

#[path = "../support/poll.rs"]
mod poll;

use poll::poll;
use reqwest::Method;
use serde_json::{Value, json};
use support::TestStack;
use xtask::services::{API, Options, PROVIDER};

const PATH: &str = "/api/v1/reconciliation";

async fn start(name: &'static str) -> TestStack {
    start_with(name, |_| ()).await
}

/// Starts a stack with slow answers and labels, which leave time to end an order from outside.
async fn start_with(name: &'static str, change: impl FnOnce(&mut Options)) -> TestStack {
    TestStack::start_with(name, |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "2s".to_owned()));
        change(options);
    })
    .await
}

async fn trigger(test: &TestStack, repair: bool) -> String {
    let path = format!("{PATH}/trigger");
    let (status, body) = test.call(&API, Method::POST, &path, Some(&json!({ "repair": repair }))).await;
    assert_eq!(status, 202, "{body}");
    body["runId"].as_str().unwrap().to_owned()
}

async fn report(test: &TestStack) -> (u16, Value) {
    test.call(&API, Method::GET, &format!("{PATH}/report"), None).await
}

/// Waits for the end of the run that a caller triggered. A scheduled one may run beside it.
async fn wait_for_report(test: &TestStack) -> Value {
    let id = format!("reconciliation-{}", test.stack.options().task_queue);
    let path = format!("/api/v1/workflows/{id}/status");
    poll(test, &path, "an end", |report| report["status"] != "running").await
}

/// Reconciles and returns the report.
async fn reconcile(test: &TestStack, repair: bool) -> Value {
    trigger(test, repair).await;
    let report = wait_for_report(test).await;
    assert_eq!(report["status"], "completed", "{report}");
    report
}

fn counts(report: &Value) -> [i64; 4] {
    ["orphanCount", "contradictionCount", "repaired", "notRepaired"]
        .map(|name| report[name].as_i64().unwrap_or_else(|| panic!("{report}")))
}

/// Leaves an order with a captured payment and a reservation, as somebody who terminates its workflow does.
async fn plant_orphan(test: &TestStack, order: &str) {
    test.place(&test.order(order)).await;
    test.wait_until("the capture", || async { test.effects(order).await.contains(&"captured".to_owned()) })
        .await;
    let id = format!("order-fulfillment-{}", test.order_id(order));
    test.temporal(&["workflow", "terminate", "-w", &id, "--reason", "by hand"]).await;
    // The label's call was on its way, and nobody waits for it any more.
    test.wait_until("the label", || async { test.effects(order).await.contains(&"labelled".to_owned()) })
        .await;
}

/// Asserts that the ledger of an order has no contradiction, without recording its outcome.
async fn assert_clean(test: &TestStack, order: &str) {
    let path = format!("/verdict?final=true&orderId={}", test.order_id(order));
    let (_, verdict) = test.call(&PROVIDER, Method::GET, &path, None).await;
    assert_eq!(verdict["contradictions"], json!([]), "{verdict}\n{}", test.ledger(order).await);
}
