//! Approval, rejection, timeout, cancellation.

use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    mutant::{self, Mistake},
    support::{World, names},
};

fn asking(world: &World, order: &str) -> Value {
    let mut body = world.order(order);
    body["requiresApproval"] = json!(true);
    body
}

#[tokio::test]
async fn an_approved_order_ships() {
    let world = World::start("approved").await;
    assert_eq!(world.place(&asking(&world, "1")).await["status"], "pending_approval");
    world.until_step("1", "awaiting_approval").await;
    assert_eq!(world.tell("1", "approve", None).await.0, 200);
    let end = world.end("1").await;
    assert_eq!((&end["status"], &end["decision"]), (&json!("shipped"), &json!("approved")));
    assert!(names(&end["completedSteps"]).contains(&"manager_approval"));
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn an_approval_before_the_wait_counts() {
    let world = World::start("early").await;
    world.plan("1", &json!({"payment.authorize": ["timeout", "success"]})).await;
    world.place(&asking(&world, "1")).await;
    assert_eq!(world.tell("1", "approve", None).await.0, 200);
    assert_eq!(world.end("1").await["status"], "shipped");
    world.stop().await;
}

#[tokio::test]
async fn a_rejected_order_ends_with_its_reason_and_the_hold_released() {
    let world = World::start("rejected").await;
    world.place(&asking(&world, "1")).await;
    world.until_step("1", "awaiting_approval").await;
    assert_eq!(world.tell("1", "reject", Some(&json!({"reason": "too dear"}))).await.0, 200);
    let end = world.end("1").await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("rejected")));
    assert_eq!(
        end["error"],
        json!({"code": "ORDER_REJECTED", "message": "the order was rejected: too dear"})
    );
    assert_eq!(names(&end["compensations"]), ["release_payment"]);
    world.must_agree("1", &end).await;
    let (status, body) = world.tell("1", "approve", None).await;
    assert_eq!((status, &body["error"]), (409, &json!("already_decided")));
    world.stop().await;
}

#[tokio::test]
async fn an_order_nobody_decides_on_is_rejected_in_time() {
    let world = World::start_with("undecided", |options| {
        options.environment.push((&API, "APPROVAL_TIMEOUT", "1s".to_owned()));
    })
    .await;
    world.place(&asking(&world, "1")).await;
    let end = world.end("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("rejected"), &json!("APPROVAL_TIMEOUT")));
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn a_cancellation_while_the_label_is_made_undoes_everything_in_reverse() {
    let world = World::start_with("cancelled", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "20s".to_owned()));
    })
    .await;
    world.place(&world.order("1")).await;
    world.until_step("1", "creating_shipping_label").await;
    let asked = std::time::Instant::now();
    assert_eq!(world.tell("1", "cancel", Some(&json!({"reason": "changed my mind"}))).await.0, 200);
    let end = world.end("1").await;
    assert!(asked.elapsed() < std::time::Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("cancelled"), &json!("ORDER_CANCELLED")));
    assert_eq!(names(&end["compensations"]), ["cancel_shipping", "refund_payment", "release_inventory"]);
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn temporals_own_cancellation_does_the_same() {
    let world = World::start_with("terminal", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "20s".to_owned()));
    })
    .await;
    world.place(&world.order("1")).await;
    world.until_step("1", "creating_shipping_label").await;
    world.temporal(&["workflow", "cancel", "-w", "order-fulfillment-terminal-1"]).await;
    let end = world.end("1").await;
    assert_eq!(end["status"], "cancelled");
    assert_eq!(names(&end["compensations"]), ["cancel_shipping", "refund_payment", "release_inventory"]);
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn a_cancellation_at_any_step_ends_within_2_s_and_blocks_the_late_call() {
    let world = World::start_with("anytime", |options| {
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
        world.plan(call, &json!({ operation: ["timeout"] })).await;
        let placed = world.place(&world.order(call)).await;
        world.until_step(call, step).await;
        // The call has reached the provider, and its answer is on its slow way.
        world.eventually(operation, || async { !world.journal(call, operation).await.is_empty() }).await;
        let asked = std::time::Instant::now();
        assert_eq!(world.tell(call, "cancel", None).await.0, 200, "{call}");
        let end = world.end(call).await;
        assert!(asked.elapsed() < std::time::Duration::from_secs(4), "{call}: {:?}", asked.elapsed());
        assert_eq!(end["status"], "cancelled", "{call}");
        world.must_agree(call, &end).await;

        let key =
            format!("order-fulfillment-{}/{}/{call}", world.id(call), placed["runId"].as_str().unwrap());
        let late = world.late(operation, &key, &world.id(call)).await;
        assert_eq!(late, (409, "undone_before_execution".to_owned()), "{call}");
    }
    world.stop().await;
}

#[tokio::test]
async fn an_order_with_its_label_ships_whoever_cancels_it() {
    let world = World::start_with("toolate", |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
    })
    .await;
    world.plan("1", &json!({"notification.send": ["timeout"]})).await;
    world.place(&world.order("1")).await;
    world.until_step("1", "sending_notification").await;
    let (status, body) = world.tell("1", "cancel", None).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_shipped")));
    world.temporal(&["workflow", "cancel", "-w", "order-fulfillment-toolate-1"]).await;
    let end = world.end("1").await;
    assert_eq!(end["status"], "shipped");
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn of_decisions_that_race_exactly_one_counts_and_both_callers_know() {
    let world = World::start("racing").await;
    for round in 0..8 {
        let order = format!("{round}");
        world.place(&asking(&world, &order)).await;
        world.until_step(&order, "awaiting_approval").await;
        let (approve, reject) =
            tokio::join!(world.tell(&order, "approve", None), world.tell(&order, "reject", None));
        let end = world.end(&order).await;
        let (winner, loser) = if end["status"] == "shipped" { (approve, reject) } else { (reject, approve) };
        assert_eq!(winner.0, 200, "{winner:?} {loser:?} {end}");
        assert_eq!(loser.0, 409, "{winner:?} {loser:?} {end}");
        world.must_agree(&order, &end).await;
    }
    let order = "twice";
    world.place(&asking(&world, order)).await;
    let both = tokio::join!(world.tell(order, "approve", None), world.tell(order, "approve", None));
    assert!(both.0.0 == 200 || both.1.0 == 200, "{both:?}");
    assert_eq!(world.end(order).await["status"], "shipped");
    world.stop().await;
}

#[tokio::test]
async fn an_approval_after_a_cancellation_changes_nothing() {
    let world = World::start("regret").await;
    // The release fails for a while, so that the approval finds the order still there.
    world.plan("1", &json!({"payment.release": vec!["internal_error"; 9]})).await;
    world.place(&asking(&world, "1")).await;
    world.until_step("1", "awaiting_approval").await;
    world.signal("1", "cancelOrder", None).await;
    world.signal("1", "approveOrder", None).await;
    let end = world.end("1").await;
    assert_eq!((&end["status"], end.get("decision")), (&json!("cancelled"), None));
    world.must_agree("1", &end).await;
    world.stop().await;
}

/// The label's answer is held back until the cancellation is accepted, and reaches the worker before that
/// learns of the cancellation.
#[tokio::test]
async fn a_label_that_is_finished_in_the_very_moment_of_a_cancellation_is_cancelled() {
    let (address, to) = mutant::start(Mistake::StrangeAnswers).await;
    let world = World::start_with("moment", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
    })
    .await;
    for attempt in 1.. {
        let order = format!("{attempt}-{}", mutant::HELD);
        world.place(&world.order(&order)).await;
        mutant::MADE.notified().await;
        assert_eq!(world.tell(&order, "cancel", None).await.0, 200);
        mutant::GO_ON.notify_one();
        let end = world.end(&order).await;
        assert_eq!((&end["status"], &end["error"]["code"]), (&json!("cancelled"), &json!("ORDER_CANCELLED")));
        assert!(end.get("labelId").is_none(), "{end}");
        world.must_agree(&order, &end).await;
        let effects = world.effects(&order).await;
        assert!(effects.iter().any(|effect| effect == "labelled"), "{effects:?}");
        // A heartbeat in between, once a second, is how a worker learns of it: then this was not the moment.
        if was_finished_after_its_cancellation(&world, &order).await {
            break;
        }
        assert!(attempt < 10, "the worker always knew first");
    }
    world.stop().await;
}

async fn was_finished_after_its_cancellation(world: &World, order: &str) -> bool {
    let id = format!("order-fulfillment-{}", world.id(order));
    let history = world.temporal(&["workflow", "show", "-w", &id, "-o", "json"]).await;
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
