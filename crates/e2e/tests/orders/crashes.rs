//! Workers killed with SIGKILL at the moments that matter, seen through the provider's journal.

use serde_json::{Value, json};
use xtask::services::{PROVIDER, WORKER};

use crate::support::World;

/// An answer that takes this long to be lost leaves time to kill the one who waits for it.
async fn slow_world(name: &'static str) -> World {
    World::start_with(name, |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "2s".to_owned()));
    })
    .await
}

/// Kills the worker once the ledger shows an effect, and not a later one.
async fn kill_after(world: &mut World, effect: &str, not: &str) {
    world.eventually(effect, || async { world.effects("1").await.iter().any(|seen| seen == effect) }).await;
    world.stack.kill(&WORKER).unwrap();
    let effects = world.effects("1").await;
    assert!(!effects.iter().any(|seen| seen == not), "killed too late: {effects:?}");
    world.stack.start_again(&WORKER).await.unwrap();
}

/// The order ships with one capture and one label, whoever was killed.
async fn ships_once(world: &World) -> Value {
    let end = world.end("1").await;
    assert_eq!(end["status"], "shipped", "{end}");
    world.must_agree("1", &end).await;
    let effects = world.effects("1").await;
    for effect in ["held", "reserved", "captured", "labelled"] {
        assert_eq!(effects.iter().filter(|seen| *seen == effect).count(), 1, "{effect}: {effects:?}");
    }
    end
}

#[tokio::test]
async fn killed_before_the_capture_is_asked_for() {
    let mut world = slow_world("crash-reserved").await;
    world.plan("1", &json!({"inventory.reserve": ["timeout_after_commit"]})).await;
    world.place(&world.order("1")).await;
    kill_after(&mut world, "reserved", "captured").await;
    ships_once(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn killed_after_the_capture_and_before_the_label_is_asked_for() {
    let mut world = slow_world("crash-captured").await;
    world.plan("1", &json!({"payment.capture": ["timeout_after_commit"]})).await;
    world.place(&world.order("1")).await;
    kill_after(&mut world, "captured", "labelled").await;
    assert!(
        world.journal("1", "shipping.create-label").await.is_empty()
            || world.end("1").await["status"] == "shipped"
    );
    ships_once(&world).await;
    assert!(world.journal("1", "payment.capture").await.len() >= 2, "the second attempt asks again");
    world.stop().await;
}

#[tokio::test]
async fn killed_while_the_label_is_made() {
    let mut world = slow_world("crash-labelling").await;
    world.place(&world.order("1")).await;
    world
        .eventually("a label in the making", || async {
            !world.journal("1", "shipping.create-label").await.is_empty()
        })
        .await;
    world.stack.kill(&WORKER).unwrap();
    assert!(!world.effects("1").await.iter().any(|seen| seen == "labelled"), "killed too late");
    world.stack.start_again(&WORKER).await.unwrap();
    ships_once(&world).await;
    assert!(world.journal("1", "shipping.create-label").await.len() >= 2, "the second attempt asks again");
    world.stop().await;
}

#[tokio::test]
async fn killed_after_the_label_was_made_and_before_anybody_heard_of_it() {
    let mut world = slow_world("crash-labelled").await;
    world.plan("1", &json!({"shipping.create-label": ["timeout_after_commit"]})).await;
    world.place(&world.order("1")).await;
    kill_after(&mut world, "labelled", "notified").await;
    ships_once(&world).await;
    assert!(world.journal("1", "shipping.create-label").await.len() >= 2, "the second attempt asks again");
    world.stop().await;
}

#[tokio::test]
async fn an_order_reset_to_before_its_capture_is_charged_once() {
    let world = World::start("reset").await;
    let placed = world.place(&world.order("1")).await;
    let run = placed["runId"].as_str().unwrap();
    world.end("1").await;
    let id = "order-fulfillment-reset-1";
    let history = world.temporal(&["workflow", "show", "-w", id, "-o", "json"]).await;
    let history: Value = serde_json::from_str(&history).unwrap();
    let events = history["events"].as_array().unwrap();
    let captured = events
        .iter()
        .position(|event| {
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"] == "capturePayment"
        })
        .unwrap();
    let completed =
        |event: &&Value| event["eventType"].as_str().unwrap().ends_with("WORKFLOW_TASK_COMPLETED");
    // To the task that scheduled the capture, and to the one that saw it done.
    let before = events[..captured].iter().rfind(completed).unwrap();
    let after = events[captured..].iter().find(completed).unwrap();
    let tasks = [before, after].map(|event| event["eventId"].as_str().unwrap());
    for task in tasks {
        let to = ["workflow", "reset", "-w", id, "-r", run, "--event-id", task, "--reason", "a test"];
        world.temporal(&to).await;
        let end = world.end("1").await;
        assert_eq!(end["status"], "shipped", "{end}");
        world.must_agree("1", &end).await;
        let effects = world.effects("1").await;
        assert_eq!(effects.iter().filter(|seen| *seen == "captured").count(), 1, "{effects:?}");
    }
    world.stop().await;
}
