//! Tests subscriptions from outside, with real processes and a real Temporal server.

mod changes;
mod crashes;
mod flood;
mod histories;
mod periods;
#[allow(dead_code, unused_imports, reason = "orders use the rest")]
#[path = "../support/mod.rs"]
mod support;

#[path = "../support/poll.rs"]
mod poll;

use poll::poll;
use reqwest::Method;
use serde_json::{Value, json};
use support::TestStack;
use xtask::services::{API, Options, PROVIDER};

/// Starts a stack whose subscriptions place a failed order again after a second.
async fn start(name: &'static str) -> TestStack {
    start_with(name, |_| ()).await
}

async fn start_with(name: &'static str, change: impl FnOnce(&mut Options)) -> TestStack {
    TestStack::start_with(name, |options| {
        options.environment.push((&API, "SUBSCRIPTION_RETRY_AFTER", "1s".to_owned()));
        change(options);
    })
    .await
}

fn path(test: &TestStack, name: &str, rest: &str) -> String {
    format!("/api/v1/subscriptions/{}{rest}", test.order_id(name))
}

/// Returns the body of a subscription with an order each second.
fn subscription(test: &TestStack, name: &str) -> Value {
    json!({
        "subscriptionId": test.order_id(name),
        "customerId": "customer-7",
        "customerEmail": "ada.lovelace@example.com",
        "items": [{"sku": "beans", "quantity": 2, "price": 29.99}],
        "shippingAddress": {"street": "12 Analytical Row", "city": "London", "zip": "W1", "country": "GB"},
        "every": "1s",
    })
}

async fn create(test: &TestStack, body: &Value) -> Value {
    let (status, answer) = test.call(&API, Method::POST, "/api/v1/subscriptions", Some(body)).await;
    assert_eq!(status, 201, "{answer}");
    answer
}

async fn state(test: &TestStack, name: &str) -> Value {
    let (status, body) = test.call(&API, Method::GET, &path(test, name, ""), None).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn wait_for(test: &TestStack, name: &str, what: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    poll(test, &path(test, name, ""), what, is_there).await
}

async fn wait_for_status(test: &TestStack, name: &str, status: &str) -> Value {
    wait_for(test, name, status, |state| state["status"] == status).await
}

async fn post(test: &TestStack, name: &str, what: &str) -> (u16, Value) {
    test.call(&API, Method::POST, &path(test, name, &format!("/{what}")), None).await
}

/// Asserts that the orders of some periods ended as the subscription says, and that the verdict is clean.
async fn assert_orders(test: &TestStack, name: &str, periods: std::ops::RangeInclusive<u32>, status: &str) {
    for period in periods {
        let order = format!("{name}-{period}");
        let end = test.wait_for_end(&order).await;
        assert_eq!(end["status"], status, "{end}");
        test.assert_verdict(&order, &end).await;
    }
}

/// Lets every authorization of an order be declined.
async fn decline(test: &TestStack, order: &str, times: usize) {
    test.plan(order, &json!({"payment.authorize": vec!["insufficient_funds"; times]})).await;
}

async fn captures(test: &TestStack, order: &str) -> usize {
    let path = format!("/ledger/orders/{}", test.order_id(order));
    let (_, body) = test.call(&PROVIDER, Method::GET, &path, None).await;
    let entries = body["entries"].as_array().cloned().unwrap_or_default();
    entries.iter().filter(|entry| entry["effect"] == "captured").count()
}
