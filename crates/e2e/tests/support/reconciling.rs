//! Reconciles as a caller, and asks for the verdict of an order.

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, PROVIDER};

use crate::{poll::poll, support::TestStack};

pub const PATH: &str = "/api/v1/reconciliation";

pub async fn trigger(test: &TestStack, repair: bool) -> String {
    let path = format!("{PATH}/trigger");
    let (status, body) = test.call(&API, Method::POST, &path, Some(&json!({ "repair": repair }))).await;
    assert_eq!(status, 202, "{body}");
    body["runId"].as_str().unwrap().to_owned()
}

/// Waits for the end of the run that a caller triggered. A scheduled one may run beside it.
pub async fn wait_for_report(test: &TestStack) -> Value {
    let id = format!("reconciliation-{}", test.stack.options().task_queue);
    let path = format!("/api/v1/workflows/{id}/status");
    poll(test, &path, "an end", |report| report["status"] != "running").await
}

/// Reconciles and returns the report.
pub async fn reconcile(test: &TestStack, repair: bool) -> Value {
    trigger(test, repair).await;
    let report = wait_for_report(test).await;
    assert_eq!(report["status"], "completed", "{report}");
    report
}

/// Asserts that the ledger of an order has no contradiction, without recording its outcome.
pub async fn assert_clean(test: &TestStack, order: &str) {
    let path = format!("/verdict?final=true&orderId={}", test.order_id(order));
    let (_, verdict) = test.call(&PROVIDER, Method::GET, &path, None).await;
    assert_eq!(verdict["contradictions"], json!([]), "{verdict}\n{}", test.ledger(order).await);
}
