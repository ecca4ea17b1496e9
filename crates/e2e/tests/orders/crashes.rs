//! Tests workers that are killed at critical moments, and one that is stopped gracefully.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use xtask::services::{PROVIDER, WORKER};

use crate::{
    faulty_proxy::{self, Mutation},
    support::TestStack,
};

/// Starts a stack with slow timeouts, which leave time to kill the worker that waits for an answer.
async fn start_slow_stack(name: &'static str) -> TestStack {
    TestStack::start_with(name, |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "2s".to_owned()));
    })
    .await
}

/// Kills and restarts the worker between two effects in the ledger.
async fn kill_after(test: &mut TestStack, effect: &str, not: &str) {
    test.wait_until(effect, || async { test.effects("1").await.iter().any(|seen| seen == effect) }).await;
    test.stack.kill(&WORKER).unwrap();
    let effects = test.effects("1").await;
    assert!(!effects.iter().any(|seen| seen == not), "killed too late: {effects:?}");
    test.stack.restart(&WORKER).await.unwrap();
}

/// Asserts that the order ships with one capture and one label.
async fn ships_once(test: &TestStack) -> Value {
    let end = test.wait_for_end("1").await;
    assert_eq!(end["status"], "shipped", "{end}");
    test.assert_verdict("1", &end).await;
    let effects = test.effects("1").await;
    for effect in ["held", "reserved", "captured", "labelled"] {
        assert_eq!(effects.iter().filter(|seen| *seen == effect).count(), 1, "{effect}: {effects:?}");
    }
    end
}

#[tokio::test]
async fn a_worker_killed_before_the_capture_charges_once() {
    let mut test = start_slow_stack("crash-reserved").await;
    test.plan("1", &json!({"inventory.reserve": ["timeout_after_commit"]})).await;
    test.place(&test.order("1")).await;
    kill_after(&mut test, "reserved", "captured").await;
    ships_once(&test).await;
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_between_capture_and_label_charges_once() {
    let mut test = start_slow_stack("crash-captured").await;
    test.plan("1", &json!({"payment.capture": ["timeout_after_commit"]})).await;
    test.place(&test.order("1")).await;
    kill_after(&mut test, "captured", "labelled").await;
    assert!(
        test.journal("1", "shipping.create-label").await.is_empty()
            || test.wait_for_end("1").await["status"] == "shipped"
    );
    ships_once(&test).await;
    assert!(test.journal("1", "payment.capture").await.len() >= 2, "the second attempt repeats the call");
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_during_the_label_makes_one_label() {
    let mut test = start_slow_stack("crash-labelling").await;
    test.place(&test.order("1")).await;
    test.wait_until("a label request", || async {
        !test.journal("1", "shipping.create-label").await.is_empty()
    })
    .await;
    test.stack.kill(&WORKER).unwrap();
    assert!(!test.effects("1").await.iter().any(|seen| seen == "labelled"), "killed too late");
    test.stack.restart(&WORKER).await.unwrap();
    ships_once(&test).await;
    assert!(
        test.journal("1", "shipping.create-label").await.len() >= 2,
        "the second attempt repeats the call"
    );
    test.stop().await;
}

async fn is_notified(test: &TestStack, order: &str) -> bool {
    test.effects(order).await.iter().any(|effect| effect == "notified")
}

/// The progress of one of the two labels is unavailable after the worker was killed.
#[tokio::test]
async fn a_labels_heartbeats_never_decrease_and_survive_a_killed_worker() {
    let (address, to) = faulty_proxy::start(Mutation::UnexpectedAnswers).await;
    let mut test = TestStack::start_with("heartbeats", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{address}")));
        to.send(options.ports.url(&PROVIDER)).unwrap();
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "15s".to_owned()));
    })
    .await;
    let mut seen = [("seen", Vec::new()), (faulty_proxy::UNSEEN, Vec::new())];
    for (order, _) in &seen {
        test.place(&test.order(order)).await;
    }
    let mut is_killed = false;
    while !is_notified(&test, "seen").await || !is_notified(&test, faulty_proxy::UNSEEN).await {
        for (order, seen) in &mut seen {
            seen.extend(test.heartbeat(order).await);
        }
        if !is_killed && seen.iter().all(|(_, seen)| seen.last().is_some_and(|(_, progress)| *progress > 0)) {
            test.stack.kill(&WORKER).unwrap();
            faulty_proxy::IS_UNSEEN.store(true, Ordering::Relaxed);
            test.stack.restart(&WORKER).await.unwrap();
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
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_before_the_labels_answer_changes_nothing() {
    let mut test = start_slow_stack("crash-labelled").await;
    test.plan("1", &json!({"shipping.create-label": ["timeout_after_commit"]})).await;
    test.place(&test.order("1")).await;
    kill_after(&mut test, "labelled", "notified").await;
    ships_once(&test).await;
    assert!(
        test.journal("1", "shipping.create-label").await.len() >= 2,
        "the second attempt repeats the call"
    );
    test.stop().await;
}

#[tokio::test]
async fn a_stopping_worker_answers_health_checks_until_its_activities_have_ended() {
    let mut test = TestStack::start_with("draining", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "4s".to_owned()));
    })
    .await;
    test.place(&test.order("1")).await;
    test.wait_until("a label request", || async {
        !test.journal("1", "shipping.create-label").await.is_empty()
    })
    .await;
    let worker = test.stack.url(&WORKER);
    let checks = async {
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
    let (end, answers) = tokio::join!(test.stack.stop_service(&WORKER), checks);
    end.unwrap();
    let ended = stopped.elapsed();
    // The label takes longer than this, and the worker waits for its activity.
    assert!(ended > Duration::from_secs(1), "nothing to drain: {ended:?}");
    let (last, _) = answers.last().expect("the health endpoint answers");
    let last = last.duration_since(stopped);
    assert!(ended.saturating_sub(last) < Duration::from_secs(1), "no answer from {last:?} to {ended:?}");
    let draining = answers.iter().filter(|(_, now)| now[1].0 == 503 && now[1].1.contains("draining"));
    assert!(draining.count() > 5, "{answers:?}");
    assert!(answers.iter().all(|(_, now)| (now[0].0, now[2].0) == (200, 200)), "{answers:?}");
    test.stack.restart(&WORKER).await.unwrap();
    ships_once(&test).await;
    assert_eq!(test.journal("1", "shipping.create-label").await.len(), 1, "the activity ran once");
    test.stop().await;
}

#[tokio::test]
async fn an_order_reset_to_before_its_capture_is_charged_once() {
    let test = TestStack::start("reset").await;
    let placed = test.place(&test.order("1")).await;
    let run = placed["runId"].as_str().unwrap();
    test.wait_for_end("1").await;
    let id = "order-fulfillment-reset-1";
    let history = test.temporal(&["workflow", "show", "-w", id, "-o", "json"]).await;
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
    // The reset goes to the task that scheduled the capture, and to the one that completed it.
    let before = events[..captured].iter().rfind(completed).unwrap();
    let after = events[captured..].iter().find(completed).unwrap();
    let tasks = [before, after].map(|event| event["eventId"].as_str().unwrap());
    for task in tasks {
        let to = ["workflow", "reset", "-w", id, "-r", run, "--event-id", task, "--reason", "a test"];
        test.temporal(&to).await;
        let end = test.wait_for_end("1").await;
        assert_eq!(end["status"], "shipped", "{end}");
        test.assert_verdict("1", &end).await;
        let effects = test.effects("1").await;
        assert_eq!(effects.iter().filter(|seen| *seen == "captured").count(), 1, "{effects:?}");
    }
    test.stop().await;
}
