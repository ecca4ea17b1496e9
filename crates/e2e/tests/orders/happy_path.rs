//! Tests orders that ship.

use std::collections::BTreeSet;

use futures::future::join_all;
use proptest::{
    collection::vec,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::support::{TestStack, names};

#[tokio::test]
async fn an_order_ships_and_the_ledger_holds_its_exact_amount() {
    let test = TestStack::start("ships").await;
    let placed = test.place(&test.order("1")).await;
    assert_eq!(
        (&placed["status"], &placed["workflowId"]),
        (&json!("processing"), &json!("order-fulfillment-ships-1"))
    );

    let end = test.wait_for_end("1").await;
    assert_eq!(
        (&end["success"], &end["status"], &end["progress"]),
        (&json!(true), &json!("shipped"), &json!(100))
    );
    assert_eq!(
        names(&end["completedSteps"]),
        [
            "payment_authorization",
            "inventory_reservation",
            "payment_capture",
            "shipping_label",
            "customer_notification"
        ]
    );
    let (_, payment) = test
        .call(&PROVIDER, Method::GET, &format!("/payment/{}", end["authId"].as_str().unwrap()), None)
        .await;
    assert_eq!((&payment["amount"], &payment["status"]), (&json!(5998), &json!("captured")));
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

/// Returns random prices and quantities, and the smallest and the largest amount of an order.
fn any_items() -> Vec<Vec<(u64, u64)>> {
    let mut runner = TestRunner::deterministic();
    let items = vec((1_u64..=20, 1_u64..=4000), 1..=100);
    let drawn = (0..22).map(|_| items.new_tree(&mut runner).unwrap().current());
    [vec![(1, 1)], vec![(1, 99_999_999)]].into_iter().chain(drawn).collect()
}

/// Returns an amount in major units.
fn decimal(cents: u64) -> Value {
    serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
}

#[tokio::test]
async fn the_ledger_holds_exactly_the_sum_of_the_items() {
    let test = TestStack::start("sums").await;
    let orders = any_items().into_iter().enumerate().map(|(number, items)| {
        let test = &test;
        async move {
            let name = number.to_string();
            let sum: u64 = items.iter().map(|(quantity, cents)| quantity * cents).sum();
            let mut order = test.order(&name);
            order["items"] = items
                .iter()
                .map(
                    |(quantity, cents)| json!({"sku": "any", "quantity": quantity, "price": decimal(*cents)}),
                )
                .collect();
            order["totalAmount"] = decimal(sum);
            test.place(&order).await;
            let end = test.wait_for_end(&name).await;
            let ledger = test.ledger(&name).await;
            let captured: Vec<_> = ledger["entries"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|entry| entry["effect"] == "captured")
                .map(|entry| entry["amount"].clone())
                .collect();
            assert_eq!(captured, [json!(sum)], "{items:?}");
            test.assert_verdict(&name, &end).await;
        }
    });
    join_all(orders).await;
    test.stop().await;
}

#[tokio::test]
async fn an_order_that_runs_or_has_shipped_cannot_be_placed_again() {
    let test = TestStack::start("twice").await;
    let order = test.order("1");
    test.place(&order).await;
    let mut other = order.clone();
    other["customerEmail"] = json!("grace.hopper@example.com");
    let (status, body) = test.call(&API, Method::POST, "/api/v1/order", Some(&other)).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_exists")));
    test.wait_for_end("1").await;
    let (status, body) = test.call(&API, Method::POST, "/api/v1/order", Some(&order)).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_exists")));
    assert_eq!(test.journal("1", "payment.authorize").await.len(), 1);
    test.stop().await;
}

#[tokio::test]
async fn one_correlation_id_joins_every_process_and_no_log_names_a_person() {
    let test = TestStack::start("correlated").await;
    test.place(&test.order("1")).await;
    test.wait_for_end("1").await;
    let described =
        test.temporal(&["workflow", "describe", "-w", "order-fulfillment-correlated-1", "-o", "json"]).await;
    let id = test.journal("1", "payment.capture").await[0]["correlationId"].as_str().unwrap().to_owned();
    for service in [&API, &WORKER, &PROVIDER] {
        let log = test.log(service);
        assert!(log.contains(&id), "the log of {} lacks {id}", service.name);
        for secret in ["ada.lovelace", "Lovelace", "Analytical Row"] {
            assert!(!log.contains(secret), "{} logs {secret}", service.name);
        }
    }
    assert!(described.contains("correlationId"), "{described}");
    test.stop().await;
}

#[tokio::test]
async fn metrics_count_one_order_exactly() {
    let test = TestStack::start("counted").await;
    test.place(&test.order("1")).await;
    test.wait_for_end("1").await;
    let worker = test.metrics(&WORKER).await;
    for activity in
        ["authorizePayment", "reserveInventory", "capturePayment", "createShippingLabel", "sendNotification"]
    {
        let line = format!(
            r#"order_activity_attempts_total{{activity="{activity}",code="",outcome="completed"}} 1"#
        );
        assert!(worker.contains(&line), "{line}\n{worker}");
    }
    assert!(worker.contains("temporal_workflow_completed_total"), "the SDK's own metrics are missing");
    let provider = test.metrics(&PROVIDER).await;
    for operation in [
        "payment.authorize",
        "inventory.reserve",
        "payment.capture",
        "shipping.create-label",
        "notification.send",
    ] {
        let counted: Vec<&str> =
            provider.lines().filter(|line| line.contains(&format!(r#"operation="{operation}""#))).collect();
        assert_eq!(counted.len(), 1, "{counted:?}");
        assert!(counted[0].contains(r#"scenario="success""#) && counted[0].ends_with(" 1"), "{counted:?}");
    }
    let api = test.metrics(&API).await;
    assert!(
        api.contains(r#"http_requests_total{method="POST",route="/api/v1/order",status="201"} 1"#),
        "{api}"
    );
    test.stop().await;
}

/// Returns the lines of one metric without its name.
fn counted(metrics: &str, name: &str) -> Vec<String> {
    metrics.lines().filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect()
}

#[tokio::test]
async fn metrics_count_every_fault_of_an_order_exactly() {
    let test = TestStack::start("faulty").await;
    let faults = json!({
        "payment.authorize": ["timeout", "internal_error", "success"],
        "inventory.reserve": ["timeout_after_commit"],
        "payment.capture": ["already_captured"],
        "notification.send": ["timeout"],
    });
    test.plan("1", &faults).await;
    assert_eq!(test.run("1").await["status"], "shipped");
    test.plan("2", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    assert_eq!(test.run("2").await["status"], "failed");

    let provider = test.metrics(&PROVIDER).await;
    let line = |operation, scenario, effect, outcome| {
        format!(
            r#"{{effect="{effect}",operation="{operation}",outcome="{outcome}",scenario="{scenario}"}} 1"#
        )
    };
    assert_eq!(
        BTreeSet::from_iter(counted(&provider, "chaos_requests_total")),
        BTreeSet::from([
            line("payment.authorize", "timeout", "skip", "timeout"),
            line("payment.authorize", "internal_error", "skip", "internal_error"),
            line("payment.authorize", "success", "apply", "success"),
            line("payment.authorize", "insufficient_funds", "skip", "insufficient_funds"),
            line("inventory.reserve", "timeout_after_commit", "apply", "timeout"),
            line("inventory.reserve", "timeout_after_commit", "replay", "success"),
            line("payment.capture", "already_captured", "apply", "already_captured"),
            line("shipping.create-label", "success", "apply", "success"),
            line("notification.send", "timeout", "skip", "timeout"),
        ])
    );
    let worker = test.metrics(&WORKER).await;
    let line =
        |activity, outcome, code| format!(r#"{{activity="{activity}",code="{code}",outcome="{outcome}"}} 1"#);
    assert_eq!(
        BTreeSet::from_iter(counted(&worker, "order_activity_attempts_total")),
        BTreeSet::from([
            line("authorizePayment", "retryable", "timeout"),
            line("authorizePayment", "retryable", "internal_error"),
            line("authorizePayment", "completed", ""),
            line("authorizePayment", "final", "insufficient_funds"),
            line("reserveInventory", "retryable", "timeout"),
            line("reserveInventory", "completed", ""),
            line("capturePayment", "completed", ""),
            line("createShippingLabel", "completed", ""),
            line("sendNotification", "retryable", "timeout"),
        ])
    );
    test.stop().await;
}

#[tokio::test]
async fn orders_are_listed_by_status_and_customer_page_by_page() {
    let test = TestStack::start("listed").await;
    for order in ["1", "2", "3"] {
        test.place(&test.order(order)).await;
    }
    for order in ["1", "2", "3"] {
        test.wait_for_end(order).await;
    }
    let list =
        "/api/v1/orders?status=shipped&customerId=customer-of-listed&minTotal=59.98&maxTotal=59.98&limit=2";
    let deadline = std::time::Instant::now() + crate::support::TIMEOUT;
    let first = loop {
        // Temporal's list is updated with a short delay.
        let (status, page) = test.call(&API, Method::GET, list, None).await;
        assert_eq!(status, 200, "{page}");
        if page["nextPageToken"].is_string() {
            break page;
        }
        assert!(std::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let token = first["nextPageToken"].as_str().unwrap();
    let (_, second) = test.call(&API, Method::GET, &format!("{list}&pageToken={token}"), None).await;
    let mut ids: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["orders"].as_array().unwrap())
        .map(|order| {
            assert_eq!((&order["status"], &order["totalAmount"]), (&json!("shipped"), &json!(59.98)));
            order["orderId"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["listed-1", "listed-2", "listed-3"]);
    test.stop().await;
}
