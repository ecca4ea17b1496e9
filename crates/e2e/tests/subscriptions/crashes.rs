//! Tests workers that are killed while a subscription runs.

use serde_json::json;
use xtask::services::{PROVIDER, WORKER};

use crate::{assert_orders, captures, create, start, start_with, subscription, wait_for, wait_for_status};

#[tokio::test]
async fn a_worker_killed_during_an_order_ships_each_order_once() {
    let mut test = start_with("killed-order", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "2s".to_owned()));
    })
    .await;
    let mut body = subscription(&test, "beans");
    body["maxOrders"] = json!(2);
    create(&test, &body).await;
    test.wait_until("a capture", || async { captures(&test, "beans-1").await == 1 }).await;
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    let end = wait_for_status(&test, "beans", "completed").await;
    assert_eq!((&end["orders"], &end["shipped"]), (&json!(2), &json!(2)), "{end}");
    assert_orders(&test, "beans", 1..=2, "shipped").await;
    assert_eq!((captures(&test, "beans-1").await, captures(&test, "beans-2").await), (1, 1));
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_between_two_orders_places_the_next_one() {
    let mut test = start("killed-wait").await;
    let mut body = subscription(&test, "beans");
    body["every"] = json!("4s");
    body["maxOrders"] = json!(2);
    create(&test, &body).await;
    wait_for(&test, "beans", "the wait", |state| state["shipped"] == 1 && state["nextOrderAt"].is_string())
        .await;
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    let end = wait_for_status(&test, "beans", "completed").await;
    assert_eq!(end["shipped"], 2, "{end}");
    assert_orders(&test, "beans", 1..=2, "shipped").await;
    test.stop().await;
}
