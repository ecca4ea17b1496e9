//! Tests the metrics that dashboards and alerts read, on the running processes.

use serde_json::json;
use xtask::services::{API, PROVIDER, Service, WORKER};

use crate::support::TestStack;

/// Waits until a service shows a line of metrics.
async fn wait_for_line(test: &TestStack, service: &Service, line: &str) {
    test.wait_until(line, || async { test.metrics(service).await.lines().any(|shown| shown == line) }).await;
}

#[tokio::test]
async fn the_ends_of_orders_are_counted_once_even_if_the_worker_replays_them() {
    let mut test = TestStack::start("counted-ends").await;
    test.plan("declined", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    test.run("shipped").await;
    test.run("declined").await;
    wait_for_line(&test, &WORKER, r#"orders_ended_total{status="shipped"} 1"#).await;
    wait_for_line(&test, &WORKER, r#"orders_ended_total{status="failed"} 1"#).await;
    let metrics = test.metrics(&WORKER).await;
    for line in [
        r#"order_duration_seconds_count{status="shipped"} 1"#,
        r#"order_activity_duration_seconds_count{activity="createShippingLabel",outcome="completed"} 1"#,
        r#"order_activity_duration_seconds_count{activity="authorizePayment",outcome="final"} 1"#,
        r#"service_build_info{service="temporal-worker",version="0.1.0"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing");
    }
    // A new worker replays the whole history for a query.
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    let id = format!("order-fulfillment-{}", test.order_id("shipped"));
    let query = ["workflow", "query", "-w", &id, "--name", "getOrderStatus"];
    test.wait_until("the query", || async { test.try_temporal(&query).await.is_ok() }).await;
    let metrics = test.metrics(&WORKER).await;
    assert!(!metrics.contains("orders_ended_total{"), "a replay is no end: {metrics}");
    test.stop().await;
}

#[tokio::test]
async fn open_orders_are_counted_by_status_until_they_end() {
    let test = TestStack::start_with("open-orders", |options| {
        options.environment.push((&API, "APPROVAL_TIMEOUT", "40s".to_owned()));
    })
    .await;
    let mut waiting = test.order("waiting");
    waiting["requiresApproval"] = json!(true);
    test.place(&waiting).await;
    test.wait_for_step("waiting", "awaiting_approval").await;
    wait_for_line(&test, &API, r#"orders_open{status="pending_approval"} 1"#).await;
    assert!(test.metrics(&API).await.contains("orders_approval_expiring 0\n"));
    wait_for_line(&test, &API, "orders_approval_expiring 1").await;
    test.signal_by_api("waiting", "approve", None).await;
    assert_eq!(test.wait_for_end("waiting").await["status"], "shipped");
    wait_for_line(&test, &API, r#"orders_open{status="pending_approval"} 0"#).await;
    wait_for_line(&test, &API, "orders_approval_expiring 0").await;
    test.stop().await;
}

#[tokio::test]
async fn the_ledgers_totals_and_contradictions_are_gauges() {
    let test = TestStack::start("ledger-gauges").await;
    test.run("1").await;
    for line in [
        r#"ledger_amount_minor_units{currency="usd",state="captured"} 5998"#,
        r#"ledger_amount_minor_units{currency="usd",state="held"} 0"#,
        r#"ledger_reservations{state="reserved"} 0"#,
        r#"ledger_reservations{state="fulfilled"} 1"#,
        r#"ledger_labels{state="open"} 1"#,
        "ledger_contradictions 0",
    ] {
        wait_for_line(&test, &PROVIDER, line).await;
    }
    let metrics = test.metrics(&PROVIDER).await;
    let number = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
    };
    assert!(number("ledger_file_bytes") > 4096.0);
    assert!(number("ledger_disk_free_bytes") > 4096.0);
    assert!(number("process_resident_memory_bytes") > 1_000_000.0);
    assert!(number("http_requests_in_flight") >= 1.0, "the scrape itself");

    // Somebody refunds the shipped order by hand.
    let payment = json!({"authId": test.ledger("1").await["entries"][0]["resource"]});
    let (status, body) = test.call(&PROVIDER, reqwest::Method::POST, "/payment/refund", Some(&payment)).await;
    assert_eq!(status, 200, "{body}");
    wait_for_line(&test, &PROVIDER, "ledger_contradictions 1").await;
    test.stop().await;
}
