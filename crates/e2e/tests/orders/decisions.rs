//! Tests approval, rejection, timeout and cancellation of orders.

use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    faulty_proxy::{self, Mutation},
    support::{TestStack, names},
};

fn order_with_approval(test: &TestStack, order: &str) -> Value {
    let mut body = test.order(order);
    body["requiresApproval"] = json!(true);
    body
}

#[tokio::test]
async fn an_approved_order_ships() {
    let test = TestStack::start("approved").await;
    assert_eq!(test.place(&order_with_approval(&test, "1")).await["status"], "pending_approval");
    test.wait_for_step("1", "awaiting_approval").await;
    assert_eq!(test.signal_by_api("1", "approve", None).await.0, 200);
    let end = test.wait_for_end("1").await;
    assert_eq!((&end["status"], &end["decision"]), (&json!("shipped"), &json!("approved")));
    assert!(names(&end["completedSteps"]).contains(&"manager_approval"));
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn an_approval_before_the_wait_counts() {
    let test = TestStack::start("early").await;
    test.plan("1", &json!({"payment.authorize": ["timeout", "success"]})).await;
    test.place(&order_with_approval(&test, "1")).await;
    assert_eq!(test.signal_by_api("1", "approve", None).await.0, 200);
    assert_eq!(test.wait_for_end("1").await["status"], "shipped");
    test.stop().await;
}

#[tokio::test]
async fn a_rejected_order_ends_with_its_reason_and_its_authorization_voided() {
    let test = TestStack::start("rejected").await;
    test.place(&order_with_approval(&test, "1")).await;
    test.wait_for_step("1", "awaiting_approval").await;
    assert_eq!(test.signal_by_api("1", "reject", Some(&json!({"reason": "too dear"}))).await.0, 200);
    let end = test.wait_for_end("1").await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("rejected")));
    assert_eq!(
        end["error"],
        json!({"code": "ORDER_REJECTED", "message": "the order was rejected: too dear"})
    );
    assert_eq!(names(&end["compensations"]), ["release_payment"]);
    test.assert_verdict("1", &end).await;
    let (status, body) = test.signal_by_api("1", "approve", None).await;
    assert_eq!((status, &body["error"]), (409, &json!("already_decided")));
    test.stop().await;
}

#[tokio::test]
async fn an_order_without_a_decision_is_rejected_after_its_timeout() {
    let test = TestStack::start_with("undecided", |options| {
        options.environment.push((&API, "APPROVAL_TIMEOUT", "1s".to_owned()));
    })
    .await;
    test.place(&order_with_approval(&test, "1")).await;
    let end = test.wait_for_end("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("rejected"), &json!("APPROVAL_TIMEOUT")));
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_while_the_label_is_made_undoes_everything_in_reverse() {
    let test = TestStack::start_with("cancelled", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "20s".to_owned()));
    })
    .await;
    test.place(&test.order("1")).await;
    test.wait_for_step("1", "creating_shipping_label").await;
    let asked = std::time::Instant::now();
    assert_eq!(test.signal_by_api("1", "cancel", Some(&json!({"reason": "changed my mind"}))).await.0, 200);
    let end = test.wait_for_end("1").await;
    assert!(asked.elapsed() < std::time::Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("cancelled"), &json!("ORDER_CANCELLED")));
    assert_eq!(names(&end["compensations"]), ["cancel_shipping", "refund_payment", "release_inventory"]);
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_by_temporal_undoes_everything_in_reverse() {
    let test = TestStack::start_with("terminal", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "20s".to_owned()));
    })
    .await;
    test.place(&test.order("1")).await;
    test.wait_for_step("1", "creating_shipping_label").await;
    test.temporal(&["workflow", "cancel", "-w", "order-fulfillment-terminal-1"]).await;
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "cancelled");
    assert_eq!(names(&end["compensations"]), ["cancel_shipping", "refund_payment", "release_inventory"]);
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_at_any_step_ends_within_2_s_and_blocks_the_late_call() {
    let test = TestStack::start_with("anytime", |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "20s".to_owned()));
    })
    .await;
    let steps = [
        ("payment.authorize", "authorizing_payment", "authorize_payment"),
        ("inventory.reserve", "reserving_inventory", "reserve_inventory"),
        ("payment.capture", "capturing_payment", "capture_payment"),
        ("shipping.create-label", "creating_shipping_label", "create_shipping_label"),
    ];
    for (operation, step, call) in steps {
        test.plan(call, &json!({ operation: ["timeout"] })).await;
        let placed = test.place(&test.order(call)).await;
        test.wait_for_step(call, step).await;
        // The call has reached the provider, which delays the answer.
        test.wait_until(operation, || async { !test.journal(call, operation).await.is_empty() }).await;
        let asked = std::time::Instant::now();
        assert_eq!(test.signal_by_api(call, "cancel", None).await.0, 200, "{call}");
        let end = test.wait_for_end(call).await;
        assert!(asked.elapsed() < std::time::Duration::from_secs(4), "{call}: {:?}", asked.elapsed());
        assert_eq!(end["status"], "cancelled", "{call}");
        test.assert_verdict(call, &end).await;

        let key =
            format!("order-fulfillment-{}/{}/{call}", test.order_id(call), placed["runId"].as_str().unwrap());
        let late = test.late_call(operation, &key, &test.order_id(call)).await;
        assert_eq!(late, (409, "undone_before_execution".to_owned()), "{call}");
    }
    test.stop().await;
}

#[tokio::test]
async fn an_order_with_a_label_ships_despite_a_cancellation() {
    let test = TestStack::start_with("toolate", |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
    })
    .await;
    test.plan("1", &json!({"notification.send": ["timeout"]})).await;
    test.place(&test.order("1")).await;
    test.wait_for_step("1", "sending_notification").await;
    let (status, body) = test.signal_by_api("1", "cancel", None).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_shipped")));
    test.temporal(&["workflow", "cancel", "-w", "order-fulfillment-toolate-1"]).await;
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "shipped");
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn exactly_one_of_two_racing_decisions_counts() {
    let test = TestStack::start("racing").await;
    for round in 0..8 {
        let order = format!("{round}");
        test.place(&order_with_approval(&test, &order)).await;
        test.wait_for_step(&order, "awaiting_approval").await;
        let (approve, reject) = tokio::join!(
            test.signal_by_api(&order, "approve", None),
            test.signal_by_api(&order, "reject", None)
        );
        let end = test.wait_for_end(&order).await;
        let (winner, loser) = if end["status"] == "shipped" { (approve, reject) } else { (reject, approve) };
        assert_eq!(winner.0, 200, "{winner:?} {loser:?} {end}");
        assert_eq!(loser.0, 409, "{winner:?} {loser:?} {end}");
        test.assert_verdict(&order, &end).await;
    }
    let order = "twice";
    test.place(&order_with_approval(&test, order)).await;
    let both =
        tokio::join!(test.signal_by_api(order, "approve", None), test.signal_by_api(order, "approve", None));
    assert!(both.0.0 == 200 || both.1.0 == 200, "{both:?}");
    assert_eq!(test.wait_for_end(order).await["status"], "shipped");
    test.stop().await;
}

#[tokio::test]
async fn an_approval_after_a_cancellation_changes_nothing() {
    let test = TestStack::start("regret").await;
    // The void fails for a while, so that the order still runs when the approval arrives.
    test.plan("1", &json!({"payment.release": vec!["internal_error"; 9]})).await;
    test.place(&order_with_approval(&test, "1")).await;
    test.wait_for_step("1", "awaiting_approval").await;
    test.signal("1", "cancelOrder", None).await;
    test.signal("1", "approveOrder", None).await;
    let end = test.wait_for_end("1").await;
    assert_eq!((&end["status"], end.get("decision")), (&json!("cancelled"), None));
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

/// The proxy delays the label's answer until the API has accepted the cancellation. The answer reaches the worker
/// before the cancellation does.
#[tokio::test]
async fn a_label_that_completes_during_a_cancellation_is_cancelled() {
    let (address, to) = faulty_proxy::start(Mutation::UnexpectedAnswers).await;
    let test = TestStack::start_with("moment", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
    })
    .await;
    for attempt in 1.. {
        let order = format!("{attempt}-{}", faulty_proxy::HELD);
        test.place(&test.order(&order)).await;
        faulty_proxy::LABEL_MADE.notified().await;
        assert_eq!(test.signal_by_api(&order, "cancel", None).await.0, 200);
        faulty_proxy::SEND_LABEL.notify_one();
        let end = test.wait_for_end(&order).await;
        assert_eq!((&end["status"], &end["error"]["code"]), (&json!("cancelled"), &json!("ORDER_CANCELLED")));
        assert!(end.get("labelId").is_none(), "{end}");
        test.assert_verdict(&order, &end).await;
        let effects = test.effects(&order).await;
        assert!(effects.iter().any(|effect| effect == "labelled"), "{effects:?}");
        // A worker learns of a cancellation by a heartbeat, once a second. If one came in between, the test repeats.
        if label_completed_after_cancellation(&test, &order).await {
            break;
        }
        assert!(attempt < 10, "the worker always learned of the cancellation first");
    }
    test.stop().await;
}

async fn label_completed_after_cancellation(test: &TestStack, order: &str) -> bool {
    let id = format!("order-fulfillment-{}", test.order_id(order));
    let history = test.temporal(&["workflow", "show", "-w", &id, "-o", "json"]).await;
    let history: Value = serde_json::from_str(&history).unwrap();
    let events = history["events"].as_array().unwrap();
    let scheduled = events
        .iter()
        .find(|event| {
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"] == "createShippingLabel"
        })
        .map(|event| &event["eventId"])
        .unwrap();
    let of_label = |kind: &str| events.iter().position(|event| event[kind]["scheduledEventId"] == *scheduled);
    let asked = of_label("activityTaskCancelRequestedEventAttributes").unwrap();
    of_label("activityTaskCompletedEventAttributes").is_some_and(|completed| asked < completed)
}
