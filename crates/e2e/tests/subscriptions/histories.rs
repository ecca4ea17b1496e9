//! Reaches every end of a subscription. `cargo xtask record` adds the missing histories to the corpus of the replay
//! tests.

use serde_json::json;
use xtask::services::API;

use crate::{create, decline, post, start_with, subscription, support::record, wait_for, wait_for_status};

#[tokio::test]
async fn every_end_of_a_subscription_is_reached_and_can_be_recorded() {
    let test = start_with("sub-history", |options| {
        options.environment.push((&API, "SUBSCRIPTION_PERIODS_PER_RUN", "2".to_owned()));
    })
    .await;
    // The last of two histories, because two periods end one.
    let mut completed = subscription(&test, "completed");
    completed["maxOrders"] = json!(3);
    create(&test, &completed).await;
    let mut past_due = subscription(&test, "past-due");
    past_due["maxOrders"] = json!(1);
    decline(&test, "past-due-1", 3).await;
    create(&test, &past_due).await;
    create(&test, &subscription(&test, "cancelled")).await;

    wait_for(&test, "cancelled", "an order", |state| state["shipped"] == 1).await;
    for change in ["pause", "resume", "skip-next", "cancel"] {
        let (status, body) = post(&test, "cancelled", change).await;
        assert_eq!(status, 200, "{change}: {body}");
    }
    wait_for_status(&test, "past-due", "past_due").await;
    assert_eq!(post(&test, "past-due", "resume").await.0, 200);
    wait_for_status(&test, "past-due", "completed").await;
    wait_for_status(&test, "completed", "completed").await;
    wait_for_status(&test, "cancelled", "cancelled").await;
    for name in ["completed", "past-due", "cancelled"] {
        record(&format!("subscription-{name}"), &format!("subscription-{}", test.order_id(name))).await;
    }
    test.stop().await;
}
