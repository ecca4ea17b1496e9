//! Signals sent past the API, with whatever payload.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn no_payload_of_a_signal_can_wedge_an_order() {
    let world = World::start("wedged").await;
    let mut order = world.order("1");
    order["requiresApproval"] = json!(true);
    world.place(&order).await;
    for payload in ["7", "[]", r#""text""#, r#"{"step": 7}"#] {
        world.signal("1", "resolveCompensation", Some(payload)).await;
        world.signal("1", "retryCompensation", Some(payload)).await;
    }
    world.until_step("1", "awaiting_approval").await;
    world.signal("1", "approveOrder", Some("{}")).await;
    let end = world.end("1").await;
    assert_eq!(end["status"], "shipped");
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn a_cancellation_needs_no_payload() {
    let world = World::start("payloadless").await;
    let mut order = world.order("1");
    order["requiresApproval"] = json!(true);
    world.place(&order).await;
    world.until_step("1", "awaiting_approval").await;
    world.signal("1", "cancelOrder", None).await;
    let end = world.end("1").await;
    assert_eq!(end["status"], "cancelled");
    world.must_agree("1", &end).await;
    world.stop().await;
}
