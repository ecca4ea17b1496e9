//! Idempotency keys: the recorded answers, the replays, and the refused uses of a key.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use crate::support::{Provider, TestRequest, eventually};

const DAY: Duration = Duration::from_hours(24);
const ALMOST_A_DAY: Duration = Duration::from_millis(24 * 60 * 60 * 1000 - 1);

#[tokio::test]
async fn the_same_request_gets_the_same_bytes_after_any_later_change() {
    let provider = Provider::new();
    let asks: Vec<TestRequest> = {
        let authorize = provider.authorize().key("1");
        let auth_id = authorize.clone().await.expect(201).text("authId");
        let reserve = provider.reserve().key("4");
        let reservation = reserve.clone().await.expect(201).text("reservationId");
        let label = provider.label().key("6");
        let label_id = label.clone().await.expect(201).text("labelId");
        let part = json!({"authId": auth_id, "amount": 98});
        let charge = json!({"amount": 5, "currency": "gbp", "source": "tok"});
        vec![
            authorize,
            provider.capture(&auth_id).key("2"),
            provider.post("/payment/refund", &part).key("3"),
            provider.refund(&auth_id).key("3b"),
            reserve,
            provider.post("/inventory/release", &json!({ "reservationId": reservation })).key("5"),
            label,
            provider.post("/shipping/cancel", &json!({ "labelId": label_id })).key("7"),
            provider.notify().key("8"),
            provider.post("/payment/charge", &charge).key("9"),
            provider.post("/payment/release", &json!({"key": "unused"})).key("10"),
        ]
    };
    let mut first = Vec::new();
    for ask in &asks {
        first.push(ask.clone().await);
    }
    provider.clock.advance(ALMOST_A_DAY);
    for (ask, first) in asks.into_iter().zip(first) {
        assert!(first.status < 300, "{}", first.body);
        let again = ask.await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert!(again.replayed());
        assert_eq!(again.decision("source").as_deref(), Some("replay"));
        assert_eq!(again.decision("attempt"), first.decision("attempt"), "a replay draws nothing");
    }
}

#[tokio::test]
async fn a_release_is_replayed_with_the_same_bytes() {
    let provider = Provider::new();
    let auth_id = provider.authorized("order-1").await;
    let first = provider.release(&auth_id).key("k").await.expect(200);
    let again = provider.release(&auth_id).key("k").await.expect(200);
    assert_eq!((again.body.as_str(), again.replayed()), (first.body.as_str(), true));
}

#[tokio::test]
async fn white_space_and_the_order_of_members_do_not_change_a_request() {
    let provider = Provider::new();
    let first = provider.authorize().key("k").await.expect(201);
    let spelled = provider
        .authorize()
        .body(r#" { "currency" : "\u0075sd", "amount": 5998 } "#)
        .key("k")
        .await
        .expect(201);
    assert_eq!((spelled.body.as_str(), spelled.replayed()), (first.body.as_str(), true));
}

#[tokio::test]
async fn another_body_or_path_under_the_same_key_is_refused() {
    let provider = Provider::new();
    let first = provider.authorize().key("k").await.expect(201);
    let body = json!({"amount": 5999, "currency": "usd"});
    let other_body = provider.post("/payment/authorize", &body).key("k").await;
    let other_body = other_body.problem(409, "idempotency_key_reused");
    assert_eq!((other_body.json()["retryable"].as_bool(), other_body.replayed()), (Some(false), false));
    assert_eq!(other_body.header("x-chaos-decision"), None);
    provider.capture(&first.text("authId")).key("k").await.problem(409, "idempotency_key_reused");
    assert!(provider.authorize().key("k").await.expect(201).replayed(), "the first answer remains");
}

#[tokio::test]
async fn a_definitive_refusal_is_recorded() {
    let provider = Provider::new();
    let cases = [
        (provider.authorize(), "insufficient_funds", 402),
        (provider.reserve(), "out_of_stock", 409),
        (provider.label(), "address_error", 422),
    ];
    for (ask, scenario, status) in cases {
        let ask = ask.key(scenario).order("order-1");
        let first = ask.clone().scenario(scenario).await.problem(status, scenario);
        assert_eq!(first.json()["retryable"], false);
        assert!(!first.replayed());
        let again = ask.clone().scenario("success").await.problem(status, scenario);
        assert!(again.replayed());
        assert_eq!(again.decision("scenario").as_deref(), Some(scenario));
        let without_correlation = |body: &str| {
            let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
            body.as_object_mut().unwrap().remove("correlationId").unwrap();
            body.to_string()
        };
        assert_eq!(without_correlation(&again.body), without_correlation(&first.body));
    }
    assert_eq!(provider.effects("order-1").await, [""; 0]);
}

#[tokio::test]
async fn a_request_without_execution_is_not_recorded() {
    let provider = Provider::new();
    for (key, scenario, status) in [("k1", "internal_error", 500), ("k2", "timeout", 504)] {
        let failed = provider.authorize().key(key).order("order-1").scenario(scenario).await.expect(status);
        assert_eq!(failed.json()["retryable"], true);
        let body = json!({"amount": 1, "currency": "usd"});
        let retry = provider.post("/payment/authorize", &body).key(key).order("order-1").await.expect(201);
        assert!(!retry.replayed(), "even another body is a new request");
        assert_eq!(retry.decision("attempt").as_deref(), Some(if key == "k1" { "2" } else { "4" }));
    }
    assert_eq!(provider.effects("order-1").await, ["held", "held"]);
}

#[tokio::test]
async fn unknown_ids_conflicts_and_validation_errors_are_not_recorded() {
    let provider = Provider::new();
    let auth_id = provider.captured("order-1").await;
    provider.capture("auth_unknown").key("k").await.expect(404);
    provider.capture(&auth_id).key("k").await.problem(409, "already_captured");
    provider.post("/payment/capture", &json!({})).key("k").await.expect(422);
    let first_use = provider.refund(&auth_id).key("k").await.expect(200);
    assert!(!first_use.replayed());
}

#[tokio::test]
async fn a_lost_answer_is_replayed_with_the_same_key() {
    let provider = Provider::new();
    let auth_id = provider.authorized("order-1").await;
    let reported = provider.capture(&auth_id).key("k").scenario("already_captured").await;
    let reported = reported.problem(409, "already_captured").json();
    assert_eq!(
        (&reported["resource"]["authId"], &reported["resource"]["amount"]),
        (&json!(auth_id), &json!(5998))
    );
    let actual = provider.capture(&auth_id).key("k").await.expect(200);
    assert!(actual.replayed());

    let reported = provider.refund(&auth_id).key("r").scenario("already_refunded").await;
    assert_eq!(reported.problem(409, "already_refunded").json()["resource"]["refundedAmount"], 5998);
    assert!(provider.refund(&auth_id).key("r").await.expect(200).replayed());

    let lost = provider.authorize().key("a").order("order-2").scenario("timeout_after_commit").await;
    lost.problem(504, "timeout");
    assert!(provider.authorize().key("a").order("order-2").await.expect(201).replayed());
    assert_eq!(provider.effects("order-1").await, ["held", "captured", "refunded"]);
    assert_eq!(provider.effects("order-2").await, ["held"]);
}

#[tokio::test]
async fn a_key_is_free_again_while_its_answer_is_delayed() {
    let provider = Provider::with(&[("CHAOS_TIMEOUT_DELAY", "1h")]);
    let ask = provider.authorize().key("k").order("order-1");
    let delayed = tokio::spawn(ask.clone().scenario("timeout_after_commit").into_future());
    eventually("committed", async || (provider.effects("order-1").await == ["held"]).then_some(())).await;
    assert!(ask.await.expect(201).replayed());
    assert!(!delayed.is_finished());
}

#[tokio::test]
async fn a_skipped_request_is_not_in_flight_while_its_answer_is_delayed() {
    let provider = Provider::with(&[("CHAOS_TIMEOUT_DELAY", "1h")]);
    let ask = provider.authorize().key("k").order("order-1");
    let delayed = tokio::spawn(ask.clone().scenario("timeout").into_future());
    eventually("decided", async || (provider.journal("").await.len() == 1).then_some(())).await;
    let second = ask.await.expect(201);
    assert_eq!((second.replayed(), second.decision("attempt").as_deref()), (false, Some("2")));
    assert!(!delayed.is_finished());
}

#[tokio::test]
async fn a_stored_answer_expires_after_a_day_and_the_target_of_its_key_never() {
    let provider = Provider::new();
    let first = provider.authorize().key("k").await.expect(201).text("authId");
    provider.clock.advance(DAY);
    let undone = provider.post("/payment/release", &json!({"key": "k"})).await.expect(200);
    assert_eq!(undone.text("authId"), first, "the key still names the payment");
    let second = provider.authorize().key("k").await.expect(201);
    assert!(!second.replayed());
    assert_ne!(second.text("authId"), first);
    let body = json!({"amount": 1, "currency": "usd"});
    provider.post("/payment/authorize", &body).key("k").await.problem(409, "idempotency_key_reused");
}

#[tokio::test]
async fn a_key_with_a_generated_label_is_not_in_flight() {
    let provider = Provider::new();
    let first = provider.label().key("k").await.expect(201).text("labelId");
    provider.clock.advance(DAY);
    assert_ne!(provider.label().key("k").await.expect(201).text("labelId"), first);
}

#[tokio::test]
async fn an_invalid_key_is_refused() {
    let provider = Provider::new();
    for bad in ["", "two words", &"x".repeat(256)] {
        let answer = provider.authorize().key(bad).await.problem(400, "invalid_header");
        assert_eq!(answer.json()["header"], "idempotency-key");
    }
    provider.authorize().key(&"x".repeat(255)).await.expect(201);
    provider.authorize().order("two words").await.problem(400, "invalid_header");
}

#[tokio::test]
async fn a_repeated_header_is_refused_without_an_effect() {
    let provider = Provider::new();
    for (name, one, other) in [
        ("idempotency-key", "k", "l"),
        ("idempotency-key", "k", "k"),
        ("x-order-id", "o", "p"),
        ("x-chaos-scenario", "success", "timeout"),
    ] {
        let refused = provider.authorize().header(name, one).and_header(name, other).await;
        let body = refused.problem(400, "invalid_header").json();
        assert_eq!(body["header"], name);
    }
    assert_eq!(provider.get("/ledger").await.expect(200).json()["totals"], json!({}));
    assert_eq!(provider.journal("").await.len(), 0);
}

#[tokio::test]
async fn an_equal_body_in_another_spelling_is_the_same_request() {
    let provider = Provider::new();
    let authorize = |body: &str| provider.ask(Method::POST, "/payment/authorize").key("k").body(body);
    let first = authorize(r#"{"amount":5998,"currency":"usd","orderId":"o"}"#).await.expect(201);
    for same in [
        r#"{"amount":5998.0,"currency":"usd","orderId":"o"}"#,
        r#"{"amount":5.998e3,"currency":"usd","orderId":"o"}"#,
        r#"{"amount":59980E-1,"currency":"USD","orderId":"o"}"#,
        "{ \"orderId\" : \"o\" ,\n\t\"currency\": \"UsD\", \"amount\" : 5998 }",
        r#"{"amount":5998,"currency":"\u0055SD","orderId":"\u006f"}"#,
    ] {
        let again = authorize(same).await.expect(201);
        assert!(again.replayed(), "{same}");
        assert_eq!(again.body, first.body);
    }
    for other in [
        r#"{"amount":5999,"currency":"usd","orderId":"o"}"#,
        r#"{"amount":5998,"currency":"eur","orderId":"o"}"#,
        r#"{"amount":5998,"currency":"usd","orderId":"O"}"#,
    ] {
        authorize(other).await.problem(409, "idempotency_key_reused");
    }
    let charge = |body: &str| provider.ask(Method::POST, "/payment/charge").key("c").body(body);
    let tricky = r#"{"amount":1,"currency":"EUR","source":"s","description":"\"currency\":\"USD\""}"#;
    charge(tricky).await.expect(200);
    assert!(charge(&tricky.replace("EUR", "eur")).await.expect(200).replayed());
    charge(&tricky.replace("USD", "usd")).await.problem(409, "idempotency_key_reused");
}
