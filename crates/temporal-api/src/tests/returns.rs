//! Tests the return of an order.

use serde_json::json;
use workflows::activities::payment::Refunded;

use super::*;

const PATH: &str = "/api/v1/order/order-fulfillment-1/return";
const WHOLE: &str = r#"{"reason": "too small"}"#;

fn complete(gateway: &Script) {
    for (_, one) in gateway.returns.lock().unwrap().iter_mut() {
        one.complete(Refunded { refund_id: Some("re_1".to_owned()) });
    }
}

#[tokio::test]
async fn a_return_without_items_takes_everything_back() {
    let gateway = Script::with(shipped());
    let (status, started) = post(&gateway, PATH, WHOLE).await;
    assert_eq!(
        (status, &started["returnId"], &started["workflowId"]),
        (202, &json!("1-1"), &json!("return-1-1"))
    );
    let (status, state) = get(&gateway, "/api/v1/returns/1-1").await;
    assert_eq!((status, &state["status"], &state["whole"]), (200, &json!("processing"), &json!(true)));
    assert_eq!((&state["items"], &state["amount"]), (&json!([{"sku": "book", "quantity": 2}]), &json!(5998)));
}

#[tokio::test]
async fn returns_in_part_follow_each_other_until_nothing_is_left() {
    let gateway = Script::with(shipped());
    let part = r#"{"items": [{"sku": "book", "quantity": 1}], "reason": "one is too small"}"#;
    for (number, whole) in [("1-1", false), ("1-2", true)] {
        let (status, started) = post(&gateway, PATH, part).await;
        assert_eq!((status, &started["returnId"]), (202, &json!(number)), "{started}");
        complete(&gateway);
        let (_, state) = get(&gateway, &format!("/api/v1/returns/{number}")).await;
        assert_eq!((&state["amount"], &state["whole"]), (&json!(2999), &json!(whole)));
    }
    let (status, problem) = post(&gateway, PATH, part).await;
    assert_eq!((status, &problem["error"]), (409, &json!("order_already_returned")));
}

#[tokio::test]
async fn an_order_that_did_not_ship_does_not_come_back() {
    for order in [waiting(), labelled()] {
        let (status, problem) = post(&Script::with(order), PATH, WHOLE).await;
        assert_eq!((status, &problem["error"]), (409, &json!("order_not_shipped")), "{problem}");
    }
    let terminated = Script::with(shipped()).ended(Outside::Terminated);
    assert_eq!(post(&terminated, PATH, WHOLE).await.1["error"], "order_not_shipped");
    let (status, problem) = post(&Arc::new(Script::default()), PATH, WHOLE).await;
    assert_eq!((status, &problem["error"]), (404, &json!("order_not_found")));
}

#[tokio::test]
async fn more_than_the_customer_has_does_not_come_back() {
    let body = r#"{"items": [{"sku": "book", "quantity": 3}, {"sku": "cup", "quantity": 1}], "reason": "x"}"#;
    let (status, problem) = post(&Script::with(shipped()), PATH, body).await;
    assert_eq!((status, &problem["error"]), (409, &json!("return_exceeds_order")));
    assert_eq!(problem["detail"], "only 2 of book are left to return; only 0 of cup are left to return");
}

#[tokio::test]
async fn one_return_of_an_order_runs_at_a_time_and_the_same_request_is_the_same_return() {
    let gateway = Script::with(shipped());
    let part = r#"{"items": [{"sku": "book", "quantity": 1}], "reason": "x"}"#;
    post(&gateway, PATH, part).await;
    let (status, again) = post(&gateway, PATH, part).await;
    assert_eq!((status, &again["returnId"], &again["alreadyRunning"]), (202, &json!("1-1"), &json!(true)));
    let (status, problem) = post(&gateway, PATH, WHOLE).await;
    assert_eq!((status, &problem["error"]), (409, &json!("return_already_running")));
}

#[tokio::test]
async fn a_key_gets_the_first_answer_again_after_the_end() {
    let gateway = Script::with(shipped());
    let (_, first, _) = post_keyed(&gateway, PATH, &["k"], WHOLE).await;
    complete(&gateway);
    let (status, again, replayed) = post_keyed(&gateway, PATH, &["k"], WHOLE).await;
    assert_eq!((status, &again["returnId"], replayed), (202, &first["returnId"], true));
}

#[tokio::test]
async fn every_fault_of_a_return_is_reported() {
    let body = r#"{"items": [{"sku": "", "quantity": 0, "price": 1}], "because": "x"}"#;
    let (status, problem) = post(&Script::with(shipped()), PATH, body).await;
    assert_eq!(status, 422);
    let faults = problem["errors"].as_array().unwrap();
    let pointers: Vec<_> = faults.iter().map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/because", "/items/0/price", "/items/0/sku", "/items/0/quantity", "/reason"]);
}

#[tokio::test]
async fn a_return_is_cancelled_like_any_workflow_until_the_restock() {
    let gateway = Script::with(shipped());
    post(&gateway, PATH, WHOLE).await;
    let (status, _) = post(&gateway, "/api/v1/workflows/return-1-1/cancel", "").await;
    assert_eq!(status, 200);
    let late = Script::with(shipped());
    post(&late, PATH, WHOLE).await;
    assert!(late.returns.lock().unwrap()[0].1.start_restock());
    let (status, problem) = post(&late, "/api/v1/workflows/return-1-1/cancel", "").await;
    assert_eq!((status, &problem["error"]), (409, &json!("workflow_already_closed")), "{problem}");
    let (status, state) = get(&late, "/api/v1/workflows/return-1-1/status").await;
    assert_eq!((status, &state["currentStep"]), (200, &json!("restocking")));
}

#[tokio::test]
async fn an_unknown_return_is_404() {
    let (status, problem) = get(&Arc::new(Script::default()), "/api/v1/returns/1-1").await;
    assert_eq!((status, &problem["error"]), (404, &json!("return_not_found")));
}
