//! Tests the periods of a subscription: its orders, a failing one, and its lists.

use reqwest::Method;
use serde_json::json;
use xtask::services::API;

use crate::{assert_orders, create, decline, post, start, state, subscription, wait_for, wait_for_status};

#[tokio::test]
async fn a_subscription_of_three_orders_ships_three_and_is_completed() {
    let test = start("three").await;
    let mut body = subscription(&test, "beans");
    body["maxOrders"] = json!(3);
    create(&test, &body).await;
    let end = wait_for_status(&test, "beans", "completed").await;
    assert_eq!((&end["orders"], &end["shipped"], &end["failed"]), (&json!(3), &json!(3), &json!(0)), "{end}");
    assert_orders(&test, "beans", 1..=3, "shipped").await;
    let (status, orders) =
        test.call(&API, Method::GET, "/api/v1/orders?customerId=customer-7&limit=100", None).await;
    let mine = |order: &&serde_json::Value| order["orderId"] == json!(test.order_id("beans-1"));
    let listed = orders["orders"].as_array().unwrap().iter().find(mine).unwrap();
    assert_eq!((status, &listed["totalAmount"], &listed["status"]), (200, &json!(59.98), &json!("shipped")));
    test.stop().await;
}

#[tokio::test]
async fn a_failing_order_makes_the_subscription_past_due_and_a_resume_tries_it_again() {
    let test = start("subscription-declined").await;
    let mut body = subscription(&test, "beans");
    body["maxOrders"] = json!(2);
    decline(&test, "beans-1", 3).await;
    create(&test, &body).await;
    let late = wait_for_status(&test, "beans", "past_due").await;
    assert_eq!(
        (&late["attempts"], &late["error"]["code"]),
        (&json!(3), &json!("PAYMENT_DECLINED")),
        "{late}"
    );
    let (status, _) = post(&test, "beans", "resume").await;
    assert_eq!(status, 200);
    let end = wait_for_status(&test, "beans", "completed").await;
    assert_eq!((&end["shipped"], &end["failed"], end.get("error")), (&json!(2), &json!(0), None), "{end}");
    assert_orders(&test, "beans", 1..=2, "shipped").await;
    test.stop().await;
}

#[tokio::test]
async fn an_order_that_ships_at_its_second_attempt_is_no_failure() {
    let test = start("dunning").await;
    let mut body = subscription(&test, "beans");
    body["maxOrders"] = json!(1);
    decline(&test, "beans-1", 1).await;
    create(&test, &body).await;
    let end = wait_for_status(&test, "beans", "completed").await;
    assert_eq!((&end["recent"][0]["attempts"], &end["shipped"]), (&json!(2), &json!(1)), "{end}");
    assert_orders(&test, "beans", 1..=1, "shipped").await;
    test.stop().await;
}

#[tokio::test]
async fn a_subscription_begins_at_its_start_and_is_listed_by_its_status() {
    let test = start("later").await;
    let mut body = subscription(&test, "beans");
    body["customerId"] = json!("customer-later");
    body["startAt"] = json!("2099-01-01T00:00:00Z");
    create(&test, &body).await;
    let waiting = state(&test, "beans").await;
    assert_eq!(
        (&waiting["status"], &waiting["nextOrderAt"], &waiting["orders"]),
        (&json!("active"), &json!("2099-01-01T00:00:00.000Z"), &json!(0))
    );
    let list = |status: &'static str| {
        let test = &test;
        async move {
            let path = format!("/api/v1/subscriptions?customerId=customer-later&status={status}");
            let (_, page) = test.call(&API, Method::GET, &path, None).await;
            page["subscriptions"].as_array().unwrap().len()
        }
    };
    test.wait_until("an active one in the list", || async { list("active").await == 1 }).await;
    assert_eq!(post(&test, "beans", "pause").await.0, 200);
    test.wait_until("a paused one in the list", || async {
        list("paused").await == 1 && list("active").await == 0
    })
    .await;
    assert_eq!(post(&test, "beans", "cancel").await.0, 200);
    wait_for(&test, "beans", "its end", |state| state["status"] == "cancelled").await;
    test.stop().await;
}
