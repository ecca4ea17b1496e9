//! Tests worker versions: two builds of the worker, orders under way, and a change of the current version.

#[allow(dead_code, unused_imports, reason = "orders use the rest")]
#[path = "../support/mod.rs"]
mod support;

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
    let (status, body) = test.signal_by_api(order, "approve", None).await;
    assert_eq!(status, 200, "{body}");
    let end = test.wait_for_end(order).await;
    assert_eq!(end["status"], "shipped", "{end}");
    test.assert_verdict(order, &end).await;
}

#[tokio::test]
async fn orders_move_to_a_new_version_and_back_and_none_fails() {
    let test = start_with("rolled", "auto_upgrade").await;
    for order in ["moved", "returned"] {
        place_waiting(&test, order).await;
        assert_eq!(build_of(&test, order).await, "one");
    }
    let mut two = Build::start(&test, "two", "auto_upgrade").await;
    ramp(&test, "two", "50").await;
    for number in 0..8 {
        test.place(&test.order(&format!("ramped-{number}"))).await;
    }
    ramp(&test, "two", "100").await;
    set_current(&test, "two").await;
    approve_and_ship(&test, "moved").await;
    assert_eq!(build_of(&test, "moved").await, "two");

    // The new build dies while it runs orders, and the operator rolls back.
    for number in 0..4 {
        test.place(&test.order(&format!("dying-{number}"))).await;
    }
    two.worker.kill(&WORKER).unwrap();
    set_current(&test, "one").await;
    approve_and_ship(&test, "returned").await;
    assert_eq!(build_of(&test, "returned").await, "one");
    let ramped = (0..8).map(|number| format!("ramped-{number}"));
    for order in ramped.chain((0..4).map(|number| format!("dying-{number}"))) {
        let end = test.wait_for_end(&order).await;
        assert_eq!(end["status"], "shipped", "{end}");
        test.assert_verdict(&order, &end).await;
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
