//! The provider, Temporal or a right that isn't there.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::{
    services::{API, PROVIDER, Service, TEMPORAL, Temporal, WORKER},
    workspace::Workspace,
};

use crate::support::{World, dev_server, record_run};

#[tokio::test]
async fn an_order_that_meets_no_provider_says_so_and_ends_by_itself_once_it_is_back() {
    let mut world = World::start("outage").await;
    world.stack.kill(&PROVIDER).unwrap();
    world.place(&world.order("1")).await;
    let failed =
        world.until("1", "compensation_failed", |state| state["status"] == "compensation_failed").await;
    assert_eq!(failed["error"]["code"], "PROVIDER_UNAVAILABLE");
    world.stack.start_again(&PROVIDER).await.unwrap();
    let back = Instant::now();
    let end = world.end("1").await;
    assert!(back.elapsed() < Duration::from_secs(5), "longer than a retry interval: {:?}", back.elapsed());
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PROVIDER_UNAVAILABLE")));
    world.must_agree("1", &end).await;
    assert_eq!(world.run("2").await["status"], "shipped");
    world.stop().await;
}

/// Rounds of the release that an order has tried so far: three attempts each.
async fn rounds(world: &World) -> usize {
    world.journal("1", "payment.release").await.len().div_ceil(3)
}

#[tokio::test]
async fn an_undo_that_fails_for_long_is_tried_fewer_than_3_rounds_in_its_first_minute() {
    // The default timing, except of the approval.
    let world = World::start_with("patient", |options| {
        options.environment.retain(|(service, _, _)| *service != &API);
    })
    .await;
    let plan = json!({"inventory.reserve": ["out_of_stock"], "payment.release": vec!["internal_error"; 30]});
    world.plan("1", &plan).await;
    world.place(&world.order("1")).await;
    world.until("1", "compensation_failed", |state| state["status"] == "compensation_failed").await;
    world.temporal(&["workflow", "cancel", "-w", "order-fulfillment-patient-1"]).await;
    let is = |event: &Value, kind: &str| event["eventType"] == format!("EVENT_TYPE_{kind}");
    let events = async || {
        let history =
            world.temporal(&["workflow", "show", "-w", "order-fulfillment-patient-1", "-o", "json"]).await;
        serde_json::from_str::<Value>(&history).unwrap()["events"].as_array().unwrap().clone()
    };
    world
        .eventually("the cancellation handled", || async {
            let events = events().await;
            let asked = events.iter().position(|event| is(event, "WORKFLOW_EXECUTION_CANCEL_REQUESTED"));
            asked
                .is_some_and(|asked| events[asked..].iter().any(|event| is(event, "WORKFLOW_TASK_COMPLETED")))
        })
        .await;
    // The waits between rounds double, so no more than two rounds fit into a minute after a first wait of 30 s.
    let events = events().await;
    let wait = events.iter().rposition(|event| is(event, "TIMER_STARTED")).unwrap();
    assert_eq!(events[wait]["timerStartedEventAttributes"]["startToFireTimeout"], "30s");
    let ended = |event: &&Value| is(event, "TIMER_FIRED") || is(event, "TIMER_CANCELED");
    assert_eq!(events[wait..].iter().find(ended), None, "a cancellation doesn't shorten the wait");
    assert_eq!(rounds(&world).await, 1);

    let resolution = json!({"step": "release_payment", "note": "released by hand", "actor": "ops"});
    assert_eq!(world.tell("1", "resolve-compensation", Some(&resolution)).await.0, 200);
    let end = world.end("1").await;
    assert_eq!((&end["status"], &end["compensations"][0]["status"]), (&json!("failed"), &json!("resolved")));
    assert_eq!(end["compensations"][0]["note"], "ops: released by hand");
    let history =
        world.temporal(&["workflow", "show", "-w", "order-fulfillment-patient-1", "-o", "json"]).await;
    assert!(history.contains("resolveCompensation"), "the history keeps who resolved it");
    world.stop().await;
}

#[tokio::test]
async fn a_failed_undo_is_tried_again_at_once_when_asked_and_holds_up_no_other() {
    let world = World::start_with("asked", |options| {
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "10m".to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_MAXIMUM", "10m".to_owned()));
    })
    .await;
    let plan =
        json!({"shipping.create-label": ["address_error"], "payment.refund": vec!["internal_error"; 3]});
    world.plan("1", &plan).await;
    world.place(&world.order("1")).await;
    let failed =
        world.until("1", "compensation_failed", |state| state["status"] == "compensation_failed").await;
    let records = failed["compensations"].as_array().unwrap();
    let status = |name: &str| records.iter().find(|record| record["name"] == name).unwrap()["status"].clone();
    assert_eq!(
        (status("refund_payment"), status("release_inventory")),
        (json!("failed"), json!("completed"))
    );
    assert_eq!(world.tell("1", "retry-compensation", None).await.0, 200);
    let end = world.end("1").await;
    assert_eq!(end["error"]["code"], "ADDRESS_REJECTED");
    world.must_agree("1", &end).await;
    world.stop().await;
}

/// Runs a service's own health check, as its container does, and returns the exit code.
async fn health_check(world: &World, service: &'static Service, arguments: &[&str]) -> Option<i32> {
    let address = world.stack.ports().address(service);
    let program = Workspace::locate().unwrap().binary(service.name);
    let mut command = Command::new(program);
    command.arg("healthcheck").args(arguments).env("LISTEN_ADDR", &address).env("METRICS_ADDR", &address);
    command.output().await.unwrap().status.code()
}

#[tokio::test]
async fn without_temporal_every_answer_comes_within_5_s_and_the_service_comes_back_by_itself() {
    let mut world = World::start_alone("serverless", |_| ()).await;
    world.run("1").await;
    world.stack.kill(&TEMPORAL).unwrap();
    for (method, path, body) in [
        (Method::GET, "/api/v1/order/order-fulfillment-serverless-1/status", None),
        (Method::GET, "/api/v1/orders", None),
        (Method::POST, "/api/v1/order", Some(world.order("2"))),
    ] {
        let asked = Instant::now();
        let (status, body) = world.call(&API, method, path, body.as_ref()).await;
        assert_eq!((status, &body["error"]), (503, &json!("temporal_unavailable")), "{path}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{path}: {:?}", asked.elapsed());
    }
    // An orchestrator must not restart what only waits for Temporal.
    for service in [&API, &WORKER] {
        assert_eq!(health_check(&world, service, &[]).await, Some(1), "{} is ready", service.name);
        assert_eq!(health_check(&world, service, &["--live"]).await, Some(0), "{} isn't live", service.name);
    }
    world.stack.start_again(&TEMPORAL).await.unwrap();
    world
        .eventually("a ready API", || async {
            world.call(&API, Method::GET, "/health/ready", None).await.0 == 200
                && world.call(&WORKER, Method::GET, "/health/ready", None).await.0 == 200
        })
        .await;
    assert_eq!(world.run("2").await["status"], "shipped");
    world.stop().await;
}

#[tokio::test]
async fn without_a_worker_orders_are_still_listed() {
    let mut world = World::start("unworked").await;
    world.run("1").await;
    world.stack.kill(&WORKER).unwrap();
    let (status, body) =
        world.call(&API, Method::GET, "/api/v1/orders?customerId=customer-of-unworked", None).await;
    assert_eq!((status, body["orders"].as_array().unwrap().len()), (200, 1), "{body}");
    world.stop().await;
}

#[tokio::test]
async fn where_search_attributes_cannot_be_registered_orders_work_and_a_log_line_says_so() {
    let mut world = World::start_alone("unsearchable", |options| options.services = Vec::new()).await;
    // A namespace takes ten of a kind: with ten others there is no room for ours.
    for number in 0..10 {
        let name = format!("taken{number}");
        world
            .temporal(&["operator", "search-attribute", "create", "--name", &name, "--type", "Keyword"])
            .await;
    }
    for service in [&PROVIDER, &WORKER, &API] {
        world.stack.start_again(service).await.unwrap();
    }
    assert_eq!(world.run("1").await["status"], "shipped");
    let said = |log: &str| log.matches("search attributes may not be registered").count();
    assert_eq!((said(&world.log(&API)), said(&world.log(&WORKER))), (1, 1));
    let (status, body) = world.call(&API, Method::GET, "/api/v1/orders?status=shipped", None).await;
    assert_eq!((status, &body["error"]), (503, &json!("search_unavailable")));
    let (status, body) = world.call(&API, Method::GET, "/api/v1/orders", None).await;
    let orders: &Value = &body["orders"];
    assert_eq!((status, &orders[0]["orderId"]), (200, &json!("unsearchable-1")), "{body}");
    world.stop().await;
}

#[tokio::test]
async fn a_compensation_that_outgrows_its_history_goes_on_in_a_new_one_and_can_be_recorded() {
    let (_server, address) = dev_server(&["limit.historyCount.suggestContinueAsNew=30"]).await;
    let mut world = World::start_on(Temporal::At(address.clone()), "outgrown", |options| {
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "100ms".to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_MAXIMUM", "100ms".to_owned()));
    })
    .await;
    let plan = json!({"inventory.reserve": ["out_of_stock"], "payment.release": vec!["internal_error"; 60]});
    world.plan("1", &plan).await;
    let placed = world.place(&world.order("1")).await;
    let run = || async {
        let described = world
            .temporal(&["workflow", "describe", "-w", "order-fulfillment-outgrown-1", "-o", "json"])
            .await;
        let described: Value = serde_json::from_str(&described).unwrap();
        described["workflowExecutionInfo"]["execution"]["runId"].as_str().unwrap().to_owned()
    };
    world.eventually("another run", || async { run().await != placed["runId"].as_str().unwrap() }).await;
    // What it had reached is carried over, and so are the keys: the release is the one it always was.
    let state = world.status("1").await;
    assert_eq!((&state["error"]["code"], &state["authId"].is_string()), (&json!("OUT_OF_STOCK"), &true));
    world.plan("1", &json!({"payment.release": ["success"]})).await;
    let end = world.end("1").await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("OUT_OF_STOCK")));
    assert!(end["compensations"][0]["attempts"].as_u64().unwrap() > 3, "{end}");
    world.must_agree("1", &end).await;
    let (id, first) = ("order-fulfillment-outgrown-1", placed["runId"].as_str());
    record_run(&address, "undo-outgrew-its-history", id, first).await;
    record_run(&address, "undo-outgrew-its-history-and-ended", id, None).await;
    world.stack.stop(|_, _| ()).await.unwrap();
}
