//! Tests what a reconciliation finds and repairs.

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    assert_clean, counts, plant_orphan,
    poll::poll,
    reconcile, report, start, start_with,
    support::{TestStack, record},
    trigger, wait_for_report,
};

#[tokio::test]
async fn an_order_terminated_by_hand_is_found_shown_and_released() {
    let test = start("orphaned").await;
    plant_orphan(&test, "1").await;

    let found = reconcile(&test, false).await;
    assert_eq!(counts(&found), [1, 0, 0, 0], "{found}");
    let orphan = &found["orphans"][0];
    assert_eq!(
        (&orphan["orderId"], &orphan["end"]),
        (&json!("orphaned-1"), &json!("terminated")),
        "{orphan}"
    );
    let effects: Vec<_> = orphan["open"].as_array().unwrap().iter().map(|one| &one["effect"]).collect();
    assert_eq!(effects, ["captured", "reserved", "labelled"], "{orphan}");
    assert!(!test.effects("1").await.contains(&"refunded".to_owned()), "a report changes nothing");

    let repaired = reconcile(&test, true).await;
    assert_eq!(counts(&repaired), [1, 0, 1, 0], "{repaired}");
    assert_eq!(report(&test).await.1["orphans"][0]["repair"], "repaired");
    record("reconciliation-compared-before-repair", "reconciliation-orphaned").await;
    assert_clean(&test, "1").await;

    let clean = reconcile(&test, true).await;
    assert_eq!(counts(&clean), [0, 0, 0, 0], "{clean}");
    record("reconciliation-clean", "reconciliation-orphaned").await;
    let metrics = test.metrics(&WORKER).await;
    for line in [
        "reconciliation_orphans 0",
        "reconciliation_orders 1",
        r#"reconciliation_repairs_total{result="repaired"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing");
    }
    test.stop().await;
}

#[tokio::test]
async fn orders_that_run_shipped_or_failed_agree_and_get_their_outcomes() {
    let test = start("agreeing").await;
    test.plan("declined", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    let mut waiting = test.order("waiting");
    waiting["requiresApproval"] = json!(true);
    for order in [test.order("shipped"), test.order("declined"), waiting] {
        test.place(&order).await;
    }
    test.wait_for_end("shipped").await;
    test.wait_for_end("declined").await;
    test.wait_for_step("waiting", "awaiting_approval").await;
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 0, 0, 0], "{report}");
    assert_eq!(report["outcomesRecorded"], 2, "{report}");
    for (order, outcome) in [("shipped", "shipped"), ("declined", "not_shipped")] {
        assert_eq!(test.ledger(order).await["outcome"]["outcome"], outcome);
        assert_clean(&test, order).await;
    }
    test.signal_by_api("waiting", "approve", None).await;
    assert_eq!(test.wait_for_end("waiting").await["status"], "shipped");
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_during_a_repair_repairs_once() {
    let mut test = start("repair-killed").await;
    plant_orphan(&test, "1").await;
    test.plan("1", &json!({"payment.refund": ["timeout_after_commit"]})).await;
    trigger(&test, true).await;
    test.wait_until("the refund", || async { refunds(&test).await == 1 }).await;
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    let report = wait_for_report(&test).await;
    assert_eq!(counts(&report), [1, 0, 1, 0], "{report}");
    assert_eq!(refunds(&test).await, 1);
    assert_clean(&test, "1").await;
    test.stop().await;
}

async fn refunds(test: &TestStack) -> usize {
    test.effects("1").await.iter().filter(|effect| *effect == "refunded").count()
}

#[tokio::test]
async fn a_repair_that_the_provider_refuses_is_reported_and_tried_again_by_the_next_run() {
    let test = start("repair-refused").await;
    plant_orphan(&test, "1").await;
    test.plan("1", &json!({"payment.refund": vec!["internal_error"; 3]})).await;
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [1, 0, 0, 1], "{report}");
    let orphan = &report["orphans"][0];
    assert_eq!(orphan["repair"], "failed", "{orphan}");
    assert!(orphan["error"]["code"].is_string(), "{orphan}");
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [1, 0, 1, 0], "{report}");
    assert_clean(&test, "1").await;
    test.stop().await;
}

#[tokio::test]
async fn what_an_earlier_run_left_open_is_undone_and_the_present_one_ships() {
    let test = start("placed-again").await;
    plant_orphan(&test, "1").await;
    test.place(&test.order("1")).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [1, 0, 1, 0], "{report}");
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 0, 0, 0], "{report}");
    assert_clean(&test, "1").await;
    test.stop().await;
}

#[tokio::test]
async fn a_shipped_order_that_somebody_refunded_is_a_contradiction_that_no_repair_touches() {
    let test = start("refunded-by-hand").await;
    test.run("1").await;
    let payment = json!({"authId": test.ledger("1").await["entries"][0]["resource"]});
    let (status, body) = test.call(&PROVIDER, Method::POST, "/payment/refund", Some(&payment)).await;
    assert_eq!(status, 200, "{body}");
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 1, 0, 0], "{report}");
    let found = &report["contradictions"][0];
    assert_eq!((&found["difference"], &found["repair"]), (&json!("not_as_it_ended"), &json!("none")));
    test.stop().await;
}

#[tokio::test]
async fn an_order_that_the_ledger_forgot_is_found_by_its_execution() {
    let mut test = start("forgotten").await;
    test.run("1").await;
    test.stack.kill(&PROVIDER).unwrap();
    for file in std::fs::read_dir(test.stack.options().folder.join("ledger")).into_iter().flatten() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    test.stack.restart(&PROVIDER).await.unwrap();
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 1, 0, 0], "{report}");
    let found = &report["contradictions"][0];
    assert_eq!((&found["orderId"], &found["end"]), (&json!("forgotten-1"), &json!("shipped")), "{found}");
    assert_eq!(found["open"], json!([]));
    test.stop().await;
}

/// Both causes have one id in the ledger.
#[tokio::test]
async fn a_payment_that_succeeded_survives_the_repair_of_a_failed_order_with_its_id() {
    let test = start_with("one-id", |options| {
        options.environment.push((&API, "PAYMENT_CANCEL_WINDOW", "1s".to_owned()));
    })
    .await;
    test.plan("1", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    test.place(&test.order("1")).await;
    assert_eq!(test.wait_for_end("1").await["status"], "failed");
    let payment =
        json!({"orderId": test.order_id("1"), "amount": 5998, "currency": "usd", "source": "tok_visa"});
    let path = "/api/v1/workflows/payment";
    let (status, body) = test.call(&API, Method::POST, path, Some(&payment)).await;
    assert_eq!(status, 202, "{body}");
    let path = format!("/api/v1/workflows/payment-{}/status", test.order_id("1"));
    poll(&test, &path, "its end", |payment| payment["closeTime"].is_string()).await;

    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 0, 0, 0], "{report}");
    assert_eq!(refunds(&test).await, 0);
    assert_eq!(test.ledger("1").await["outcome"]["outcome"], "paid");
    assert_clean(&test, "1").await;
    test.stop().await;
}

#[tokio::test]
async fn an_order_that_shipped_before_temporal_forgot_it_survives_every_repair() {
    let test = start("forgotten-run").await;
    test.place(&test.order("1")).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    forget(&test, "1").await;
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 1, 0, 0], "nobody recorded that it shipped: {report}");
    assert_eq!(report["contradictions"][0]["difference"], "unknown_order");

    // The same id is used again, and that order fails.
    test.plan("1", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    test.place(&test.order("1")).await;
    assert_eq!(test.wait_for_end("1").await["status"], "failed");
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 1, 0, 0], "{report}");
    assert_eq!(refunds(&test).await, 0);
    test.stop().await;
}

#[tokio::test]
async fn an_order_whose_shipping_is_recorded_agrees_after_temporal_forgot_it() {
    let test = start("recorded-run").await;
    test.place(&test.order("1")).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    assert_eq!(reconcile(&test, false).await["outcomesRecorded"], 1);
    forget(&test, "1").await;
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 0, 0, 0], "{report}");
    assert_clean(&test, "1").await;
    test.stop().await;
}

/// Deletes an order's execution, as Temporal's retention does.
async fn forget(test: &TestStack, order: &str) {
    let id = format!("order-fulfillment-{}", test.order_id(order));
    test.temporal(&["workflow", "delete", "-w", &id, "--yes"]).await;
    let path = format!("/api/v1/order/{id}/status");
    test.wait_until("the deletion", || async { test.call(&API, Method::GET, &path, None).await.0 == 404 })
        .await;
}

#[tokio::test]
async fn an_order_that_ships_when_it_is_placed_again_has_its_new_outcome() {
    let test = start("outcome-again").await;
    test.plan("1", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    test.place(&test.order("1")).await;
    assert_eq!(test.wait_for_end("1").await["status"], "failed");
    reconcile(&test, false).await;
    assert_eq!(test.ledger("1").await["outcome"]["outcome"], "not_shipped");
    test.place(&test.order("1")).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    let report = reconcile(&test, false).await;
    assert_eq!((counts(&report), &report["outcomesRecorded"]), ([0, 0, 0, 0], &json!(1)), "{report}");
    assert_eq!(test.ledger("1").await["outcome"]["outcome"], "shipped");
    assert_eq!(report["orders"], 1, "the ledger and the executions have the same order: {report}");
    assert_clean(&test, "1").await;
    test.stop().await;
}

/// A reset ends the first run as terminated. The keys of the run after it name the first run, too.
#[tokio::test]
async fn an_order_that_was_reset_is_judged_by_its_last_run() {
    let test = start("reset-orphan").await;
    plant_orphan(&test, "1").await;
    let id = format!("order-fulfillment-{}", test.order_id("1"));
    let reset = ["workflow", "reset", "-w", &id, "--type", "LastWorkflowTask", "--reason", "a test"];
    test.temporal(&reset).await;
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    let report = reconcile(&test, true).await;
    assert_eq!(counts(&report), [0, 0, 0, 0], "{report}");
    assert_eq!(refunds(&test).await, 0);
    assert_clean(&test, "1").await;
    test.stop().await;
}
