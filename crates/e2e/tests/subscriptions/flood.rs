//! Tests that no message is lost while a subscription continues in new histories.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use xtask::services::API;

use crate::{create, path, start_with, state, subscription, wait_for, wait_for_status};

/// Each period ends its history. Two callers send updates and one sends signals, all the time.
#[tokio::test]
async fn no_update_and_no_signal_is_lost_across_twenty_continuations() {
    let test = start_with("flood", |options| {
        options.environment.push((&API, "SUBSCRIPTION_PERIODS_PER_RUN", "1".to_owned()));
    })
    .await;
    create(&test, &subscription(&test, "beans")).await;
    let [accepted, unknown, signals] = [const { AtomicU64::new(0) }; 3];
    let is_over = AtomicBool::new(false);
    let update = |caller: u64| {
        let (test, accepted, unknown, is_over) = (&test, &accepted, &unknown, &is_over);
        async move {
            while !is_over.load(Ordering::Relaxed) {
                let items = json!({"items": [{"sku": "beans", "quantity": caller, "price": 1}]});
                let (status, body) =
                    test.call(&API, Method::PUT, &path(test, "beans", "/items"), Some(&items)).await;
                match status {
                    200 => accepted.fetch_add(1, Ordering::Relaxed),
                    // The answer didn't come in time, so nobody knows whether the update counted.
                    503 => unknown.fetch_add(1, Ordering::Relaxed),
                    _ => panic!("{status}: {body}"),
                };
            }
        }
    };
    let signal = async {
        let terms =
            json!({"items": [{"sku": "beans", "quantity": 1, "price": 100}], "amount": 100, "total": "1.00"})
                .to_string();
        let id = "subscription-flood-beans";
        while !is_over.load(Ordering::Relaxed) {
            // Temporal refuses a signal while a history closes.
            let arguments = ["workflow", "signal", "-w", id, "--name", "setItems", "--input", &terms];
            let sent = test.try_temporal(&arguments).await;
            signals.fetch_add(u64::from(sent.is_ok()), Ordering::Relaxed);
        }
    };
    let watch = async {
        wait_for(&test, "beans", "twenty orders", |state| state["shipped"].as_u64() >= Some(20)).await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(join_all((1..=2).map(update)), signal, watch);
    let sent = accepted.load(Ordering::Relaxed) + signals.load(Ordering::Relaxed);
    let state =
        wait_for(&test, "beans", "every message", |state| state["messages"].as_u64() >= Some(sent)).await;
    let handled = state["messages"].as_u64().unwrap();
    let most = sent + unknown.load(Ordering::Relaxed);
    assert!((sent..=most).contains(&handled), "{handled} of {sent} to {most}: {state}");
    assert!(accepted.load(Ordering::Relaxed) > 10 * unknown.load(Ordering::Relaxed), "{unknown:?}");
    let (status, _) = test.call(&API, Method::POST, &path(&test, "beans", "/cancel"), None).await;
    assert_eq!(status, 200);
    wait_for_status(&test, "beans", "cancelled").await;
    test.stop().await;
}

#[tokio::test]
async fn a_subscription_that_continues_in_new_histories_is_one_subscription() {
    let test = start_with("continued", |options| {
        options.environment.push((&API, "SUBSCRIPTION_PERIODS_PER_RUN", "1".to_owned()));
    })
    .await;
    let mut body = subscription(&test, "beans");
    body["maxOrders"] = json!(3);
    create(&test, &body).await;
    wait_for_status(&test, "beans", "completed").await;
    let end = state(&test, "beans").await;
    assert_eq!((&end["shipped"], end["recent"].as_array().unwrap().len()), (&json!(3), 3), "{end}");
    test.stop().await;
}
