//! Runs the explorer against the order workflow. No single fault of any operation leaves a contradiction.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::services::{API, PROVIDER};

use crate::support::TestStack;

/// Runs an exploration that must find nothing, and returns its report.
async fn explored(name: &'static str, extra: &[&str]) -> Value {
    let test = TestStack::start_with(name, |options| {
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "200ms".to_owned()));
    })
    .await;
    let mut order = test.order("x");
    order["orderId"] = json!("{orderId}");
    let status = format!("{}/api/v1/order/order-fulfillment-{{orderId}}/status", test.stack.url(&API));
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/fake-stripe-chaos"))
        .args(["explore", "--json", "--jobs", "24", "--provider", &test.stack.url(&PROVIDER)])
        // Explorers that start in one millisecond would use the same orders of the shared server.
        .args(["--prefix", name])
        .args(["--post", &format!("{}/api/v1/order", test.stack.url(&API)), "--body", &order.to_string()])
        .args(["--header", &format!("{CONTENT_TYPE}: application/json"), "--status", &status])
        .args(["--shipped", "shipped", "--not-shipped", "failed,rejected,cancelled", "--order-timeout", "1m"])
        .args(extra)
        .output()
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}\n{}", String::from_utf8_lossy(&output.stdout));
    test.stop().await;
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn no_single_fault_leaves_a_contradiction() {
    let report = explored("explored", &[]).await;
    let undos: Vec<_> = report["undos"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(
        undos,
        ["inventory.release", "payment.refund", "payment.release", "shipping.cancel"],
        "{report:#}"
    );
    let operations = report["happy"]["operations"].as_object().unwrap();
    assert_eq!(operations.len(), 5, "{report:#}");
    assert_eq!(report["undosNotReached"], json!([]));
}

#[tokio::test]
async fn no_two_timeouts_leave_a_contradiction() {
    let few = ["--pairs", "--scenario", "timeout,timeout_after_commit,address_error"];
    let report = explored("explored-in-pairs", &few).await;
    assert!(report["orders"].as_u64().unwrap() > 60, "{report:#}");
    assert_eq!(report["schedules"]["tried"], report["schedules"]["planned"]);
}
