//! Approval, rejection, timeout, cancellation.

use serde_json::{Value, json};
use xtask::services::{API, PROVIDER};

use crate::support::{World, names};

fn asking(world: &World, order: &str) -> Value {
    let mut body = world.order(order);
    body["requiresApproval"] = json!(true);
    body
}

#[tokio::test]
async fn an_approved_order_ships() {
    let world = World::start("approved").await;
    assert_eq!(world.place(&asking(&world, "1")).await["status"], "pending_approval");
    world.until_step("1", "awaiting_approval").await;
    assert_eq!(world.tell("1", "approve", None).await.0, 200);
    let end = world.end("1").await;
    assert_eq!((&end["status"], &end["decision"]), (&json!("shipped"), &json!("approved")));
    assert!(names(&end["completedSteps"]).contains(&"manager_approval"));
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn an_approval_before_the_wait_counts() {
    let world = World::start("early").await;
    world.plan("1", &json!({"payment.authorize": ["timeout", "success"]})).await;
    world.place(&asking(&world, "1")).await;
    assert_eq!(world.tell("1", "approve", None).await.0, 200);
    assert_eq!(world.end("1").await["status"], "shipped");
    world.stop().await;
}

#[tokio::test]
async fn a_rejected_order_ends_with_its_reason_and_the_hold_released() {
    let world = World::start("rejected").await;
    world.place(&asking(&world, "1")).await;
    world.until_step("1", "awaiting_approval").await;
    assert_eq!(world.tell("1", "reject", Some(&json!({"reason": "too dear"}))).await.0, 200);
    let end = world.end("1").await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("rejected")));
    assert_eq!(
        end["error"],
        json!({"code": "ORDER_REJECTED", "message": "the order was rejected: too dear"})
    );
    assert_eq!(names(&end["compensations"]), ["release_payment"]);
    world.must_agree("1", &end).await;
    let (status, body) = world.tell("1", "approve", None).await;
    assert_eq!((status, &body["error"]), (409, &json!("already_decided")));
    world.stop().await;
}

#[tokio::test]
async fn an_order_nobody_decides_on_is_rejected_in_time() {
    let world = World::start_with("undecided", |options| {
        options.environment.push((&API, "APPROVAL_TIMEOUT", "1s".to_owned()));
    })
    .await;
    world.place(&asking(&world, "1")).await;
    let end = world.end("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("rejected"), &json!("APPROVAL_TIMEOUT")));
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn a_cancellation_while_the_label_is_made_undoes_everything_in_reverse() {
    let world = World::start_with("cancelled", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "20s".to_owned()));
    })
    .await;
    world.place(&world.order("1")).await;
    world.until_step("1", "creating_shipping_label").await;
    let asked = std::time::Instant::now();
    assert_eq!(world.tell("1", "cancel", Some(&json!({"reason": "changed my mind"}))).await.0, 200);
    let end = world.end("1").await;
    assert!(asked.elapsed() < std::time::Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("cancelled"), &json!("ORDER_CANCELLED")));
    assert_eq!(names(&end["compensations"]), ["cancel_shipping", "refund_payment", "release_inventory"]);
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn temporals_own_cancellation_does_the_same() {
    let world = World::start_with("terminal", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "20s".to_owned()));
    })
    .await;
    world.place(&world.order("1")).await;
    world.until_step("1", "creating_shipping_label").await;
    world.temporal(&["workflow", "cancel", "-w", "order-fulfillment-terminal-1"]).await;
    let end = world.end("1").await;
    assert_eq!(end["status"], "cancelled");
    assert_eq!(names(&end["compensations"]), ["cancel_shipping", "refund_payment", "release_inventory"]);
    world.must_agree("1", &end).await;
    world.stop().await;
}
