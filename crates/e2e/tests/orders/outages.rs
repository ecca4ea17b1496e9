//! Tests outages of the provider and of Temporal, and missing permissions.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::{
    services::{API, PROVIDER, Service, TEMPORAL, Temporal, WORKER},
    workspace::Workspace,
};

use crate::support::{TestStack, dev_server, record_run};

#[tokio::test]
async fn an_order_without_a_provider_waits_and_ends_when_it_returns() {
    let mut test = TestStack::start("outage").await;
    test.stack.kill(&PROVIDER).unwrap();
    test.place(&test.order("1")).await;
    let failed = test
        .wait_for_state("1", "compensation_failed", |state| state["status"] == "compensation_failed")
        .await;
    assert_eq!(failed["error"]["code"], "PROVIDER_UNAVAILABLE");
    test.stack.restart(&PROVIDER).await.unwrap();
    let back = Instant::now();
    let end = test.wait_for_end("1").await;
    assert!(back.elapsed() < Duration::from_secs(5), "longer than a retry interval: {:?}", back.elapsed());
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PROVIDER_UNAVAILABLE")));
    test.assert_verdict("1", &end).await;
    assert_eq!(test.run("2").await["status"], "shipped");
    test.stop().await;
}

/// Returns the number of rounds of an order's void so far. A round has three attempts.
async fn rounds(test: &TestStack) -> usize {
    test.journal("1", "payment.release").await.len().div_ceil(3)
}

#[tokio::test]
async fn an_undo_that_keeps_failing_runs_fewer_than_3_rounds_in_its_first_minute() {
    // The API keeps its default timing.
    let test = TestStack::start_with("doubling", |options| {
        options.environment.retain(|(service, _, _)| *service != &API);
    })
    .await;
    let plan = json!({"inventory.reserve": ["out_of_stock"], "payment.release": vec!["internal_error"; 30]});
    test.plan("1", &plan).await;
    test.place(&test.order("1")).await;
    test.wait_for_state("1", "compensation_failed", |state| state["status"] == "compensation_failed").await;
    test.temporal(&["workflow", "cancel", "-w", "order-fulfillment-doubling-1"]).await;
    let is = |event: &Value, kind: &str| event["eventType"] == format!("EVENT_TYPE_{kind}");
    let events = async || {
        let history =
            test.temporal(&["workflow", "show", "-w", "order-fulfillment-doubling-1", "-o", "json"]).await;
        serde_json::from_str::<Value>(&history).unwrap()["events"].as_array().unwrap().clone()
    };
    test.wait_until("the cancellation handled", || async {
        let events = events().await;
        let asked = events.iter().position(|event| is(event, "WORKFLOW_EXECUTION_CANCEL_REQUESTED"));
        asked.is_some_and(|asked| events[asked..].iter().any(|event| is(event, "WORKFLOW_TASK_COMPLETED")))
    })
    .await;
    // The waits between rounds double, so no more than two rounds fit into a minute after a first wait of 30 s.
    let events = events().await;
    let wait = events.iter().rposition(|event| is(event, "TIMER_STARTED")).unwrap();
    assert_eq!(events[wait]["timerStartedEventAttributes"]["startToFireTimeout"], "30s");
    let ended = |event: &&Value| is(event, "TIMER_FIRED") || is(event, "TIMER_CANCELED");
    assert_eq!(events[wait..].iter().find(ended), None, "a cancellation doesn't shorten the wait");
    assert_eq!(rounds(&test).await, 1);

    let resolution = json!({"step": "release_payment", "note": "released by hand", "actor": "ops"});
    assert_eq!(test.signal_by_api("1", "resolve-compensation", Some(&resolution)).await.0, 200);
    let end = test.wait_for_end("1").await;
    assert_eq!((&end["status"], &end["compensations"][0]["status"]), (&json!("failed"), &json!("resolved")));
    assert_eq!(end["compensations"][0]["note"], "ops: released by hand");
    let history =
        test.temporal(&["workflow", "show", "-w", "order-fulfillment-doubling-1", "-o", "json"]).await;
    assert!(history.contains("resolveCompensation"), "the history contains the resolution");
    test.stop().await;
}

#[tokio::test]
async fn a_failed_undo_is_retried_at_once_on_request_and_delays_no_other() {
    let test = TestStack::start_with("asked", |options| {
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "10m".to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_MAXIMUM", "10m".to_owned()));
    })
    .await;
    let plan =
        json!({"shipping.create-label": ["address_error"], "payment.refund": vec!["internal_error"; 3]});
    test.plan("1", &plan).await;
    test.place(&test.order("1")).await;
    let failed = test
        .wait_for_state("1", "compensation_failed", |state| state["status"] == "compensation_failed")
        .await;
    let records = failed["compensations"].as_array().unwrap();
    let status = |name: &str| records.iter().find(|record| record["name"] == name).unwrap()["status"].clone();
    assert_eq!(
        (status("refund_payment"), status("release_inventory")),
        (json!("failed"), json!("completed"))
    );
    assert_eq!(test.signal_by_api("1", "retry-compensation", None).await.0, 200);
    let end = test.wait_for_end("1").await;
    assert_eq!(end["error"]["code"], "ADDRESS_REJECTED");
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

/// Runs a service's own health check, as its container does, and returns the exit code.
async fn health_check(test: &TestStack, service: &'static Service, arguments: &[&str]) -> Option<i32> {
    let address = test.stack.ports().address(service);
    let program = Workspace::locate().unwrap().binary(service.name);
    let mut command = Command::new(program);
    command.arg("healthcheck").args(arguments).env("LISTEN_ADDR", &address).env("METRICS_ADDR", &address);
    command.output().await.unwrap().status.code()
}

#[tokio::test]
async fn without_temporal_every_request_is_answered_within_5_s_and_the_service_recovers() {
    let mut test = TestStack::start_with_own_server("serverless", |_| ()).await;
    test.run("1").await;
    test.stack.kill(&TEMPORAL).unwrap();
    for (method, path, body) in [
        (Method::GET, "/api/v1/order/order-fulfillment-serverless-1/status", None),
        (Method::GET, "/api/v1/orders", None),
        (Method::POST, "/api/v1/order", Some(test.order("2"))),
    ] {
        let asked = Instant::now();
        let (status, body) = test.call(&API, method, path, body.as_ref()).await;
        assert_eq!((status, &body["error"]), (503, &json!("temporal_unavailable")), "{path}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{path}: {:?}", asked.elapsed());
    }
    // An orchestrator must not restart a service that waits for Temporal.
    for service in [&API, &WORKER] {
        assert_eq!(health_check(&test, service, &[]).await, Some(1), "{} is ready", service.name);
        assert_eq!(health_check(&test, service, &["--live"]).await, Some(0), "{} isn't live", service.name);
    }
    test.stack.restart(&TEMPORAL).await.unwrap();
    test.wait_until("a ready API", || async {
        test.call(&API, Method::GET, "/health/ready", None).await.0 == 200
            && test.call(&WORKER, Method::GET, "/health/ready", None).await.0 == 200
    })
    .await;
    assert_eq!(test.run("2").await["status"], "shipped");
    test.stop().await;
}

#[tokio::test]
async fn without_a_worker_orders_are_still_listed() {
    let mut test = TestStack::start("unworked").await;
    test.run("1").await;
    test.stack.kill(&WORKER).unwrap();
    let (status, body) =
        test.call(&API, Method::GET, "/api/v1/orders?customerId=customer-of-unworked", None).await;
    assert_eq!((status, body["orders"].as_array().unwrap().len()), (200, 1), "{body}");
    test.stop().await;
}

#[tokio::test]
async fn orders_work_without_search_attributes_and_a_log_line_reports_it() {
    let mut test =
        TestStack::start_with_own_server("unsearchable", |options| options.services = Vec::new()).await;
    // A namespace has room for ten attributes of a type, so the stack can't register its own.
    for number in 0..10 {
        let name = format!("taken{number}");
        test.temporal(&["operator", "search-attribute", "create", "--name", &name, "--type", "Keyword"])
            .await;
    }
    for service in [&PROVIDER, &WORKER, &API] {
        test.stack.restart(service).await.unwrap();
    }
    assert_eq!(test.run("1").await["status"], "shipped");
    let count = |log: &str| log.matches("search attributes may not be registered").count();
    assert_eq!((count(&test.log(&API)), count(&test.log(&WORKER))), (1, 1));
    let (status, body) = test.call(&API, Method::GET, "/api/v1/orders?status=shipped", None).await;
    assert_eq!((status, &body["error"]), (503, &json!("search_unavailable")));
    let (status, body) = test.call(&API, Method::GET, "/api/v1/orders", None).await;
    let orders: &Value = &body["orders"];
    assert_eq!((status, &orders[0]["orderId"]), (200, &json!("unsearchable-1")), "{body}");
    test.stop().await;
}

#[tokio::test]
async fn a_compensation_with_a_long_history_continues_as_new_and_can_be_recorded() {
    let (_server, address) = dev_server(&["limit.historyCount.suggestContinueAsNew=30"]).await;
    let mut test = TestStack::start_on_server(Temporal::External(address.clone()), "outgrown", |options| {
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "100ms".to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_MAXIMUM", "100ms".to_owned()));
    })
    .await;
    let plan = json!({"inventory.reserve": ["out_of_stock"], "payment.release": vec!["internal_error"; 60]});
    test.plan("1", &plan).await;
    let placed = test.place(&test.order("1")).await;
    let run = || async {
        let described = test
            .temporal(&["workflow", "describe", "-w", "order-fulfillment-outgrown-1", "-o", "json"])
            .await;
        let described: Value = serde_json::from_str(&described).unwrap();
        described["workflowExecutionInfo"]["execution"]["runId"].as_str().unwrap().to_owned()
    };
    test.wait_until("another run", || async { run().await != placed["runId"].as_str().unwrap() }).await;
    // The new run keeps the state and the idempotency keys, so the void is the same call.
    let state = test.status("1").await;
    assert_eq!((&state["error"]["code"], &state["authId"].is_string()), (&json!("OUT_OF_STOCK"), &true));
    test.plan("1", &json!({"payment.release": ["success"]})).await;
    let end = test.wait_for_end("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("OUT_OF_STOCK")));
    assert!(end["compensations"][0]["attempts"].as_u64().unwrap() > 3, "{end}");
    test.assert_verdict("1", &end).await;
    let (id, first) = ("order-fulfillment-outgrown-1", placed["runId"].as_str());
    record_run(&address, "undo-outgrew-its-history", id, first).await;
    record_run(&address, "undo-outgrew-its-history-and-ended", id, None).await;
    test.stack.stop(|_, _| ()).await.unwrap();
}
