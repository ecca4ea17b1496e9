//! Tests the schedule of reconciliations, their pages, and their cancellation.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, PROVIDER, WORKER};

use crate::{
    PATH, counts, reconcile, start, start_with,
    support::{TestStack, record},
    trigger, wait_for_report,
};

async fn schedule(test: &TestStack) -> Value {
    let (status, body) = test.call(&API, Method::GET, PATH, None).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn runs(test: &TestStack) -> usize {
    let body = schedule(test).await;
    let runs = body["lastRuns"].as_array().unwrap();
    runs.iter().filter(|run| run["status"] == "completed").count()
}

#[tokio::test]
async fn the_schedule_runs_until_it_is_paused_and_again_after_it_is_resumed() {
    let test = start_with("scheduled", |options| {
        options.environment.push((&API, "RECONCILIATION_EVERY", "1s".to_owned()));
    })
    .await;
    test.wait_until("the schedule", || async { test.call(&API, Method::GET, PATH, None).await.0 == 200 })
        .await;
    test.wait_until("two runs", || async { runs(&test).await >= 2 }).await;
    let shown = schedule(&test).await;
    assert_eq!((&shown["every"], &shown["paused"]), (&json!("1s"), &json!(false)), "{shown}");
    let id = shown["lastRuns"][0]["workflowId"].as_str().unwrap();
    assert!(id.starts_with("reconciliation-scheduled-20"), "{id}");

    let note = json!({"reason": "an audit"});
    let (status, paused) = test.call(&API, Method::POST, &format!("{PATH}/pause"), Some(&note)).await;
    assert_eq!((status, &paused["paused"], &paused["note"]), (200, &json!(true), &json!("an audit")));
    test.wait_until("the last run", || async {
        schedule(&test).await["lastRuns"].as_array().unwrap().iter().all(|run| run["status"] == "completed")
    })
    .await;
    let last = schedule(&test).await["lastRuns"][0].clone();
    // Longer than two intervals.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(schedule(&test).await["lastRuns"][0], last, "it runs although it is paused");

    let (status, resumed) = test.call(&API, Method::POST, &format!("{PATH}/resume"), None).await;
    assert_eq!((status, &resumed["paused"]), (200, &json!(false)));
    test.wait_until("another run", || async { schedule(&test).await["lastRuns"][0] != last }).await;
    test.stop().await;
}

#[tokio::test]
async fn a_restart_of_the_api_keeps_a_pause_and_takes_the_new_interval() {
    let mut test = start("rescheduled").await;
    test.wait_until("the schedule", || async { test.call(&API, Method::GET, PATH, None).await.0 == 200 })
        .await;
    assert_eq!(test.call(&API, Method::POST, &format!("{PATH}/pause"), None).await.0, 200);
    test.stack.kill(&API).unwrap();
    test.stack.set_variable(&API, "RECONCILIATION_EVERY", "2h");
    test.stack.restart(&API).await.unwrap();
    test.wait_until("the new interval", || async {
        let (status, body) = test.call(&API, Method::GET, PATH, None).await;
        status == 200 && body["every"] == "2h"
    })
    .await;
    assert_eq!(schedule(&test).await["paused"], true);
    test.stop().await;
}

/// 45 pages of the ledger and one of executions are more than two histories.
#[tokio::test]
async fn many_pages_continue_in_new_histories_and_lose_no_order() {
    let test = start_with("paged", |options| {
        options.environment.push((&API, "RECONCILIATION_PAGE_SIZE", "1".to_owned()));
    })
    .await;
    for number in 0..45 {
        let order = test.order_id(&format!("foreign-{number}"));
        let body = json!({"amount": 5998, "currency": "usd", "orderId": order});
        let (status, body) = test.call(&PROVIDER, Method::POST, "/payment/authorize", Some(&body)).await;
        assert_eq!(status, 201, "{body}");
    }
    let report = reconcile(&test, true).await;
    assert_eq!((counts(&report), &report["orders"]), ([0, 45, 0, 0], &json!(45)), "{report}");
    assert_ne!(report["runId"], report["firstRunId"], "it continued as new");
    let found = report["contradictions"].as_array().unwrap();
    assert!(found.iter().all(|one| one["difference"] == "unknown_order"), "{report}");
    record("reconciliation-continued", "reconciliation-paged").await;
    test.stop().await;
}

#[tokio::test]
async fn a_reconciliation_waits_for_the_provider_and_can_be_cancelled_meanwhile() {
    let mut test = start("unreachable").await;
    test.stack.kill(&PROVIDER).unwrap();
    trigger(&test, false).await;
    let (status, problem) = test.call(&API, Method::POST, &format!("{PATH}/trigger"), None).await;
    assert_eq!((status, &problem["error"]), (409, &json!("reconciliation_already_running")), "{problem}");
    let cancel = "/api/v1/workflows/reconciliation-unreachable/cancel";
    let (status, body) = test.call(&API, Method::POST, cancel, None).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(wait_for_report(&test).await["status"], "cancelled");
    record("reconciliation-cancelled", "reconciliation-unreachable").await;

    trigger(&test, false).await;
    test.stack.restart(&PROVIDER).await.unwrap();
    assert_eq!(wait_for_report(&test).await["status"], "completed");
    test.stop().await;
}

#[tokio::test]
async fn a_provider_that_refuses_the_question_fails_the_run_and_publishes_no_figures() {
    let mut test = start("refused-question").await;
    test.stack.kill(&WORKER).unwrap();
    // The API has no such path, and says so finally.
    let elsewhere = test.stack.url(&API);
    test.stack.set_variable(&WORKER, "PROVIDER_URL", &elsewhere);
    test.stack.restart(&WORKER).await.unwrap();
    trigger(&test, false).await;
    let report = wait_for_report(&test).await;
    assert_eq!(report["status"], "failed", "{report}");
    assert_eq!(report["error"]["code"], "not_found", "{report}");
    record("reconciliation-failed", "reconciliation-refused-question").await;
    let metrics = test.metrics(&WORKER).await;
    assert!(metrics.contains("reconciliation_ended_timestamp_seconds 0"), "nothing was published");
    test.stop().await;
}
