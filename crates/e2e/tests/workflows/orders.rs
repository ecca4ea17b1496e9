//! Tests orders with the endpoints for any workflow.

use serde_json::json;

use crate::{support::TestStack, workflow_client::WorkflowClient};

#[tokio::test]
async fn an_order_is_a_workflow_like_any_other() {
    let test = TestStack::start("anyorder").await;
    let mut order = test.order("1");
    order["requiresApproval"] = json!(true);
    let workflow = WorkflowClient::of(&test, &test.place(&order).await);
    workflow.wait_for_state("waiting", |state| state["currentStep"] == "awaiting_approval").await;
    assert_eq!(
        workflow.get("progress").await.1,
        json!({"success": true, "workflowId": workflow.id, "progress": 20})
    );
    assert_eq!(workflow.cancel().await, (200, String::new()));
    let end = workflow.wait_for_end().await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("cancelled")));
    assert_eq!(workflow.activities().await, ["authorizePayment", "releasePayment"]);
    test.assert_verdict("1", &end).await;
    assert_eq!(workflow.cancel().await, (409, "order_already_closed".to_owned()));
    test.stop().await;
}
