//! Undo by key: a caller that received no answer can always undo its request.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Provider};

fn by_key(key: &str) -> Value {
    json!({ "key": key })
}

fn assert_nothing_to_undo(answer: Answer, key: &str) {
    assert_eq!(answer.expect(200).json(), json!({"success": true, "key": key, "status": "nothing_to_undo"}));
}

#[tokio::test]
async fn the_effect_of_a_key_is_undone_by_that_key() {
    let provider = Provider::new();
    let auth_id = provider.authorize().key("a").await.expect(201).text("authId");
    let released = provider.post("/payment/release", &by_key("a")).await.expect(200).json();
    assert_eq!((&released["authId"], &released["status"]), (&json!(auth_id), &json!("released")));

    let auth_id = provider.authorize().await.expect(201).text("authId");
    provider.capture(&auth_id).key("c").await.expect(200);
    let refunded = provider.post("/payment/refund", &by_key("c")).await.expect(200).json();
    assert_eq!((&refunded["authId"], &refunded["amount"]), (&json!(auth_id), &json!(5998)));

    let charge = json!({"amount": 7, "currency": "usd", "source": "tok"});
    provider.post("/payment/charge", &charge).key("ch").await.expect(200);
    provider.post("/payment/refund", &by_key("ch")).await.expect(200);

    let reservation = provider.reserve().key("r").await.expect(201).text("reservationId");
    let released = provider.post("/inventory/release", &by_key("r")).await.expect(200);
    assert_eq!(released.text("reservationId"), reservation);

    let label = provider.label().key("l").await.expect(201).text("labelId");
    let cancelled = provider.post("/shipping/cancel", &by_key("l")).await.expect(200);
    assert_eq!(cancelled.text("labelId"), label);
}

#[tokio::test]
async fn undoing_an_unused_key_leaves_a_tombstone() {
    let provider = Provider::new();
    let forward = [
        ("/payment/release", provider.authorize()),
        ("/payment/refund", provider.authorize()),
        ("/inventory/release", provider.reserve()),
        ("/shipping/cancel", provider.label()),
    ];
    for (index, (undo, forward)) in forward.into_iter().enumerate() {
        let (key, order) = (format!("k{index}"), format!("order-{index}"));
        for _ in 0..2 {
            assert_nothing_to_undo(provider.post(undo, &by_key(&key)).order(&order).await, &key);
        }
        let late = forward.clone().key(&key).order(&order).await.problem(409, "undone_before_execution");
        assert_eq!((late.json()["retryable"].as_bool(), late.replayed()), (Some(false), false));
        assert_eq!(late.header("x-chaos-decision"), None, "a tombstone draws nothing");
        let again = forward.clone().key(&key).order(&order).await.problem(409, "undone_before_execution");
        assert!(again.replayed(), "the refusal is recorded");
        provider.clock.advance(Duration::from_hours(24));
        forward.key(&key).order(&order).await.problem(409, "undone_before_execution");
        assert_nothing_to_undo(provider.post(undo, &by_key(&key)).order(&order).await, &key);
        assert_eq!(provider.effects(&order).await, ["tombstoned"]);
    }
    assert_eq!(provider.broken_rules().await, []);
}

#[tokio::test]
async fn a_tombstoned_capture_never_captures_and_the_authorization_can_be_voided() {
    let provider = Provider::new();
    let auth_id = provider.authorized("order-1").await;
    assert_nothing_to_undo(provider.post("/payment/refund", &by_key("c")).order("order-1").await, "c");
    provider.release(&auth_id).await.expect(200);
    provider.capture(&auth_id).key("c").await.problem(409, "undone_before_execution");
    provider.record_outcome("order-1", "not_shipped").await.expect(200);
    assert_eq!(provider.broken_rules().await, []);
}

#[tokio::test]
async fn an_undo_leaves_a_tombstone_only_if_it_ran() {
    let provider = Provider::new();
    let undo = provider.post("/payment/release", &by_key("k")).order("order-1");
    undo.clone().scenario("timeout").await.problem(504, "timeout");
    assert_eq!(provider.effects("order-1").await, [""; 0]);
    undo.scenario("timeout_after_commit").await.problem(504, "timeout");
    provider.authorize().key("k").await.problem(409, "undone_before_execution");
}

#[tokio::test]
async fn undoing_a_refused_request_leaves_a_tombstone() {
    let provider = Provider::new();
    provider.authorize().key("k").scenario("insufficient_funds").await.expect(402);
    assert_nothing_to_undo(provider.post("/payment/release", &by_key("k")).await, "k");
    assert!(provider.authorize().key("k").await.problem(402, "insufficient_funds").replayed());
    provider.clock.advance(Duration::from_hours(24));
    provider.authorize().key("k").await.problem(409, "undone_before_execution");
}

#[tokio::test]
async fn undoing_an_undone_or_expired_effect_succeeds() {
    let provider = Provider::new();
    let first = provider.authorize().key("a").await.expect(201).text("authId");
    let released = provider.post("/payment/release", &by_key("a")).await.expect(200);
    let again = provider.post("/payment/release", &by_key("a")).await.expect(200);
    assert_eq!(again.body, released.body);
    provider.release(&first).await.problem(409, "already_released");

    let charge = json!({"amount": 7, "currency": "usd", "source": "tok"});
    provider.post("/payment/charge", &charge).key("ch").await.expect(200);
    let refunded = provider.post("/payment/refund", &by_key("ch")).await.expect(200);
    assert_eq!(provider.post("/payment/refund", &by_key("ch")).await.expect(200).body, refunded.body);
    assert_nothing_to_undo(provider.post("/payment/release", &by_key("ch")).await, "ch");

    provider.reserve().key("r").await.expect(201);
    let released = provider.post("/inventory/release", &by_key("r")).await.expect(200);
    assert_eq!(provider.post("/inventory/release", &by_key("r")).await.expect(200).body, released.body);

    provider.label().key("l").await.expect(201);
    let cancelled = provider.post("/shipping/cancel", &by_key("l")).await.expect(200);
    assert_eq!(provider.post("/shipping/cancel", &by_key("l")).await.expect(200).body, cancelled.body);

    provider.authorize().key("a2").await.expect(201);
    provider.reserve().key("r2").await.expect(201);
    provider.clock.advance(Duration::from_hours(7 * 24));
    assert_nothing_to_undo(provider.post("/payment/release", &by_key("a2")).await, "a2");
    assert_nothing_to_undo(provider.post("/inventory/release", &by_key("r2")).await, "r2");
}

#[tokio::test]
async fn an_effect_that_remains_is_not_reported_as_undone() {
    let provider = Provider::new();
    let auth_id = provider.authorize().key("a").await.expect(201).text("authId");
    provider.post("/payment/refund", &by_key("a")).await.problem(409, "payment_not_captured");
    provider.capture(&auth_id).key("c").await.expect(200);
    provider.post("/payment/release", &by_key("a")).await.problem(409, "payment_captured");
    provider.post("/payment/refund", &by_key("a")).await.expect(200);

    provider.reserve().key("r").order("order-1").await.expect(201);
    provider.record_outcome("order-1", "shipped").await.expect(200);
    provider.post("/inventory/release", &by_key("r")).await.problem(409, "reservation_fulfilled");
}

#[tokio::test]
async fn the_key_of_another_operation_undoes_nothing() {
    let provider = Provider::with(&[("SHIPPING_LABEL_DURATION", "1h")]);
    provider.authorize().key("a").order("order-1").await.expect(201);
    let undo = provider.post("/inventory/release", &by_key("a")).await;
    undo.problem(409, "key_of_another_operation");
    provider.post("/payment/release", &by_key("a")).key("u").await.expect(200);
    provider.post("/payment/release", &by_key("u")).await.problem(409, "key_of_another_operation");

    let _label = tokio::spawn(provider.label().key("l").into_future());
    crate::support::eventually("in flight", async || {
        let answer = provider.get("/shipping/by-key/l").await;
        (answer.text("status") == "generating").then_some(())
    })
    .await;
    provider.post("/payment/release", &by_key("l")).await.problem(409, "key_of_another_operation");
    assert_eq!(
        provider.effects("order-1").await,
        ["held", "released"],
        "the refused undo leaves no tombstone"
    );
}

#[tokio::test]
async fn an_injected_already_refunded_is_never_reported_without_a_refund() {
    let provider = Provider::new();
    let undo = provider.post("/payment/refund", &by_key("k")).scenario("already_refunded").await;
    assert_eq!(undo.decision("scenario").as_deref(), Some("already_refunded"));
    assert_nothing_to_undo(undo, "k");
    let lines = provider.journal("").await;
    assert_eq!(lines[0]["decision"]["overruled"], true);
}
