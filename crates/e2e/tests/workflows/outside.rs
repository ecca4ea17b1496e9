//! Tests payments and user contexts that were terminated from outside, and the status of any workflow.

use std::time::Duration;

use serde_json::json;
use xtask::services::{API, WORKER};

use crate::{
    support::TestStack,
    workflow_client::{pay, start},
};

#[tokio::test]
async fn a_terminated_payment_shows_its_charge_without_a_worker() {
    let mut test = TestStack::start("payended").await;
    let workflow_id = {
        let workflow = pay(&test, "1").await;
        let running = workflow.wait_for_status("succeeded").await;
        assert!(running["startTime"].is_string(), "{running}");
        assert_eq!(running.get("closeTime"), None);
        workflow.id.clone()
    };
    test.temporal(&["workflow", "terminate", "-w", &workflow_id, "--reason", "a test"]).await;
    test.stack.stop_service(&WORKER).await.unwrap();
    let path = format!("/api/v1/workflows/{workflow_id}");
    for view in ["status", "progress", "result?timeout=5", "result?timeout=5&wait=close"] {
        let (status, body) = test.call(&API, reqwest::Method::GET, &format!("{path}/{view}"), None).await;
        assert_eq!((status, &body["status"]), (200, &json!("terminated")), "{view}: {body}");
        assert_eq!(body["error"]["code"], "TERMINATED");
        assert!(body["chargeId"].as_str().unwrap().starts_with("ch_"), "{body}");
        assert_eq!(body["cancellable"], json!(false));
        assert!(body["runId"].is_string() && body["closeTime"].is_string(), "{body}");
    }
    let (_, body) = test.call(&API, reqwest::Method::GET, &format!("{path}/result"), None).await;
    assert_eq!(body["success"], json!(false));
    let (status, body) = test.call(&API, reqwest::Method::POST, &format!("{path}/cancel"), None).await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_closed")));
    test.stop().await;
}

#[tokio::test]
async fn a_terminated_user_context_is_terminated() {
    let mut test = TestStack::start("ctxended").await;
    // Without a worker, the workflow makes no progress.
    test.stack.stop_service(&WORKER).await.unwrap();
    let (status, body) = start(&test, "user-context", &json!({"userId": "ctxended-ada"})).await;
    assert_eq!(status, 202, "{body}");
    test.temporal(&["workflow", "terminate", "-w", "user-context-ctxended-ada", "--reason", "a test"]).await;
    let path = "/api/v1/workflows/user-context-ctxended-ada";
    let (status, body) = test.call(&API, reqwest::Method::GET, &format!("{path}/result"), None).await;
    assert_eq!(
        (status, &body["status"], &body["success"]),
        (200, &json!("terminated"), &json!(false)),
        "{body}"
    );
    assert_eq!(body["userId"], "ctxended-ada");
    let (status, body) = test.call(&API, reqwest::Method::GET, &format!("{path}/progress"), None).await;
    assert_eq!((status, &body["completed"]), (200, &json!(true)), "{body}");
    let (status, body) = test.call(&API, reqwest::Method::POST, &format!("{path}/cancel"), None).await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_closed")));
    test.stop().await;
}

#[tokio::test]
async fn a_payments_result_has_the_charge_as_soon_as_it_is_there() {
    let test = TestStack::start("payquick").await;
    let workflow = pay(&test, "1").await;
    let asked = std::time::Instant::now();
    let (status, body) = workflow.get("result?timeout=30").await;
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!(
        (status, &body["success"], &body["status"]),
        (200, &json!(true), &json!("succeeded")),
        "{body}"
    );
    assert!(body["chargeId"].as_str().unwrap().starts_with("ch_"), "{body}");
    assert_eq!(body["cancellable"], json!(true));
    let (status, body) = workflow.get("result?timeout=1&wait=close").await;
    assert_eq!((status, body.get("success")), (202, None), "{body}");
    let (status, body) = workflow.get("result?wait=soon").await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{body}");
    test.stop().await;
}
