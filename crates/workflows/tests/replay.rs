//! Replays the recorded histories. A history of a released workflow must replay for ever, because a running
//! order would be stuck otherwise. A change of commands needs `patched`.
//!
//! `cargo xtask record` adds the missing histories.

#![allow(clippy::disallowed_methods, reason = "a test may read files")]

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use temporalio_client::WorkflowHistory;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    WorkflowContext, WorkflowResult,
    workflow_replayer::{
        WorkflowReplayError, WorkflowReplayFailure, WorkflowReplayer, WorkflowReplayerOptions,
    },
};
use workflows::{
    order_batch::{BatchChunkWorkflow, OrderBatchWorkflow},
    order_fulfillment::OrderFulfillment,
    order_return::ReturnWorkflow,
    payment::PaymentWorkflow,
    reconciliation::ReconciliationWorkflow,
    subscription::SubscriptionWorkflow,
    user_context::UserContextWorkflow,
};

/// The ends of our workflows. Each has a recorded history.
const RECORDED_HISTORIES: &[&str] = &[
    "shipped",
    "shipped-after-approval",
    "shipped-without-notification",
    "rejected",
    "approval-timeout",
    "decided-by-update",
    "address-changed",
    "cancelled-while-labelled",
    "cancelled-by-temporal",
    "declined",
    "out-of-stock",
    "undeliverable",
    "compensation-retried",
    "compensation-resolved",
    "undone-in-reverse",
    "undo-waited",
    "undo-failed-for-a-round",
    "undo-restarted",
    "undo-resolved-waiting",
    "undo-resolved-running",
    "undo-refused",
    "undo-outgrew-its-history",
    "undo-outgrew-its-history-and-ended",
    "provider-unavailable",
    "payment-expired",
    "ledger-mismatch",
    "internal",
    "payment-succeeded",
    "payment-declined",
    "payment-unavailable",
    "payment-cancelled",
    "payment-cancelled-by-temporal",
    "payment-refund-waited",
    "payment-refund-retried",
    "payment-refund-resolved",
    "user-context-parallel",
    "user-context-sequential",
    "user-context-partial",
    "user-context-unavailable",
    "user-context-cancelled",
    "subscription-completed",
    "subscription-past-due",
    "subscription-cancelled",
    "batch-completed",
    "batch-cancelled",
    "batch-chunk-completed",
    "batch-chunk-cancelled",
    "reconciliation-clean",
    "reconciliation-repaired",
    "reconciliation-continued",
    "reconciliation-cancelled",
    "reconciliation-compared-before-repair",
    "reconciliation-failed",
    "return-completed",
    "return-cancelled",
    "return-refund-retried",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

fn history(path: &PathBuf) -> WorkflowHistory {
    let json = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    WorkflowHistory::from_json(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn every_recorded_history_replays() {
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<OrderFulfillment>()
        .unwrap()
        .register_workflow::<PaymentWorkflow>()
        .unwrap()
        .register_workflow::<SubscriptionWorkflow>()
        .unwrap()
        .register_workflow::<ReconciliationWorkflow>()
        .unwrap()
        .register_workflow::<OrderBatchWorkflow>()
        .unwrap()
        .register_workflow::<BatchChunkWorkflow>()
        .unwrap()
        .register_workflow::<ReturnWorkflow>()
        .unwrap()
        .register_workflow::<UserContextWorkflow>()
        .unwrap()
        .build();
    let replayer = WorkflowReplayer::new(options).unwrap();
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        if let Err(error) = replayer.replay_workflow(history(path)).await {
            panic!("{} no longer replays: {error}", path.display());
        }
    }
    let names: Vec<_> = paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    for end in RECORDED_HISTORIES {
        assert!(names.contains(end), "no history ends {end}: `cargo xtask record` records it");
    }
}

/// Returns the history of an order whose authorization failed, with another end of that call. In the recorded
/// rest, the order voids the authorization.
fn released_after(event_type: i32, attributes: Value) -> WorkflowHistory {
    let json = fs::read(folder().join("provider-unavailable.json")).unwrap();
    let mut history: Value = serde_json::from_slice(&json).unwrap();
    let events = history["events"].as_array_mut().unwrap();
    let failed = |event: &&mut Value| !event["attributes"]["ActivityTaskFailedEventAttributes"].is_null();
    let event = events.iter_mut().find(failed).unwrap();
    event["event_type"] = event_type.into();
    event["attributes"] = attributes;
    WorkflowHistory::from_json(&serde_json::to_vec(&history).unwrap()).unwrap()
}

fn failed(failure: &Value) -> WorkflowHistory {
    let attributes = json!({
        "cause": 0, "failure": failure, "identity": "a-test", "retry_state": 2,
        "scheduled_event_id": 5, "started_event_id": 6, "worker_version": null,
    });
    released_after(13, json!({"ActivityTaskFailedEventAttributes": attributes}))
}

fn timed_out(kind: &str) -> WorkflowHistory {
    let failure = json!({"message": "activity timeout", "timeoutFailureInfo": {"timeoutType": kind}});
    let attributes =
        json!({"failure": failure, "retry_state": 3, "scheduled_event_id": 5, "started_event_id": 6});
    released_after(14, json!({"ActivityTaskTimedOutEventAttributes": attributes}))
}

#[tokio::test]
async fn a_timed_out_step_is_undone_and_a_refused_one_is_not() {
    let options = WorkflowReplayerOptions::new().register_workflow::<OrderFulfillment>().unwrap().build();
    let replayer = WorkflowReplayer::new(options).unwrap();
    for kind in ["TIMEOUT_TYPE_SCHEDULE_TO_CLOSE", "TIMEOUT_TYPE_START_TO_CLOSE", "TIMEOUT_TYPE_HEARTBEAT"] {
        if let Err(error) = replayer.replay_workflow(timed_out(kind)).await {
            panic!("{kind}: {error}");
        }
    }
    let refused = json!({"message": "no", "applicationFailureInfo": {"type": "insufficient_funds", "nonRetryable": true}});
    let result = replayer.replay_workflow(failed(&refused)).await;
    assert!(
        matches!(result, Err(WorkflowReplayError::Replay(WorkflowReplayFailure::Nondeterminism { .. }))),
        "a refused step has nothing to undo: {result:?}"
    );
}

/// The order workflow with a change that no `patched` guards: a timer before the first step.
#[workflow]
#[derive(Default)]
struct ChangedWorkflow;

#[workflow_methods]
impl ChangedWorkflow {
    #[run(name = "orderFulfillmentWorkflow")]
    async fn run(ctx: &mut WorkflowContext<Self>, _input: serde_json::Value) -> WorkflowResult<()> {
        ctx.timer(Duration::from_secs(1)).await;
        Ok(())
    }
}

#[tokio::test]
async fn a_change_without_a_patch_fails_the_replay() {
    let options = WorkflowReplayerOptions::new().register_workflow::<ChangedWorkflow>().unwrap().build();
    let replayer = WorkflowReplayer::new(options).unwrap();
    let result = replayer.replay_workflow(history(&folder().join("shipped.json"))).await;
    assert!(
        matches!(result, Err(WorkflowReplayError::Replay(WorkflowReplayFailure::Nondeterminism { .. }))),
        "{result:?}"
    );
}
