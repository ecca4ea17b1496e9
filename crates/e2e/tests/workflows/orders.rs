//! Orders, seen by the endpoints of any workflow.

use serde_json::json;

use crate::{flow::Flow, support::World};

#[tokio::test]
async fn an_order_is_a_workflow_like_any_other() {
    let world = World::start("anyorder").await;
    let mut order = world.order("1");
    order["requiresApproval"] = json!(true);
    let flow = Flow::of(&world, &world.place(&order).await);
    flow.until("waiting", |state| state["currentStep"] == "awaiting_approval").await;
    assert_eq!(flow.get("progress").await.1, json!({"success": true, "workflowId": flow.id, "progress": 20}));
    assert_eq!(flow.cancel().await, (200, String::new()));
    let end = flow.end().await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("cancelled")));
    assert_eq!(flow.activities().await, ["authorizePayment", "releasePayment"]);
    world.must_agree("1", &end).await;
    assert_eq!(flow.cancel().await, (409, "order_already_closed".to_owned()));
    world.stop().await;
}
