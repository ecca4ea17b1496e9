//! Tests the updates of a running order: a new address, and decisions that answer whether they counted.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::support::TestStack;

fn order_with_approval(test: &TestStack, order: &str) -> Value {
    let mut body = test.order(order);
    body["requiresApproval"] = json!(true);
    body
}

async fn change_address(test: &TestStack, order: &str, street: &str) -> (u16, Value) {
    let path = format!("/api/v1/order/order-fulfillment-{}/shipping-address", test.order_id(order));
    let address = json!({"street": street, "city": "Wien", "zip": "1010", "country": "AT"});
    test.call(&API, Method::PUT, &path, Some(&address)).await
}

/// Returns the street that the workflow gave to the carrier.
async fn street_of_label(test: &TestStack, order: &str) -> Value {
    test.activity_input(order, "createShippingLabel").await["address"]["street"].clone()
}

#[tokio::test]
async fn an_order_ships_to_its_last_address() {
    let test = TestStack::start("moved").await;
    test.place(&order_with_approval(&test, "1")).await;
    test.wait_for_step("1", "awaiting_approval").await;
    for street in ["1 First St", "2 Last St"] {
        let (status, body) = change_address(&test, "1", street).await;
        assert_eq!((status, &body["message"]), (200, &json!("the order ships to the new address")));
    }
    assert_eq!(test.signal_by_api("1", "approve", None).await.0, 200);
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "shipped");
    assert_eq!(street_of_label(&test, "1").await, "2 Last St");
    test.assert_verdict("1", &end).await;
    assert!(!test.log(&API).contains("Last St") && !test.log(&WORKER).contains("Last St"));
    test.stop().await;
}

#[tokio::test]
async fn an_address_that_comes_after_the_label_was_asked_for_is_refused() {
    let test = TestStack::start_with("moved-late", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "3s".to_owned()));
    })
    .await;
    test.place(&test.order("1")).await;
    test.wait_for_step("1", "creating_shipping_label").await;
    let (status, body) = change_address(&test, "1", "2 Late St").await;
    assert_eq!((status, &body["error"]), (409, &json!("shipping_label_requested")), "{body}");
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "shipped");
    assert_eq!(street_of_label(&test, "1").await, "12 Analytical Row");
    let (status, body) = change_address(&test, "1", "2 Late St").await;
    assert_eq!((status, &body["error"]), (409, &json!("shipping_label_requested")), "{body}");
    test.stop().await;
}

#[tokio::test]
async fn an_address_that_was_accepted_during_the_race_with_the_label_is_the_labels() {
    let test = TestStack::start("moved-race").await;
    for round in 0..6 {
        let order = format!("{round}");
        test.place(&test.order(&order)).await;
        let mut accepted = json!("12 Analytical Row");
        for number in 0.. {
            let street = format!("{number} Race St");
            let (status, body) = change_address(&test, &order, &street).await;
            match status {
                200 => accepted = json!(street),
                409 => {
                    assert_eq!(body["error"], "shipping_label_requested", "{body}");
                    break;
                }
                _ => panic!("{status}: {body}"),
            }
        }
        assert_eq!(test.wait_for_end(&order).await["status"], "shipped");
        assert_eq!(street_of_label(&test, &order).await, accepted);
    }
    test.stop().await;
}

#[tokio::test]
async fn exactly_one_of_twenty_decisions_counts() {
    let test = TestStack::start("crowd-of-decisions").await;
    test.place(&order_with_approval(&test, "1")).await;
    test.wait_for_step("1", "awaiting_approval").await;
    // On a busy machine, a worker may not answer in time. Such a caller asks again.
    let decisions = (0..20).map(async |number| {
        let action = if number % 2 == 0 { "approve" } else { "reject" };
        loop {
            let (status, body) = test.signal_by_api("1", action, None).await;
            if body["retryable"] != true {
                return (status, body);
            }
        }
    });
    let answers = join_all(decisions).await;
    let counted: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert_eq!(counted.len(), 1, "{answers:?}");
    assert!(answers.iter().filter(|(status, _)| *status == 409).count() == 19, "{answers:?}");
    let end = test.wait_for_end("1").await;
    let expected = if end["status"] == "shipped" { "the order is approved" } else { "the order is rejected" };
    assert_eq!(counted[0].1["message"], expected, "{end}");
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

/// The first answer is lost with the worker. The repeated request has the same key, so it is no second decision.
#[tokio::test]
async fn a_decision_with_a_key_can_be_repeated_after_the_worker_was_killed() {
    let mut test = TestStack::start("keyed-decision").await;
    test.place(&order_with_approval(&test, "1")).await;
    test.wait_for_step("1", "awaiting_approval").await;
    let url = format!("{}/api/v1/order/order-fulfillment-keyed-decision-1/approve", test.stack.url(&API));
    let approve = || async {
        let request = reqwest::Client::new().post(&url).header("idempotency-key", "decision-1");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    test.stack.kill(&WORKER).unwrap();
    let (status, body) = approve().await;
    assert_eq!(
        (status, &body["error"], &body["retryable"]),
        (503, &json!("worker_unavailable"), &json!(true))
    );
    test.stack.restart(&WORKER).await.unwrap();
    test.wait_until("the decision", || async { approve().await.0 == 200 }).await;
    let (status, body) = approve().await;
    assert_eq!((status, &body["message"]), (200, &json!("the order is approved")), "{body}");
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "shipped");
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_decision_by_update_is_shown_after_the_order_was_terminated() {
    let mut test = TestStack::start_with("decided-and-gone", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "30s".to_owned()));
    })
    .await;
    test.place(&order_with_approval(&test, "1")).await;
    test.wait_for_step("1", "awaiting_approval").await;
    assert_eq!(test.signal_by_api("1", "approve", None).await.0, 200);
    test.wait_for_step("1", "creating_shipping_label").await;
    let id = "order-fulfillment-decided-and-gone-1";
    test.temporal(&["workflow", "terminate", "-w", id, "--reason", "a test"]).await;
    test.stack.stop_service(&WORKER).await.unwrap();
    let state = test.status("1").await;
    assert_eq!((&state["status"], &state["decision"]), (&json!("terminated"), &json!("approved")), "{state}");
    test.stop().await;
}
