//! Tests orders whose workflow was terminated from outside.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{API, Temporal, WORKER};

use crate::support::{TestStack, dev_server, names};

fn order_with_approval(test: &TestStack, order: &str) -> Value {
    let mut body = test.order(order);
    body["requiresApproval"] = json!(true);
    body
}

async fn get(test: &TestStack, path: &str) -> (u16, Value) {
    test.call(&API, Method::GET, path, None).await
}

#[tokio::test]
async fn a_terminated_order_is_terminated_everywhere_without_a_worker() {
    let mut test = TestStack::start("ended").await;
    let placed = test.place(&order_with_approval(&test, "1")).await;
    test.place(&order_with_approval(&test, "2")).await;
    test.wait_for_step("1", "awaiting_approval").await;
    test.wait_for_step("2", "awaiting_approval").await;
    let id = placed["workflowId"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/order/{id}");

    let url = format!("{}{path}/events", test.stack.url(&API));
    let stream = tokio::spawn(async move { reqwest::get(url).await.unwrap().text().await.unwrap() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    test.temporal(&["workflow", "terminate", "-w", &id, "--reason", "stuck for days"]).await;
    let seen = tokio::time::timeout(Duration::from_secs(8), stream).await.expect("the stream ends").unwrap();
    assert!(seen.contains(r#""status":"pending_approval""#), "{seen}");
    let last = seen.rsplit("event: state").next().unwrap();
    assert!(last.contains(r#""status":"terminated""#), "{seen}");

    test.stack.stop_service(&WORKER).await.unwrap();
    let (status, state) = get(&test, &format!("{path}/status")).await;
    assert_eq!((status, &state["status"]), (200, &json!("terminated")), "{state}");
    assert_eq!(
        state["error"],
        json!({"code": "TERMINATED", "message": "the workflow was terminated: stuck for days"})
    );
    assert_eq!(names(&state["completedSteps"]), ["payment_authorization"]);
    assert!(state["authId"].as_str().unwrap().starts_with("auth_"), "{state}");
    assert_eq!(state["orderId"], json!(test.order_id("1")));
    assert_eq!(state["progress"], json!(20));

    let (status, result) = get(&test, &format!("{path}/result?timeout=5")).await;
    assert_eq!((status, &result["success"], &result["status"]), (200, &json!(false), &json!("terminated")));
    let (status, progress) = get(&test, &format!("{path}/progress")).await;
    assert_eq!((status, &progress["progress"], &progress["workflowId"]), (200, &json!(20), &json!(id)));

    for action in ["cancel", "approve", "reject", "retry-compensation"] {
        let (status, body) = test.signal_by_api("1", action, None).await;
        assert_eq!((status, &body["error"]), (409, &json!("order_already_closed")), "{action}: {body}");
    }
    let (status, body) = test.call(&API, Method::POST, &format!("/api/v1/workflows/{id}/cancel"), None).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_closed")));

    let customer = "customer-of-ended";
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let listing = format!("/api/v1/orders?customerId={customer}");
        let (_, all) = get(&test, &listing).await;
        let (_, terminated) = get(&test, &format!("{listing}&status=terminated")).await;
        let (_, waiting) = get(&test, &format!("{listing}&status=pending_approval")).await;
        let of = |listing: &Value| {
            let orders = listing["orders"].as_array().unwrap_or_else(|| panic!("{listing}"));
            let mut ids: Vec<_> =
                orders.iter().map(|order| (order["orderId"].clone(), order["status"].clone())).collect();
            ids.sort_by_key(|(id, _)| id.to_string());
            ids
        };
        let one = (json!(test.order_id("1")), json!("terminated"));
        let two = (json!(test.order_id("2")), json!("pending_approval"));
        if of(&all) == [one.clone(), two.clone()] && of(&terminated) == [one] && of(&waiting) == [two] {
            break;
        }
        assert!(Instant::now() < deadline, "{all}\n{terminated}\n{waiting}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    test.stop().await;
}

#[tokio::test]
async fn an_order_that_has_ended_needs_no_worker() {
    let mut test = TestStack::start("over").await;
    test.plan("2", &json!({"inventory.reserve": ["out_of_stock"]})).await;
    assert_eq!(test.run("1").await["status"], "shipped");
    assert_eq!(test.run("2").await["status"], "failed");
    test.stack.stop_service(&WORKER).await.unwrap();
    for (order, status, code) in [("1", "shipped", Value::Null), ("2", "failed", json!("OUT_OF_STOCK"))] {
        let state = test.status(order).await;
        assert_eq!((&state["status"], &state["error"]["code"]), (&json!(status), &code), "{state}");
        assert_eq!(test.wait_for_end(order).await["status"], json!(status));
    }
    assert_eq!(names(&test.status("2").await["compensations"]), ["release_payment"]);
    test.stop().await;
}

#[tokio::test]
async fn an_order_that_continues_in_a_new_run_is_one_order() {
    let (_server, address) = dev_server(&["limit.historyCount.suggestContinueAsNew=30"]).await;
    let mut test = TestStack::start_on_server(Temporal::External(address), "further", |options| {
        options.environment.push((&API, "COMPENSATION_RETRY_INITIAL", "100ms".to_owned()));
        options.environment.push((&API, "COMPENSATION_RETRY_MAXIMUM", "100ms".to_owned()));
    })
    .await;
    let plan = json!({"inventory.reserve": ["out_of_stock"], "payment.release": vec!["internal_error"; 90]});
    test.plan("1", &plan).await;
    let order = test.order("1");
    let url = format!("{}/api/v1/order", test.stack.url(&API));
    let place = || async {
        let request = reqwest::Client::new().post(&url).header("idempotency-key", "further-1").json(&order);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let placed = place().await;
    let id = "order-fulfillment-further-1";
    test.wait_until("another run", || async {
        let state = test.status("1").await;
        state["runId"] != placed["runId"]
    })
    .await;
    assert_eq!(place().await, placed, "the first answer names the first run");

    test.temporal(&["workflow", "terminate", "-w", id, "--reason", "a test"]).await;
    test.stack.stop_service(&WORKER).await.unwrap();
    let state = test.status("1").await;
    assert_eq!(
        (&state["status"], &state["error"]["code"]),
        (&json!("terminated"), &json!("TERMINATED")),
        "{state}"
    );
    assert_eq!(names(&state["completedSteps"]), ["payment_authorization"]);
    assert_eq!(names(&state["compensations"]), ["release_payment"]);
    assert!(state["compensations"][0]["attempts"].as_u64().unwrap() > 3, "{state}");
    let (_, events) = get(&test, &format!("/api/v1/order/{id}/events")).await;
    let run = placed["runId"].as_str().unwrap();
    assert!(events.as_str().unwrap().contains(&format!("id: {run}:")), "{events}");
    test.wait_until("one order in the list", || async {
        let (_, list) = get(&test, "/api/v1/orders").await;
        let orders = list["orders"].as_array().unwrap();
        orders.len() == 1 && orders[0]["status"] == "terminated"
    })
    .await;
    assert_eq!(place().await, placed, "a key is known after the end");
    test.stack.stop(|_, _| ()).await.unwrap();
}
