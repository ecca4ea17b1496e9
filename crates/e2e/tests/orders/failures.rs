//! Tests refusals, lost answers and failures. Ledger and order agree after each of them.

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, WORKER};

use crate::support::{TestStack, names};

#[tokio::test]
async fn a_decline_ends_the_order_at_once_with_the_providers_message() {
    let test = TestStack::start("declined").await;
    test.plan("1", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    let end = test.run("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PAYMENT_DECLINED")));
    let journal = test.journal("1", "payment.authorize").await;
    assert_eq!(journal.len(), 1, "a decline is not retried");
    assert!(!end["error"]["message"].as_str().unwrap().contains("Activity task failed"), "{end}");
    assert_eq!(end["compensations"], json!([]), "a refused call is not undone");
    test.stop().await;
}

#[tokio::test]
async fn an_order_that_cannot_be_delivered_is_undone_in_reverse() {
    let test = TestStack::start("undeliverable").await;
    test.plan("1", &json!({"shipping.create-label": ["address_error"]})).await;
    let end = test.run("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("ADDRESS_REJECTED")));
    assert_eq!(names(&end["compensations"]), ["refund_payment", "release_inventory"]);
    test.stop().await;
}

#[tokio::test]
async fn lost_answers_charge_and_reserve_nothing_twice() {
    let test = TestStack::start("lost").await;
    let plan = json!({
        "payment.authorize": ["timeout_after_commit"],
        "inventory.reserve": ["timeout_after_commit"],
        "payment.capture": ["already_captured"],
        "shipping.create-label": ["timeout_after_commit"],
    });
    test.plan("1", &plan).await;
    let end = test.run("1").await;
    assert_eq!(end["status"], "shipped");
    assert_eq!(test.journal("1", "payment.authorize").await.len(), 2, "the second call replays the first");
    test.stop().await;
}

#[tokio::test]
async fn a_capture_with_a_lost_answer_is_refunded() {
    let test = TestStack::start("unheard").await;
    let lost = json!(["timeout_after_commit", "internal_error", "internal_error"]);
    test.plan("1", &json!({"payment.capture": lost, "shipping.create-label": ["address_error"]})).await;
    let end = test.run("1").await;
    assert_eq!(end["status"], "failed");
    assert!(names(&end["compensations"]).contains(&"refund_payment"));
    test.stop().await;
}

#[tokio::test]
async fn a_notification_that_fails_does_not_stop_an_order() {
    let test = TestStack::start("unnotified").await;
    test.plan("1", &json!({"notification.send": ["internal_error"]})).await;
    let end = test.run("1").await;
    assert_eq!(end["status"], "shipped");
    let last = end["completedSteps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["status"]), (&json!("customer_notification"), &json!("failed")));
    test.stop().await;
}

#[tokio::test]
async fn an_undo_that_fails_is_shown_and_retried_until_it_succeeds() {
    let test = TestStack::start("stubborn").await;
    let failing = vec!["internal_error"; 3];
    let plan = json!({"inventory.reserve": ["out_of_stock"], "payment.release": failing});
    test.plan("1", &plan).await;
    test.place(&test.order("1")).await;
    let failed = test
        .wait_for_state("1", "compensation_failed", |state| state["status"] == "compensation_failed")
        .await;
    assert_eq!(failed["compensations"][0]["status"], "failed");
    assert_eq!(failed["compensations"][0]["attempts"], 3);
    let end = test.wait_for_end("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("OUT_OF_STOCK")));
    assert_eq!(end["compensations"][0]["attempts"], 4);
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn without_a_worker_an_order_waits_and_its_status_gives_the_reason() {
    let mut test = TestStack::start("workerless").await;
    test.stack.kill(&WORKER).unwrap();
    test.place(&test.order("1")).await;
    let asked = std::time::Instant::now();
    let path = "/api/v1/order/order-fulfillment-workerless-1/status";
    let (status, body) = test.call(&API, Method::GET, path, None).await;
    assert_eq!((status, &body["error"]), (503, &json!("worker_unavailable")));
    assert!(asked.elapsed() < std::time::Duration::from_secs(5), "{:?}", asked.elapsed());
    test.stack.restart(&WORKER).await.unwrap();
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    test.stop().await;
}
