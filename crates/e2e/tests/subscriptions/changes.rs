//! Tests the changes of a running subscription.

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, PROVIDER};

use crate::{
    assert_orders, create, path, post, start, start_with, state, subscription, wait_for, wait_for_status,
};

#[tokio::test]
async fn a_paused_subscription_places_no_order_until_it_is_resumed() {
    let test = start("paused").await;
    create(&test, &subscription(&test, "beans")).await;
    wait_for(&test, "beans", "an order", |state| state["shipped"] == 1).await;
    let (status, paused) = post(&test, "beans", "pause").await;
    assert_eq!((status, &paused["status"]), (200, &json!("paused")));
    let idle = wait_for(&test, "beans", "a pause", |state| state.get("runningOrder").is_none()).await;
    let (status, refused) = post(&test, "beans", "pause").await;
    assert_eq!((status, &refused["error"]), (409, &json!("subscription_already_paused")));
    assert_eq!(state(&test, "beans").await["orders"], idle["orders"]);
    assert_eq!(post(&test, "beans", "resume").await.0, 200);
    let more = idle["shipped"].as_u64().unwrap() + 2;
    wait_for(&test, "beans", "more orders", |state| state["shipped"].as_u64() >= Some(more)).await;
    assert_eq!(post(&test, "beans", "cancel").await.0, 200);
    let end = wait_for_status(&test, "beans", "cancelled").await;
    let last = u32::try_from(end["period"].as_u64().unwrap()).unwrap() - 1;
    assert_orders(&test, "beans", 1..=last, "shipped").await;
    test.stop().await;
}

#[tokio::test]
async fn the_next_order_has_the_changed_items_and_the_changed_address() {
    let test = start("changed").await;
    let mut body = subscription(&test, "beans");
    body["startAt"] = json!("2099-01-01T00:00:00Z");
    body["maxOrders"] = json!(1);
    create(&test, &body).await;
    let put = |what: &'static str, body: Value| {
        let test = &test;
        async move { test.call(&API, Method::PUT, &path(test, "beans", what), Some(&body)).await }
    };
    let items = json!({"items": [{"sku": "tea", "quantity": 1, "price": 9.99}]});
    let (status, changed) = put("/items", items).await;
    assert_eq!((status, &changed["totalAmount"]), (200, &json!(9.99)));
    let address = json!({"street": "2 New St", "city": "Wien", "zip": "1010", "country": "AT"});
    assert_eq!(put("/shipping-address", address).await.0, 200);
    let (status, changed) = put("/interval", json!({"every": "1s"})).await;
    assert_eq!((status, &changed["every"]), (200, &json!("1s")));
    wait_for_status(&test, "beans", "completed").await;
    let label = test.activity_input("beans-1", "createShippingLabel").await;
    assert_eq!(label["address"]["street"], "2 New St");
    let charge = test.activity_input("beans-1", "authorizePayment").await;
    assert_eq!(charge["amount"], 999);
    assert_orders(&test, "beans", 1..=1, "shipped").await;
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_ends_the_subscription_after_the_running_order() {
    let test = start_with("last", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "2s".to_owned()));
    })
    .await;
    create(&test, &subscription(&test, "beans")).await;
    wait_for(&test, "beans", "an order", |state| state.get("runningOrder").is_some()).await;
    let (status, cancelling) = post(&test, "beans", "cancel").await;
    assert_eq!((status, &cancelling["cancelling"]), (200, &json!(true)));
    assert_eq!(post(&test, "beans", "skip-next").await.1["error"], "subscription_already_cancelling");
    let end = wait_for_status(&test, "beans", "cancelled").await;
    assert_eq!((&end["orders"], &end["shipped"]), (&json!(1), &json!(1)), "{end}");
    assert_orders(&test, "beans", 1..=1, "shipped").await;
    assert_eq!(post(&test, "beans", "resume").await.1["error"], "subscription_already_closed");
    test.stop().await;
}

#[tokio::test]
async fn temporals_own_cancellation_ends_the_subscription_after_the_running_order() {
    let test = start_with("cancelled-outside", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "2s".to_owned()));
    })
    .await;
    create(&test, &subscription(&test, "beans")).await;
    wait_for(&test, "beans", "an order", |state| state.get("runningOrder").is_some()).await;
    test.temporal(&["workflow", "cancel", "-w", "subscription-cancelled-outside-beans"]).await;
    let end = wait_for_status(&test, "beans", "cancelled").await;
    assert_eq!(end["shipped"], 1, "{end}");
    assert_orders(&test, "beans", 1..=1, "shipped").await;
    test.stop().await;
}
