//! Tests every scenario of the provider at every call of an order: once, and until the attempts are used up.

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::PROVIDER;

use crate::support::TestStack;

/// The calls of an order, and what makes an order come to each of them.
fn calls() -> Vec<(&'static str, Value)> {
    let lost = vec!["timeout"; ATTEMPTS];
    vec![
        ("payment.authorize", json!({})),
        ("inventory.reserve", json!({})),
        ("payment.capture", json!({})),
        ("shipping.create-label", json!({})),
        ("notification.send", json!({})),
        ("payment.release", json!({"inventory.reserve": ["out_of_stock"]})),
        ("payment.refund", json!({"shipping.create-label": ["address_error"]})),
        ("inventory.release", json!({"shipping.create-label": ["address_error"]})),
        ("shipping.cancel", json!({ "shipping.create-label": lost })),
    ]
}

/// Exceeds the attempts of every call.
const ATTEMPTS: usize = 5;
/// The orders that run at the same time.
const CONCURRENCY: usize = 12;

#[tokio::test]
async fn every_scenario_at_every_call_leaves_a_ledger_without_contradictions() {
    let test = TestStack::start("matrix").await;
    let (_, known) = test.call(&PROVIDER, Method::GET, "/chaos/scenarios", None).await;
    let mut orders = Vec::new();
    for (operation, plan) in calls() {
        let scenarios = known["operations"][operation].as_array().unwrap_or_else(|| panic!("{known}"));
        assert!(scenarios.len() > 3, "{operation} has hardly any scenario");
        for scenario in scenarios.iter().map(|scenario| scenario["name"].as_str().unwrap()) {
            for times in [1, ATTEMPTS] {
                let mut plan = plan.clone();
                plan[operation] = json!(vec![scenario; times]);
                orders.push((operation, format!("{operation}-{scenario}-{times}"), plan));
            }
        }
    }
    let run = |(operation, order, plan): (&'static str, String, Value)| {
        let test = &test;
        async move {
            test.plan(&order, &plan).await;
            test.place(&test.order(&order)).await;
            let end = test.wait_for_end(&order).await;
            let code = end["error"]["code"].as_str().unwrap_or_default();
            assert!(!["INTERNAL", "LEDGER_MISMATCH"].contains(&code), "{order}: {end}");
            test.assert_verdict(&order, &end).await;
            assert!(!test.journal(&order, operation).await.is_empty(), "{order} never came to the call");
        }
    };
    stream::iter(orders).map(run).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
    test.stop().await;
}
