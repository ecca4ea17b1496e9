//! Payments: charged once, given back once, or never charged.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, Options, PROVIDER, WORKER};

use crate::{
    flow::{Flow, must_stay, pay, payment, start},
    lossy,
    support::{World, names},
};

/// A window that a test can wait for.
fn short_window(options: &mut Options) {
    options.environment.push((&API, "PAYMENT_CANCEL_WINDOW", "2s".to_owned()));
}

#[tokio::test]
async fn a_payment_is_known_at_once_and_ends_when_its_window_closes() {
    let world = World::start_with("paid", short_window).await;
    let flow = pay(&world, "1").await;
    assert_eq!(flow.id, "payment-paid-1");
    flow.until_status("succeeded").await;
    let (_, progress) = flow.get("progress").await;
    assert_eq!((&progress["status"], &progress["attempts"]), (&json!("succeeded"), &json!(1)));
    assert!(progress["chargeId"].as_str().unwrap().starts_with("ch_"), "{progress}");
    let (status, body) = flow.get("result?timeout=0").await;
    assert_eq!((status, &body["cancellable"], &body["chargeId"]), (200, &json!(true), &progress["chargeId"]));
    let (status, body) = flow.get("result?timeout=0&wait=close").await;
    assert_eq!((status, &body["cancellable"]), (202, &json!(true)));
    let (status, body) = start(&world, "payment", &payment(&world, "1")).await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_exists")));

    let end = flow.end().await;
    assert_eq!(
        (&end["success"], &end["status"], &end["cancellable"]),
        (&json!(true), &json!("succeeded"), &json!(false))
    );
    assert_eq!(flow.cancel().await, (409, "workflow_already_closed".to_owned()));
    assert_eq!(flow.activities().await, ["processPaymentActivity"]);
    let (status, body) = start(&world, "payment", &payment(&world, "1")).await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_exists")));
    must_stay(&world, "1").await;
    world.stop().await;
}

#[tokio::test]
async fn a_decline_is_final_and_leaves_nothing_to_undo() {
    let world = World::start("paydeclined").await;
    world.plan("1", &json!({"payment.charge": ["insufficient_funds"]})).await;
    let end = pay(&world, "1").await.end().await;
    assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("failed")));
    assert_eq!(end["error"]["code"], "PAYMENT_DECLINED");
    assert_eq!((&end["attempts"], &end["compensations"]), (&json!(1), &json!([])));
    world.must_agree("1", &end).await;
    // One that failed may be tried again.
    world.plan("1", &json!({"payment.charge": ["success"]})).await;
    pay(&world, "1").await.until_status("succeeded").await;
    world.stop().await;
}

#[tokio::test]
async fn a_charge_whose_first_answer_was_lost_is_charged_once() {
    let world = World::start_with("paylost", short_window).await;
    world.plan("1", &json!({"payment.charge": ["timeout_after_commit"]})).await;
    let end = pay(&world, "1").await.end().await;
    assert_eq!((&end["status"], &end["attempts"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(world.journal("1", "payment.charge").await.len(), 2, "the second call replays the first");
    must_stay(&world, "1").await;
    world.stop().await;
}

#[tokio::test]
async fn a_charge_that_nobody_heard_of_is_given_back() {
    let (way, lead) = lossy::open().await;
    let world = World::start_with("payunheard", |options| {
        options.environment.push((&WORKER, "PROVIDER_URL", format!("http://{way}")));
        lead.send(options.ports.url(&PROVIDER)).unwrap();
    })
    .await;
    let end = pay(&world, "1").await.end().await;
    assert_eq!((&end["status"], &end["attempts"]), (&json!("compensated"), &json!(3)));
    assert_eq!(end["error"]["code"], "PROVIDER_UNAVAILABLE");
    assert_eq!(world.effects("1").await, ["held", "captured", "refunded"]);
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn a_charge_that_never_happened_never_will() {
    let world = World::start("payoutage").await;
    world.plan("1", &json!({"payment.charge": ["timeout", "internal_error", "timeout"]})).await;
    let end = pay(&world, "1").await.end().await;
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PROVIDER_UNAVAILABLE")));
    assert_eq!(end["compensations"][0]["status"], "nothing_to_undo");
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn a_payment_cancelled_inside_its_window_is_refunded_once_whoever_cancels() {
    let world = World::start("paycancelled").await;
    for (order, by) in [("api", "the API"), ("signal", "any payload"), ("temporal", "Temporal")] {
        let flow = pay(&world, order).await;
        flow.until_status("succeeded").await;
        match order {
            "api" => assert_eq!(flow.cancel().await, (200, String::new())),
            "signal" => flow.signal("cancelPayment", Some("7")).await,
            _ => {
                world.temporal(&["workflow", "cancel", "-w", &flow.id]).await;
            }
        }
        let end = flow.end().await;
        assert_eq!((&end["success"], &end["status"]), (&json!(false), &json!("compensated")), "{by}");
        assert_eq!(end["error"]["code"], "PAYMENT_CANCELLED", "{by}");
        assert_eq!(names(&end["compensations"]), ["refund_charge"], "{by}");
        assert_eq!(world.effects(order).await, ["held", "captured", "refunded"], "{by}");
        assert_eq!(flow.cancel().await, (409, "workflow_already_closed".to_owned()), "{by}");
        world.must_agree(order, &end).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_cancellation_while_it_is_charged_blocks_the_late_charge() {
    let world = World::start_with("payearly", |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "20s".to_owned()));
    })
    .await;
    world.plan("1", &json!({"payment.charge": ["timeout"]})).await;
    let (_, started) = start(&world, "payment", &payment(&world, "1")).await;
    let flow = Flow::of(&world, &started);
    world.eventually("the charge", || async { !world.journal("1", "payment.charge").await.is_empty() }).await;
    let asked = Instant::now();
    assert_eq!(flow.cancel().await, (200, String::new()));
    let end = flow.end().await;
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!((&end["status"], &end["error"]["code"]), (&json!("failed"), &json!("PAYMENT_CANCELLED")));
    world.must_agree("1", &end).await;

    let key = format!("{}/{}/charge_payment", flow.id, started["runId"].as_str().unwrap());
    assert_eq!(late_charge(&world, &key).await, (409, "undone_before_execution".to_owned()));
    world.stop().await;
}

/// A charge that comes late, with the key that the payment's had.
async fn late_charge(world: &World, key: &str) -> (u16, String) {
    let response = reqwest::Client::new()
        .post(format!("{}/payment/charge", world.stack.url(&PROVIDER)))
        .header("idempotency-key", key)
        .header("x-order-id", world.id("1"))
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
async fn a_refund_that_fails_is_shown_and_tried_again_until_it_succeeds() {
    let world = World::start("paystubborn").await;
    world.plan("1", &json!({"payment.refund": vec!["internal_error"; 3]})).await;
    let flow = pay(&world, "1").await;
    flow.until_status("succeeded").await;
    assert_eq!(flow.cancel().await, (200, String::new()));
    let failed = flow.until_status("compensation_failed").await;
    assert_eq!(failed["compensations"][0]["attempts"], 3, "{failed}");
    assert_eq!(flow.cancel().await, (409, "workflow_already_cancelling".to_owned()));
    let end = flow.end().await;
    assert_eq!((&end["status"], &end["compensations"][0]["attempts"]), (&json!("compensated"), &json!(4)));
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn killed_between_the_charge_and_its_answer_it_charges_once() {
    let mut world = World::start_with("paycrash", |options| {
        short_window(options);
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
    })
    .await;
    world.plan("1", &json!({"payment.charge": ["timeout_after_commit"]})).await;
    pay(&world, "1").await;
    let captured = || async { world.effects("1").await.iter().any(|effect| effect == "captured") };
    world.eventually("captured", captured).await;
    world.stack.kill(&WORKER).unwrap();
    world.stack.start_again(&WORKER).await.unwrap();
    let end = Flow::of(&world, &json!({"workflowId": "payment-paycrash-1"})).end().await;
    assert_eq!(end["status"], "succeeded", "{end}");
    assert!(world.journal("1", "payment.charge").await.len() >= 2, "the second attempt asks again");
    must_stay(&world, "1").await;
    world.stop().await;
}

#[tokio::test]
async fn killed_inside_the_window_it_can_still_be_cancelled() {
    let mut world = World::start("paywindow").await;
    pay(&world, "1").await.until_status("succeeded").await;
    world.stack.kill(&WORKER).unwrap();
    world.stack.start_again(&WORKER).await.unwrap();
    let flow = Flow::of(&world, &json!({"workflowId": "payment-paywindow-1"}));
    // The server gives up the worker that is gone only after a while.
    world.eventually("an answer", || async { flow.get("status").await.0 == 200 }).await;
    assert_eq!(flow.cancel().await, (200, String::new()));
    let end = flow.end().await;
    assert_eq!(end["status"], "compensated", "{end}");
    assert_eq!(world.effects("1").await, ["held", "captured", "refunded"]);
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn killed_between_the_refund_and_its_answer_it_refunds_once() {
    let mut world = World::start_with("payrefundcrash", |options| {
        options.environment.push((&PROVIDER, "CHAOS_TIMEOUT_DELAY", "3s".to_owned()));
    })
    .await;
    world.plan("1", &json!({"payment.refund": ["timeout_after_commit"]})).await;
    let flow = pay(&world, "1").await;
    flow.until_status("succeeded").await;
    assert_eq!(flow.cancel().await, (200, String::new()));
    let refunded = || async { world.effects("1").await.iter().any(|effect| effect == "refunded") };
    world.eventually("refunded", refunded).await;
    world.stack.kill(&WORKER).unwrap();
    world.stack.start_again(&WORKER).await.unwrap();
    let end = Flow::of(&world, &json!({"workflowId": "payment-payrefundcrash-1"})).end().await;
    assert_eq!(end["status"], "compensated", "{end}");
    assert!(world.journal("1", "payment.refund").await.len() >= 2, "the second attempt asks again");
    assert_eq!(world.effects("1").await, ["held", "captured", "refunded"]);
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn one_correlation_id_joins_every_process_and_no_log_names_the_card() {
    const ID: &str = "correlation-of-a-payment";
    let world = World::start("paytraced").await;
    let mut body = payment(&world, "1");
    body["correlationId"] = json!(ID);
    body["source"] = json!("tok_of_somebody");
    let (status, started) = start(&world, "payment", &body).await;
    assert_eq!((status, &started["correlationId"]), (202, &json!(ID)), "{started}");
    let flow = Flow::of(&world, &started);
    flow.until_status("succeeded").await;
    for service in [&API, &WORKER, &PROVIDER] {
        let log = world.log(service);
        assert!(log.contains(ID), "{} doesn't know {ID}", service.name);
        assert!(!log.contains("tok_of_somebody"), "{} logs the card", service.name);
    }
    assert_eq!(world.journal("1", "payment.charge").await[0]["correlationId"], ID);
    let described = world.temporal(&["workflow", "describe", "-w", &flow.id, "-o", "json"]).await;
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    let memo = &described["workflowExecutionInfo"]["memo"]["fields"]["correlationId"];
    assert_eq!(memo, ID, "{described}");
    world.stop().await;
}

#[tokio::test]
async fn a_page_token_of_nobody_is_refused() {
    let world = World::start("badtoken").await;
    let (status, body) = world.call(&API, Method::GET, "/api/v1/orders?pageToken=zzzz", None).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{body}");
    let flow = pay(&world, "1").await;
    let (status, body) = flow.get("history?pageToken=zzzz").await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{body}");
    world.stop().await;
}
