//! Tests signals with arbitrary payloads that bypass the API.

use serde_json::json;

use crate::support::TestStack;

#[tokio::test]
async fn no_payload_of_a_signal_blocks_an_order() {
    let test = TestStack::start("wedged").await;
    let mut order = test.order("1");
    order["requiresApproval"] = json!(true);
    test.place(&order).await;
    for payload in ["7", "[]", r#""text""#, r#"{"step": 7}"#] {
        test.signal("1", "resolveCompensation", Some(payload)).await;
        test.signal("1", "retryCompensation", Some(payload)).await;
    }
    test.wait_for_step("1", "awaiting_approval").await;
    test.signal("1", "approveOrder", Some("{}")).await;
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "shipped");
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_needs_no_payload() {
    let test = TestStack::start("payloadless").await;
    let mut order = test.order("1");
    order["requiresApproval"] = json!(true);
    test.place(&order).await;
    test.wait_for_step("1", "awaiting_approval").await;
    test.signal("1", "cancelOrder", None).await;
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "cancelled");
    test.assert_verdict("1", &end).await;
    test.stop().await;
}
