//! Tests worker versions: two builds of the worker, orders under way, and a change of the current version.

#[allow(dead_code, unused_imports, reason = "orders use the rest")]
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::TestStack;
use tempfile::TempDir;
use xtask::{
    services::{Options, PROVIDER, Ports, Service, WORKER},
    stack::Stack,
};

/// Starts a stack whose worker is the build `one`, and makes it the current version.
async fn start_with(name: &'static str, behavior: &'static str) -> TestStack {
    let test =
        TestStack::start_with(name, |options| options.environment.extend(version(name, "one", behavior)))
            .await;
    set_current(&test, "one").await;
    test
}

fn version(deployment: &str, build: &str, behavior: &str) -> [(&'static Service, &'static str, String); 3] {
    [
        (&WORKER, "TEMPORAL_DEPLOYMENT_NAME", deployment.to_owned()),
        (&WORKER, "TEMPORAL_WORKER_BUILD_ID", build.to_owned()),
        (&WORKER, "TEMPORAL_VERSIONING_BEHAVIOR", behavior.to_owned()),
    ]
}

/// A further worker, beside the one of the stack.
struct Build {
    worker: Stack,
    _folder: TempDir,
}

impl Build {
    async fn start(test: &TestStack, build: &str, behavior: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stack = test.stack.options();
        let mut options =
            Options::new(folder.path().to_owned(), Ports::free().unwrap(), stack.temporal.clone());
        options.task_queue.clone_from(&stack.task_queue);
        options.services.retain(|service| *service == &WORKER);
        options.environment = version(&stack.task_queue, build, behavior).to_vec();
        options.environment.push((&WORKER, "PROVIDER_URL", test.stack.url(&PROVIDER)));
        Self { worker: Stack::start(options).await.unwrap(), _folder: folder }
    }
}

async fn set_current(test: &TestStack, build: &str) {
    deployment(test, "set-current-version", build, &[]).await;
}

async fn ramp(test: &TestStack, build: &str, percentage: &str) {
    deployment(test, "set-ramping-version", build, &["--percentage", percentage]).await;
}

/// Runs a command about a version. The server learns of a version only when its worker polls.
async fn deployment(test: &TestStack, command: &str, build: &str, more: &[&str]) {
    let name = test.stack.options().task_queue.clone();
    let mut arguments =
        vec!["worker", "deployment", command, "--deployment-name", &name, "--build-id", build, "--yes"];
    arguments.extend(more);
    test.wait_until(command, || async { test.try_temporal(&arguments).await.is_ok() }).await;
}

/// Returns the build that ran the last workflow task of an order.
async fn build_of(test: &TestStack, order: &str) -> Value {
    let id = format!("order-fulfillment-{}", test.order_id(order));
    let shown = test.temporal(&["workflow", "describe", "-w", &id, "-o", "json"]).await;
    let described: Value = serde_json::from_str(&shown).unwrap();
    described["workflowExecutionInfo"]["versioningInfo"]["deploymentVersion"]["buildId"].clone()
}

async fn place_waiting(test: &TestStack, order: &str) {
    let mut body = test.order(order);
    body["requiresApproval"] = json!(true);
    test.place(&body).await;
    test.wait_for_step(order, "awaiting_approval").await;
}

async fn approve_and_ship(test: &TestStack, order: &str) {
    decide(test, order, "approve").await;
    assert_shipped(test, order).await;
}

/// Decides an order. Temporal asks a worker that died for some seconds more. That is answered with 503, and the decision
/// may still count.
async fn decide(test: &TestStack, order: &str, decision: &str) {
    test.wait_until(decision, || async {
        let (status, body) = test.signal_by_api(order, decision, None).await;
        let is_decided = status == 200 || body["error"] == "already_decided";
        assert!(is_decided || body["retryable"] == true, "{body}");
        is_decided
    })
    .await;
}

async fn assert_shipped(test: &TestStack, order: &str) {
    let end = test.wait_for_end(order).await;
    assert_eq!(end["status"], "shipped", "{end}");
    test.assert_verdict(order, &end).await;
}

#[tokio::test]
async fn orders_move_to_a_new_version_and_back_and_none_fails() {
    let test = start_with("rolled", "auto_upgrade").await;
    place_waiting(&test, "moved").await;
    assert_eq!(build_of(&test, "moved").await, "one");
    let mut two = Build::start(&test, "two", "auto_upgrade").await;

    // A new build that dies in the middle of the ramp, and comes back, loses nothing.
    ramp(&test, "two", "50").await;
    for number in 0..16 {
        test.place(&test.order(&format!("ramped-{number}"))).await;
    }
    two.worker.kill(&WORKER).unwrap();
    two.worker.restart(&WORKER).await.unwrap();
    let mut builds = BTreeSet::new();
    for number in 0..16 {
        let order = format!("ramped-{number}");
        assert_shipped(&test, &order).await;
        builds.insert(build_of(&test, &order).await.as_str().unwrap().to_owned());
    }
    assert_eq!(builds, ["one".to_owned(), "two".to_owned()].into(), "half of the orders run on each build");

    ramp(&test, "two", "100").await;
    set_current(&test, "two").await;
    approve_and_ship(&test, "moved").await;
    assert_eq!(build_of(&test, "moved").await, "two");
    for order in ["returned", "rejected"] {
        place_waiting(&test, order).await;
        assert_eq!(build_of(&test, order).await, "two");
    }

    // The new build dies for good, and the operator rolls back. Its orders go on, one of them by its compensations.
    two.worker.kill(&WORKER).unwrap();
    set_current(&test, "one").await;
    approve_and_ship(&test, "returned").await;
    decide(&test, "rejected", "reject").await;
    let end = test.wait_for_end("rejected").await;
    assert_eq!(end["status"], "rejected", "{end}");
    test.assert_verdict("rejected", &end).await;
    for order in ["returned", "rejected"] {
        assert_eq!(build_of(&test, order).await, "one", "{order}");
    }
    test.stop().await;
}

#[tokio::test]
async fn a_pinned_order_stays_with_its_version_and_new_ones_take_the_current_one() {
    let test = start_with("pinned", "pinned").await;
    place_waiting(&test, "old").await;
    let _two = Build::start(&test, "two", "pinned").await;
    set_current(&test, "two").await;
    place_waiting(&test, "new").await;
    for (order, build) in [("old", "one"), ("new", "two")] {
        approve_and_ship(&test, order).await;
        assert_eq!(build_of(&test, order).await, build, "{order}");
    }
    test.stop().await;
}
