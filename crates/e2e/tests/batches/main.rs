//! Tests batches from outside, with real processes and a real Temporal server.

#[allow(dead_code, unused_imports, reason = "orders use the rest")]
#[path = "../support/mod.rs"]
mod support;

#[path = "../support/poll.rs"]
mod poll;

use std::time::{Duration, Instant};

use poll::poll;
use reqwest::Method;
use serde_json::{Value, json};
use support::{TIMEOUT, TestStack, record};
use xtask::services::{API, Options, PROVIDER, WORKER};

const PATH: &str = "/api/v1/order-batches";

async fn start(name: &'static str, change: impl FnOnce(&mut Options)) -> TestStack {
    TestStack::start_with(name, |options| {
        options.environment.push((&API, "ORDER_BATCH_WINDOW", "5".to_owned()));
        options.environment.push((&API, "ORDER_BATCH_CHUNK_SIZE", "4".to_owned()));
        change(options);
    })
    .await
}

fn order_name(number: usize) -> String {
    format!("o{number}")
}

async fn post(test: &TestStack, orders: usize) -> Value {
    let orders: Vec<_> = (0..orders).map(|number| test.order(&order_name(number))).collect();
    let body = json!({"batchId": test.order_id("batch"), "orders": orders});
    let (status, answer) = test.call(&API, Method::POST, PATH, Some(&body)).await;
    assert_eq!(status, 202, "{answer}");
    answer
}

async fn change(test: &TestStack, what: &str) -> (u16, Value) {
    let path = format!("{PATH}/{}/{what}", test.order_id("batch"));
    test.call(&API, Method::POST, &path, None).await
}

async fn wait_for(test: &TestStack, what: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    poll(test, &format!("{PATH}/{}", test.order_id("batch")), what, is_there).await
}

async fn wait_for_status(test: &TestStack, status: &str) -> Value {
    wait_for(test, status, |state| state["status"] == status).await
}

async fn assert_verdicts(test: &TestStack, orders: usize) {
    for number in 0..orders {
        let end = test.wait_for_end(&order_name(number)).await;
        test.assert_verdict(&order_name(number), &end).await;
    }
}

/// 90 orders are 23 chunks, which are more than one history starts.
#[tokio::test]
async fn every_order_of_a_batch_ends_once_and_the_window_is_never_exceeded() {
    let test = start("batch-ends", |_| ()).await;
    test.plan("o3", &json!({"payment.authorize": ["insufficient_funds"]})).await;
    test.plan("o50", &json!({"inventory.reserve": ["out_of_stock"]})).await;
    test.place(&test.order("o7")).await;
    test.wait_for_end("o7").await;
    let begun = post(&test, 90).await;
    let mut most = 0;
    let deadline = Instant::now() + TIMEOUT * 2;
    let end = loop {
        let list = test.call(&API, Method::GET, &format!("{PATH}/{}", test.order_id("batch")), None).await;
        most = most.max(list.1["running"].as_u64().unwrap_or_default());
        if list.1["status"] == "completed" {
            break list.1;
        }
        assert!(Instant::now() < deadline, "{}", list.1);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!((1..=5).contains(&most), "{most} ran at the same time");
    assert_eq!(end["ends"], json!({"shipped": 87, "failed": 2, "already_exists": 1}), "{end}");
    let mut unshipped: Vec<_> = end["unshipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["orderId"].as_str().unwrap(), one["error"]["code"].as_str().unwrap()))
        .collect();
    unshipped.sort_unstable();
    assert_eq!(
        unshipped,
        [
            ("batch-ends-o3", "PAYMENT_DECLINED"),
            ("batch-ends-o50", "OUT_OF_STOCK"),
            ("batch-ends-o7", "ORDER_ALREADY_EXISTS")
        ]
    );
    assert_ne!(begun["runId"], end["runId"], "it continued as new");
    assert_verdicts(&test, 90).await;
    record("batch-completed", &format!("order-batch-{}", test.order_id("batch"))).await;
    record("batch-chunk-completed", &format!("batch-chunk-{}-0", test.order_id("batch"))).await;
    test.stop().await;
}

#[tokio::test]
async fn a_paused_batch_starts_no_order_until_it_is_resumed() {
    let test = start("batch-paused", |_| ()).await;
    post(&test, 24).await;
    wait_for(&test, "an end", |state| state["ends"]["shipped"].as_u64() >= Some(1)).await;
    let (status, paused) = change(&test, "pause").await;
    assert_eq!((status, &paused["status"]), (200, &json!("paused")), "{paused}");
    let quiet = wait_for(&test, "quiet", |state| state["running"] == 0).await;
    // Longer than an order takes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let later = wait_for_status(&test, "paused").await;
    assert_eq!(later["ends"], quiet["ends"]);
    assert!(later["ends"]["shipped"].as_u64() < Some(24), "{later}");
    assert_eq!(change(&test, "resume").await.0, 200);
    let end = wait_for_status(&test, "completed").await;
    assert_eq!(end["ends"], json!({"shipped": 24}));
    assert_verdicts(&test, 24).await;
    test.stop().await;
}

#[tokio::test]
async fn a_cancelled_batch_ends_after_its_running_orders_undid_themselves() {
    let test = start("batch-cancelled", |options| {
        options.environment.push((&PROVIDER, "SHIPPING_LABEL_DURATION", "20s".to_owned()));
    })
    .await;
    post(&test, 12).await;
    test.wait_until("captures", || async {
        test.effects("o0").await.contains(&"captured".to_owned())
            && test.effects("o4").await.contains(&"captured".to_owned())
    })
    .await;
    let (status, cancelling) = change(&test, "cancel").await;
    assert_eq!((status, &cancelling["status"]), (200, &json!("cancelling")), "{cancelling}");
    let end = wait_for_status(&test, "cancelled").await;
    assert_eq!(end["ends"], json!({"cancelled": 5, "not_started": 7}), "{end}");
    assert_eq!(change(&test, "cancel").await.1["error"], "batch_already_closed");
    assert_verdicts(&test, 5).await;
    record("batch-cancelled", &format!("order-batch-{}", test.order_id("batch"))).await;
    record("batch-chunk-cancelled", &format!("batch-chunk-{}-0", test.order_id("batch"))).await;
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_of_a_batch_ships_each_order_once() {
    let mut test = start("batch-killed", |_| ()).await;
    post(&test, 16).await;
    for shipped in [2, 8] {
        wait_for(&test, "some ends", |state| state["ends"]["shipped"].as_u64() >= Some(shipped)).await;
        test.stack.kill(&WORKER).unwrap();
        test.stack.restart(&WORKER).await.unwrap();
    }
    let end = wait_for_status(&test, "completed").await;
    assert_eq!(end["ends"], json!({"shipped": 16}), "{end}");
    assert_verdicts(&test, 16).await;
    test.stop().await;
}
