//! Tests repeated starts of workflows with an idempotency key.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use xtask::services::API;

use crate::{
    support::TestStack,
    workflow_client::{WorkflowClient, payment},
};

async fn start(test: &TestStack, kind: &str, key: &str, body: &Value) -> (u16, Value, bool) {
    let url = format!("{}/api/v1/workflows/{kind}", test.stack.url(&API));
    let request = reqwest::Client::new().post(url).header(CONTENT_TYPE, "application/json");
    let response = request.header("idempotency-key", key).body(body.to_string()).send().await.unwrap();
    let status = response.status().as_u16();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    (status, response.json().await.unwrap(), replayed)
}

#[tokio::test]
async fn a_repeated_payment_with_the_same_key_is_charged_once() {
    let test = TestStack::start_with("payagain", |options| {
        options.environment.push((&API, "PAYMENT_CANCEL_WINDOW", "1s".to_owned()));
    })
    .await;
    let body = payment(&test, "1");
    let (status, first, replayed) = start(&test, "payment", "payagain-1", &body).await;
    assert_eq!((status, replayed), (202, false), "{first}");
    assert_eq!(start(&test, "payment", "payagain-1", &body).await, (202, first.clone(), true));
    WorkflowClient::of(&test, &first).wait_for_end().await;
    assert_eq!(start(&test, "payment", "payagain-1", &body).await, (202, first.clone(), true));
    let mut other = body.clone();
    other["amount"] = json!(5999);
    let (status, problem, _) = start(&test, "payment", "payagain-1", &other).await;
    assert_eq!((status, &problem["error"]), (409, &json!("idempotency_key_reused")), "{problem}");
    test.stop().await;
}

#[tokio::test]
async fn twenty_payments_for_no_order_with_one_key_are_one() {
    let test = TestStack::start("paycrowd").await;
    let body = json!({"amount": 5998, "currency": "USD", "source": "tok_visa"});
    let posts = (0..20).map(|_| start(&test, "payment", "paycrowd-1", &body));
    let answers = futures::future::join_all(posts).await;
    assert!(answers.iter().all(|(status, body, _)| *status == 202 && *body == answers[0].1), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, _, replayed)| !replayed).count(), 1, "{answers:?}");
    let workflow = WorkflowClient::of(&test, &answers[0].1);
    workflow.wait_for_status("succeeded").await;
    assert_eq!(workflow.activities().await, ["processPaymentActivity"]);
    test.stop().await;
}

#[tokio::test]
async fn a_user_context_sent_again_under_its_key_is_the_same_run() {
    let test = TestStack::start_with("ctxagain", |options| options.offline = true).await;
    let body = json!({"userId": "ctxagain-ada", "strategy": "RxJS"});
    let (status, first, _) = start(&test, "user-context", "ctxagain-1", &body).await;
    assert_eq!(status, 202, "{first}");
    WorkflowClient::of(&test, &first).wait_for_end().await;
    assert_eq!(start(&test, "user-context", "ctxagain-1", &body).await, (202, first.clone(), true));
    let (status, second, replayed) = start(&test, "user-context", "ctxagain-2", &body).await;
    assert_eq!((status, replayed), (202, false), "{second}");
    assert_ne!(first["runId"], second["runId"]);
    test.stop().await;
}
