//! Tests reconciliations against the real services: what they find, what they repair, and their schedule.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod support;

mod findings;
mod runs;

#[path = "../support/poll.rs"]
mod poll;

#[path = "../support/reconciling.rs"]
mod reconciling;

use reconciling::{PATH, assert_clean, reconcile, trigger, wait_for_report};
use reqwest::Method;
use serde_json::Value;
use support::TestStack;
use xtask::services::{API, Options, PROVIDER};

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

async fn report(test: &TestStack) -> (u16, Value) {
    test.call(&API, Method::GET, &format!("{PATH}/report"), None).await
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
    // A termination before the label's call would leave no label.
    let asked = r#"chaos_idempotency_keys{led_to="in_flight"} 1"#;
    test.wait_until("the label's call", || async { test.metrics(&PROVIDER).await.contains(asked) }).await;
    let id = format!("order-fulfillment-{}", test.order_id(order));
    test.temporal(&["workflow", "terminate", "-w", &id, "--reason", "by hand"]).await;
    // The label's call was on its way, and nobody waits for it any more.
    test.wait_until("the label", || async { test.effects(order).await.contains(&"labelled".to_owned()) })
        .await;
}
