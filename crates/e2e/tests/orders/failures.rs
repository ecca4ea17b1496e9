//! Refusals, lost answers, crashes, outages: whatever fails, ledger and order agree in the end.

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, WORKER};

use crate::support::{World, names};

#[tokio::test]
async fn a_decline_ends_the_order_at_once_with_the_providers_message() {
    let world = World::start("declined").await;
    world.plan("1", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    let end = world.run("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PAYMENT_DECLINED")));
    let journal = world.journal("1", "payment.authorize").await;
    assert_eq!(journal.len(), 1, "a decline is never tried again");
    assert!(!end["error"]["message"].as_str().unwrap().contains("Activity task failed"), "{end}");
    assert_eq!(end["compensations"], json!([]), "nothing happened, so nothing is undone");
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_cannot_be_delivered_is_undone_in_reverse() {
    let world = World::start("undeliverable").await;
    world.plan("1", &json!({"shipping.create-label": ["address_error"]})).await;
    let end = world.run("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("ADDRESS_REJECTED")));
    assert_eq!(names(&end["compensations"]), ["refund_payment", "release_inventory"]);
    world.stop().await;
}

#[tokio::test]
async fn lost_answers_charge_and_reserve_nothing_twice() {
    let world = World::start("lost").await;
    let plan = json!({
        "payment.authorize": ["timeout_after_commit"],
        "inventory.reserve": ["timeout_after_commit"],
        "payment.capture": ["already_captured"],
        "shipping.create-label": ["timeout_after_commit"],
    });
    world.plan("1", &plan).await;
    let end = world.run("1").await;
    assert_eq!(end["status"], "shipped");
    assert_eq!(world.journal("1", "payment.authorize").await.len(), 2, "the second call replays the first");
    world.stop().await;
}

#[tokio::test]
async fn a_capture_that_nobody_heard_of_is_refunded() {
    let world = World::start("unheard").await;
    let lost = json!(["timeout_after_commit", "internal_error", "internal_error"]);
    world.plan("1", &json!({"payment.capture": lost, "shipping.create-label": ["address_error"]})).await;
    let end = world.run("1").await;
    assert_eq!(end["status"], "failed");
    assert!(names(&end["compensations"]).contains(&"refund_payment"));
    world.stop().await;
}

#[tokio::test]
async fn a_notification_that_fails_does_not_stop_an_order() {
    let world = World::start("unnotified").await;
    world.plan("1", &json!({"notification.send": ["internal_error"]})).await;
    let end = world.run("1").await;
    assert_eq!(end["status"], "shipped");
    let last = end["completedSteps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["status"]), (&json!("customer_notification"), &json!("failed")));
    world.stop().await;
}

#[tokio::test]
async fn an_undo_that_fails_is_shown_and_tried_again_until_it_succeeds() {
    let world = World::start("stubborn").await;
    let failing = vec!["internal_error"; 3];
    let plan = json!({"inventory.reserve": ["out_of_stock"], "payment.release": failing});
    world.plan("1", &plan).await;
    world.place(&world.order("1")).await;
    let failed =
        world.until("1", "compensation_failed", |state| state["status"] == "compensation_failed").await;
    assert_eq!(failed["compensations"][0]["status"], "failed");
    assert_eq!(failed["compensations"][0]["attempts"], 3);
    let end = world.end("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("OUT_OF_STOCK")));
    assert_eq!(end["compensations"][0]["attempts"], 4);
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn without_a_worker_an_order_waits_and_its_status_says_why() {
    let mut world = World::start("workerless").await;
    world.stack.kill(&WORKER).unwrap();
    world.place(&world.order("1")).await;
    let asked = std::time::Instant::now();
    let path = "/api/v1/order/order-fulfillment-workerless-1/status";
    let (status, body) = world.call(&API, Method::GET, path, None).await;
    assert_eq!((status, &body["error"]), (503, &json!("worker_unavailable")));
    assert!(asked.elapsed() < std::time::Duration::from_secs(5), "{:?}", asked.elapsed());
    world.stack.start_again(&WORKER).await.unwrap();
    assert_eq!(world.end("1").await["status"], "shipped");
    world.stop().await;
}
