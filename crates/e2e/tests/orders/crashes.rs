//! Workers killed with SIGKILL at the moments that matter, seen through the provider's journal; and one that is
//! asked to stop.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use xtask::services::{PROVIDER, WORKER};

use crate::{
    mutant::{self, Mistake},
    support::World,
};

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

async fn is_notified(world: &World, order: &str) -> bool {
    world.effects(order).await.iter().any(|effect| effect == "notified")
}

/// Of one of two labels nobody knows the progress once the worker was killed.
#[tokio::test]
async fn a_labels_heartbeats_grow_never_go_back_and_outlive_their_worker() {
    let (address, to) = mutant::start(Mistake::StrangeAnswers).await;
    let mut world = World::start_with("heartbeats", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "15s".to_owned()));
    })
    .await;
    let mut seen = [("seen", Vec::new()), (mutant::UNSEEN, Vec::new())];
    for (order, _) in &seen {
        world.place(&world.order(order)).await;
    }
    let mut is_killed = false;
    while !is_notified(&world, "seen").await || !is_notified(&world, mutant::UNSEEN).await {
        for (order, seen) in &mut seen {
            seen.extend(world.heartbeat(order).await);
        }
        if !is_killed && seen.iter().all(|(_, seen)| seen.last().is_some_and(|(_, progress)| *progress > 0)) {
            world.stack.kill(&WORKER).unwrap();
            mutant::IS_UNSEEN.store(true, Ordering::Relaxed);
            world.stack.start_again(&WORKER).await.unwrap();
            is_killed = true;
        }
    }
    for (order, seen) in &seen {
        assert!(seen.iter().any(|(attempt, _)| *attempt > 1), "{order} had no second attempt: {seen:?}");
        assert!(seen.is_sorted_by_key(|(_, progress)| *progress), "{order}: {seen:?}");
        assert_eq!(seen.first().map(|(_, first)| *first < 30), Some(true), "{order}: {seen:?}");
    }
    let last = seen[0].1.last().map(|(_, progress)| *progress);
    assert!(last.is_some_and(|last| (70..=100).contains(&last)), "{last:?}");
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
async fn a_worker_that_stops_shows_its_health_until_its_activities_have_ended() {
    let mut world = World::start_with("draining", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "4s".to_owned()));
    })
    .await;
    world.place(&world.order("1")).await;
    world
        .eventually("a label in the making", || async {
            !world.journal("1", "shipping.create-label").await.is_empty()
        })
        .await;
    let worker = world.stack.url(&WORKER);
    let looks = async {
        let mut answers = Vec::new();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let mut now = Vec::new();
            for path in ["/health/live", "/health/ready", "/metrics"] {
                match reqwest::get(format!("{worker}{path}")).await {
                    Ok(answer) => {
                        now.push((answer.status().as_u16(), answer.text().await.unwrap_or_default()));
                    }
                    Err(_) => return answers,
                }
            }
            answers.push((Instant::now(), now));
        }
    };
    let stopped = Instant::now();
    let (end, answers) = tokio::join!(world.stack.stop_one(&WORKER), looks);
    end.unwrap();
    let ended = stopped.elapsed();
    // The label takes longer than this, and its activity is let end.
    assert!(ended > Duration::from_secs(1), "nothing to drain: {ended:?}");
    let (last, _) = answers.last().expect("its health never answered");
    let last = last.duration_since(stopped);
    assert!(ended.saturating_sub(last) < Duration::from_secs(1), "silent from {last:?} to {ended:?}");
    let draining = answers.iter().filter(|(_, now)| now[1].0 == 503 && now[1].1.contains("draining"));
    assert!(draining.count() > 5, "{answers:?}");
    assert!(answers.iter().all(|(_, now)| (now[0].0, now[2].0) == (200, 200)), "{answers:?}");
    world.stack.start_again(&WORKER).await.unwrap();
    ships_once(&world).await;
    assert_eq!(world.journal("1", "shipping.create-label").await.len(), 1, "the activity was let end");
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
