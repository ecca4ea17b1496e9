//! Tests payments: charged once, refunded once, or never charged.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, Options, PROVIDER, WORKER};

use crate::{
    lossy_proxy,
    support::{TestStack, names},
    workflow_client::{WorkflowClient, assert_settled, pay, payment, start},
};

/// Sets a cancel window that a test can wait for.
fn short_window(options: &mut Options) {
    options.environment.push((&API, "PAYMENT_CANCEL_WINDOW", "2s".to_owned()));
}

#[tokio::test]
async fn a_payment_is_known_at_once_and_ends_when_its_window_closes() {
    let test = TestStack::start_with("paid", short_window).await;
    let workflow = pay(&test, "1").await;
    assert_eq!(workflow.id, "payment-paid-1");
    workflow.wait_for_status("succeeded").await;
    let (_, progress) = workflow.get("progress").await;
    assert_eq!((&progress["status"], &progress["attempts"]), (&json!("succeeded"), &json!(1)));
    assert!(progress["chargeId"].as_str().unwrap().starts_with("ch_"), "{progress}");
    let (status, body) = workflow.get("result?timeout=0").await;
    assert_eq!((status, &body["cancellable"], &body["chargeId"]), (200, &json!(true), &progress["chargeId"]));
    let (status, body) = workflow.get("result?timeout=0&wait=close").await;
    assert_eq!((status, &body["cancellable"]), (202, &json!(true)));
    let (status, body) = start(&test, "payment", &payment(&test, "1")).await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_exists")));

    let end = workflow.wait_for_end().await;
    assert_eq!(
        (&end["success"], &end["status"], &end["cancellable"]),
        (&json!(true), &json!("succeeded"), &json!(false))
    );
    assert_eq!(workflow.cancel().await, (409, "workflow_already_closed".to_owned()));
    assert_eq!(workflow.activities().await, ["processPaymentActivity"]);
    let (status, body) = start(&test, "payment", &payment(&test, "1")).await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_exists")));
    assert_settled(&test, "1").await;
    test.stop().await;
}

#[tokio::test]
async fn a_decline_is_final_and_leaves_nothing_to_undo() {
    let test = TestStack::start("paydeclined").await;
    test.plan("1", &json!({"payment.charge": ["insufficient_funds"]})).await;
    let end = pay(&test, "1").await.wait_for_end().await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("failed")));
    assert_eq!(end["error"]["code"], "PAYMENT_DECLINED");
    assert_eq!((&end["attempts"], &end["compensations"]), (&json!(1), &json!([])));
    test.assert_verdict("1", &end).await;
    // A failed payment may be repeated.
    test.plan("1", &json!({"payment.charge": ["success"]})).await;
    pay(&test, "1").await.wait_for_status("succeeded").await;
    test.stop().await;
}

#[tokio::test]
async fn a_charge_whose_first_answer_was_lost_is_charged_once() {
    let test = TestStack::start_with("paylost", short_window).await;
    test.plan("1", &json!({"payment.charge": ["timeout_after_commit"]})).await;
    let end = pay(&test, "1").await.wait_for_end().await;
    assert_eq!((&end["status"], &end["attempts"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(test.journal("1", "payment.charge").await.len(), 2, "the second call replays the first");
    assert_settled(&test, "1").await;
    test.stop().await;
}

#[tokio::test]
async fn a_charge_with_a_lost_answer_is_refunded() {
    let (proxy, provider) = lossy_proxy::start().await;
    let test = TestStack::start_with("payunheard", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{proxy}")));
        provider.send(options.ports.url(&PROVIDER)).unwrap();
    })
    .await;
    let end = pay(&test, "1").await.wait_for_end().await;
    assert_eq!((&end["status"], &end["attempts"]), (&json!("compensated"), &json!(3)));
    assert_eq!(end["error"]["code"], "PROVIDER_UNAVAILABLE");
    assert_eq!(test.effects("1").await, ["held", "captured", "refunded"]);
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn undoing_a_charge_that_never_ran_blocks_it() {
    let test = TestStack::start("payoutage").await;
    test.plan("1", &json!({"payment.charge": ["timeout", "internal_error", "timeout"]})).await;
    let end = pay(&test, "1").await.wait_for_end().await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PROVIDER_UNAVAILABLE")));
    assert_eq!(end["compensations"][0]["status"], "nothing_to_undo");
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_payment_cancelled_inside_its_window_is_refunded_once() {
    let test = TestStack::start("paycancelled").await;
    for (order, by) in [("api", "the API"), ("signal", "any payload"), ("temporal", "Temporal")] {
        let workflow = pay(&test, order).await;
        workflow.wait_for_status("succeeded").await;
        match order {
            "api" => assert_eq!(workflow.cancel().await, (200, String::new())),
            "signal" => workflow.signal("cancelPayment", Some("7")).await,
            _ => {
                test.temporal(&["workflow", "cancel", "-w", &workflow.id]).await;
            }
        }
        let end = workflow.wait_for_end().await;
        assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("compensated")), "{by}");
        assert_eq!(end["error"]["code"], "PAYMENT_CANCELLED", "{by}");
        assert_eq!(names(&end["compensations"]), ["refund_charge"], "{by}");
        assert_eq!(test.effects(order).await, ["held", "captured", "refunded"], "{by}");
        assert_eq!(workflow.cancel().await, (409, "workflow_already_closed".to_owned()), "{by}");
        test.assert_verdict(order, &end).await;
    }
    test.stop().await;
}

#[tokio::test]
async fn a_cancellation_while_it_is_charged_blocks_the_late_charge() {
    let test = TestStack::start_with("payearly", |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "20s".to_owned()));
    })
    .await;
    test.plan("1", &json!({"payment.charge": ["timeout"]})).await;
    let (_, started) = start(&test, "payment", &payment(&test, "1")).await;
    let workflow = WorkflowClient::of(&test, &started);
    test.wait_until("the charge", || async { !test.journal("1", "payment.charge").await.is_empty() }).await;
    let asked = Instant::now();
    assert_eq!(workflow.cancel().await, (200, String::new()));
    let end = workflow.wait_for_end().await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PAYMENT_CANCELLED")));
    test.assert_verdict("1", &end).await;

    let key = format!("{}/{}/charge_payment", workflow.id, started["runId"].as_str().unwrap());
    assert_eq!(late_charge(&test, &key).await, (409, "undone_before_execution".to_owned()));
    test.stop().await;
}

/// Sends a late charge with the payment's idempotency key.
async fn late_charge(test: &TestStack, key: &str) -> (u16, String) {
    let response = reqwest::Client::new()
        .post(format!("{}/payment/charge", test.stack.url(&PROVIDER)))
        .header("idempotency-key", key)
        .header("x-order-id", test.order_id("1"))
        .header("content-type", "application/json")
        .body(r#"{"amount":5998,"currency":"usd","source":"tok_visa"}"#)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_refund_that_fails_is_shown_and_retried_until_it_succeeds() {
    let test = TestStack::start("paystubborn").await;
    test.plan("1", &json!({"payment.refund": vec!["internal_error"; 3]})).await;
    let workflow = pay(&test, "1").await;
    workflow.wait_for_status("succeeded").await;
    assert_eq!(workflow.cancel().await, (200, String::new()));
    let failed = workflow.wait_for_status("compensation_failed").await;
    assert_eq!(failed["compensations"][0]["attempts"], 3, "{failed}");
    assert_eq!(workflow.cancel().await, (409, "workflow_already_cancelling".to_owned()));
    let end = workflow.wait_for_end().await;
    assert_eq!((&end["status"], &end["compensations"][0]["attempts"]), (&json!("compensated"), &json!(4)));
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_before_the_charges_answer_charges_once() {
    let mut test = TestStack::start_with("paycrash", |options| {
        short_window(options);
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
    })
    .await;
    test.plan("1", &json!({"payment.charge": ["timeout_after_commit"]})).await;
    pay(&test, "1").await;
    let captured = || async { test.effects("1").await.iter().any(|effect| effect == "captured") };
    test.wait_until("captured", captured).await;
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    let end = WorkflowClient::of(&test, &json!({"workflowId": "payment-paycrash-1"})).wait_for_end().await;
    assert_eq!(end["status"], "succeeded", "{end}");
    assert!(test.journal("1", "payment.charge").await.len() >= 2, "the second attempt repeats the call");
    assert_settled(&test, "1").await;
    test.stop().await;
}

#[tokio::test]
async fn a_payment_can_be_cancelled_after_its_worker_was_killed() {
    let mut test = TestStack::start("paywindow").await;
    pay(&test, "1").await.wait_for_status("succeeded").await;
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    let workflow = WorkflowClient::of(&test, &json!({"workflowId": "payment-paywindow-1"}));
    // The server notices the killed worker only after some time.
    test.wait_until("an answer", || async { workflow.get("status").await.0 == 200 }).await;
    assert_eq!(workflow.cancel().await, (200, String::new()));
    let end = workflow.wait_for_end().await;
    assert_eq!(end["status"], "compensated", "{end}");
    assert_eq!(test.effects("1").await, ["held", "captured", "refunded"]);
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn a_worker_killed_before_the_refunds_answer_refunds_once() {
    let mut test = TestStack::start_with("payrefundcrash", |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
    })
    .await;
    test.plan("1", &json!({"payment.refund": ["timeout_after_commit"]})).await;
    let workflow = pay(&test, "1").await;
    workflow.wait_for_status("succeeded").await;
    assert_eq!(workflow.cancel().await, (200, String::new()));
    let refunded = || async { test.effects("1").await.iter().any(|effect| effect == "refunded") };
    test.wait_until("refunded", refunded).await;
    test.stack.kill(&WORKER).unwrap();
    test.stack.restart(&WORKER).await.unwrap();
    let end =
        WorkflowClient::of(&test, &json!({"workflowId": "payment-payrefundcrash-1"})).wait_for_end().await;
    assert_eq!(end["status"], "compensated", "{end}");
    assert!(test.journal("1", "payment.refund").await.len() >= 2, "the second attempt repeats the call");
    assert_eq!(test.effects("1").await, ["held", "captured", "refunded"]);
    test.assert_verdict("1", &end).await;
    test.stop().await;
}

#[tokio::test]
async fn one_correlation_id_joins_every_process_and_no_log_names_the_card() {
    const ID: &str = "correlation-of-a-payment";
    let test = TestStack::start("paytraced").await;
    let mut body = payment(&test, "1");
    body["correlationId"] = json!(ID);
    body["source"] = json!("tok_secret");
    let (status, started) = start(&test, "payment", &body).await;
    assert_eq!((status, &started["correlationId"]), (202, &json!(ID)), "{started}");
    let workflow = WorkflowClient::of(&test, &started);
    workflow.wait_for_status("succeeded").await;
    for service in [&API, &WORKER, &PROVIDER] {
        let log = test.log(service);
        assert!(log.contains(ID), "the log of {} lacks {ID}", service.name);
        assert!(!log.contains("tok_secret"), "{} logs the card", service.name);
    }
    assert_eq!(test.journal("1", "payment.charge").await[0]["correlationId"], ID);
    let described = test.temporal(&["workflow", "describe", "-w", &workflow.id, "-o", "json"]).await;
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    let memo = &described["workflowExecutionInfo"]["memo"]["fields"]["correlationId"];
    assert_eq!(memo, ID, "{described}");
    test.stop().await;
}

#[tokio::test]
async fn an_unknown_page_token_is_refused() {
    let test = TestStack::start("badtoken").await;
    let (status, body) = test.call(&API, Method::GET, "/api/v1/orders?pageToken=zzzz", None).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{body}");
    let workflow = pay(&test, "1").await;
    let (status, body) = workflow.get("history?pageToken=zzzz").await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{body}");
    test.stop().await;
}
