//! Tests returns from outside, with real processes and a real Temporal server.

#[allow(dead_code, unused_imports, reason = "orders use the rest")]
#[path = "../support/mod.rs"]
mod support;

#[path = "../support/poll.rs"]
mod poll;

#[allow(dead_code, reason = "reconciliations use the rest")]
#[path = "../support/reconciling.rs"]
mod reconciling;

use poll::poll;
use reconciling::{assert_clean, reconcile};
use reqwest::Method;
use serde_json::{Value, json};
use support::{TestStack, record};
use xtask::services::{API, PROVIDER, WORKER};

/// Starts a stack with slow answers and labels, which leave time to kill a worker.
async fn start(name: &'static str) -> TestStack {
    TestStack::start_with(name, |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "1s".to_owned()));
    })
    .await
}

async fn ship(test: &TestStack, order: &str) {
    test.place(&test.order(order)).await;
    assert_eq!(test.wait_for_end(order).await["status"], "shipped");
}

async fn send_back(test: &TestStack, order: &str, body: &Value) -> (u16, Value) {
    let path = format!("/api/v1/order/order-fulfillment-{}/return", test.order_id(order));
    test.call(&API, Method::POST, &path, Some(body)).await
}

/// Starts a return of everything.
async fn start_return(test: &TestStack, order: &str) {
    let (status, body) = send_back(test, order, &json!({"reason": "too small"})).await;
    assert_eq!(status, 202, "{body}");
}

async fn wait_for_return(test: &TestStack, order: &str, number: u32) -> Value {
    let path = format!("/api/v1/returns/{}-{number}", test.order_id(order));
    poll(test, &path, "an end", |state| state["closeTime"].is_string()).await
}

async fn wait_for_effect(test: &TestStack, effect: &str) {
    test.wait_until(effect, || async { test.effects("1").await.contains(&effect.to_owned()) }).await;
}

async fn count(test: &TestStack, effect: &str) -> usize {
    test.effects("1").await.iter().filter(|one| *one == effect).count()
}

/// Lets a reconciliation record the outcome, and asserts that the ledger agrees with it.
async fn assert_outcome(test: &TestStack, outcome: &str) {
    let report = reconcile(test, true).await;
    assert_eq!((&report["contradictionCount"], &report["orphanCount"]), (&json!(0), &json!(0)), "{report}");
    assert_eq!(test.ledger("1").await["outcome"]["outcome"], outcome);
    assert_clean(test, "1").await;
}

#[tokio::test]
async fn a_shipped_order_comes_back_with_its_money() {
    let test = start("returned").await;
    ship(&test, "1").await;
    assert_outcome(&test, "shipped").await;
    start_return(&test, "1").await;
    let state = wait_for_return(&test, "1", 1).await;
    assert_eq!(
        (&state["status"], &state["amount"], &state["whole"]),
        (&json!("completed"), &json!(5998), &json!(true))
    );
    assert!(state["trackingNumber"].is_string() && state["refundId"].is_string(), "{state}");
    record("return-completed", "return-returned-1-1").await;
    assert_outcome(&test, "returned").await;
    let (status, problem) = send_back(&test, "1", &json!({"reason": "again"})).await;
    assert_eq!((status, &problem["error"]), (409, &json!("order_already_returned")), "{problem}");
    test.stop().await;
}

#[tokio::test]
async fn an_order_comes_back_in_parts() {
    let test = start("in-parts").await;
    ship(&test, "1").await;
    let one = json!({"items": [{"sku": "book", "quantity": 1}], "reason": "one is too small"});
    for (number, outcome) in [(1, "partly_returned"), (2, "returned")] {
        assert_eq!(send_back(&test, "1", &one).await.0, 202);
        let state = wait_for_return(&test, "1", number).await;
        assert_eq!((&state["status"], &state["amount"]), (&json!("completed"), &json!(2999)), "{state}");
        assert_outcome(&test, outcome).await;
    }
    test.stop().await;
}

#[tokio::test]
async fn a_return_cancelled_before_the_restock_leaves_the_order_as_it_was() {
    let test = start("kept").await;
    ship(&test, "1").await;
    start_return(&test, "1").await;
    let cancel = "/api/v1/workflows/return-kept-1-1/cancel";
    let (status, body) = test.call(&API, Method::POST, cancel, Some(&json!({"reason": "kept it"}))).await;
    assert_eq!(status, 200, "{body}");
    let state = wait_for_return(&test, "1", 1).await;
    assert_eq!(
        (&state["status"], &state["error"]["code"]),
        (&json!("cancelled"), &json!("RETURN_CANCELLED")),
        "{state}"
    );
    record("return-cancelled", "return-kept-1-1").await;
    assert_eq!((count(&test, "restocked").await, count(&test, "refunded").await), (0, 0));
    assert_outcome(&test, "shipped").await;
    start_return(&test, "1").await;
    assert_eq!(wait_for_return(&test, "1", 2).await["status"], "completed");
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_after_the_label_makes_no_second_one() {
    let mut test = start("label-killed").await;
    ship(&test, "1").await;
    test.plan("1", &json!({"inventory.restock": ["timeout", "success"]})).await;
    start_return(&test, "1").await;
    wait_for_effect(&test, "return_labelled").await;
    kill_worker(&mut test).await;
    assert_eq!(wait_for_return(&test, "1", 1).await["status"], "completed");
    assert_eq!(count(&test, "return_labelled").await, 1);
    assert_outcome(&test, "returned").await;
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_after_the_restock_takes_the_stock_back_once() {
    let mut test = start("restock-killed").await;
    ship(&test, "1").await;
    test.plan("1", &json!({"inventory.restock": ["timeout_after_commit"]})).await;
    start_return(&test, "1").await;
    wait_for_effect(&test, "restocked").await;
    kill_worker(&mut test).await;
    assert_eq!(wait_for_return(&test, "1", 1).await["status"], "completed");
    assert_eq!((count(&test, "restocked").await, count(&test, "refunded").await), (1, 1));
    assert_outcome(&test, "returned").await;
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_during_the_refund_refunds_once() {
    let mut test = start("refund-killed").await;
    ship(&test, "1").await;
    test.plan("1", &json!({"payment.refund": ["timeout_after_commit"]})).await;
    start_return(&test, "1").await;
    wait_for_effect(&test, "refunded").await;
    kill_worker(&mut test).await;
    assert_eq!(wait_for_return(&test, "1", 1).await["status"], "completed");
    assert_eq!(count(&test, "refunded").await, 1);
    assert_outcome(&test, "returned").await;
    test.stop().await;
}

async fn kill_worker(test: &mut TestStack) {
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
}

#[tokio::test]
async fn a_refund_that_fails_is_tried_until_the_money_is_back() {
    let test = start("refund-retried").await;
    ship(&test, "1").await;
    test.plan("1", &json!({"payment.refund": vec!["internal_error"; 6]})).await;
    start_return(&test, "1").await;
    assert_eq!(wait_for_return(&test, "1", 1).await["status"], "completed");
    record("return-refund-retried", "return-refund-retried-1-1").await;
    assert_eq!(count(&test, "refunded").await, 1);
    assert_outcome(&test, "returned").await;
    test.stop().await;
}

/// Somebody refunds more than half by hand, so that the provider refuses the rest finally.
#[tokio::test]
async fn a_refused_refund_is_shown_and_tried_again() {
    let test = start("refund-refused").await;
    ship(&test, "1").await;
    let payment = test.ledger("1").await["entries"][0]["resource"].clone();
    let by_hand = json!({"authId": payment, "amount": 3000});
    let (status, body) = test.call(&PROVIDER, Method::POST, "/payment/refund", Some(&by_hand)).await;
    assert_eq!(status, 200, "{body}");
    start_return(&test, "1").await;
    let path = "/api/v1/returns/refund-refused-1-1";
    let state = poll(&test, path, "a refusal", |state| state["status"] == "refund_refused").await;
    assert_eq!(state["currentStep"], "refunding", "{state}");
    assert!(state["error"]["message"].is_string(), "{state}");
    // After the rest is refunded by hand too, the next attempt finds nothing to refund.
    let rest = json!({ "authId": payment });
    assert_eq!(test.call(&PROVIDER, Method::POST, "/payment/refund", Some(&rest)).await.0, 200);
    assert_eq!(wait_for_return(&test, "1", 1).await["status"], "completed");
    test.stop().await;
}

#[tokio::test]
async fn of_many_returns_at_once_one_takes_the_goods_back() {
    let test = start("returned-at-once").await;
    ship(&test, "1").await;
    let requests = (0..8).map(|number| {
        let (test, body) = (&test, json!({"reason": format!("request {number}")}));
        async move { send_back(test, "1", &body).await }
    });
    let answers = futures::future::join_all(requests).await;
    let started = answers.iter().filter(|(status, _)| *status == 202).count();
    assert_eq!(started, 1, "{answers:?}");
    for (status, problem) in answers.iter().filter(|(status, _)| *status != 202) {
        assert_eq!((*status, &problem["error"]), (409, &json!("return_already_running")), "{problem}");
    }
    assert_eq!(wait_for_return(&test, "1", 1).await["status"], "completed");
    assert_eq!((count(&test, "restocked").await, count(&test, "refunded").await), (1, 1));
    test.stop().await;
}
