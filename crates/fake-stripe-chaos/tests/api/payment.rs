//! Payments: the answers of each operation, and every rule of the domain.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Provider;

const ALMOST_A_WEEK: Duration = Duration::from_millis(7 * 24 * 60 * 60 * 1000 - 1);

#[tokio::test]
async fn an_authorization_is_answered_with_its_amount_and_expiry() {
    let provider = Provider::new();
    let body = json!({"amount": 5998, "currency": "mxn", "orderId": "order-1", "customerId": "customer-1"});
    let answer = provider.post("/payment/authorize", &body).await.expect(201).json();
    let auth_id = answer["authId"].as_str().unwrap();
    assert!(auth_id.starts_with("auth_"));
    assert_eq!(
        answer,
        json!({
            "success": true, "authId": auth_id, "amount": 5998, "currency": "mxn", "status": "authorized",
            "createdAt": "2025-11-24T16:00:00.000Z", "expiresAt": "2025-12-01T16:00:00.000Z",
            "orderId": "order-1", "customerId": "customer-1",
        })
    );
}

#[tokio::test]
async fn success_is_the_first_member_of_every_success() {
    let provider = Provider::new();
    let auth_id = provider.authorized("order-1").await;
    for answer in [
        provider.capture(&auth_id).await,
        provider.refund(&auth_id).await,
        provider.get(&format!("/payment/{auth_id}")).await,
        provider.reserve().await,
        provider.label().await,
        provider.notify().await,
        provider.get("/verdict").await,
        provider.get("/ledger").await,
    ] {
        assert!(answer.body.starts_with(r#"{"success":true,"#), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_payment_without_order_or_customer_names_none() {
    let answer = Provider::new().authorize().await.expect(201).json();
    assert_eq!((answer.get("orderId"), answer.get("customerId")), (None, None));
}

#[tokio::test]
async fn the_header_names_the_order_of_a_body_without_one() {
    let answer = Provider::new().authorize().order("order-1").await.expect(201).json();
    assert_eq!(answer["orderId"], "order-1");
}

#[tokio::test]
async fn a_payment_goes_from_authorized_over_captured_to_refunded_in_parts() {
    let provider = Provider::new();
    let auth_id = provider.authorized("order-1").await;
    let captured = provider.capture(&auth_id).await.expect(200).json();
    assert_eq!(
        captured,
        json!({
            "success": true, "authId": auth_id, "amount": 5998, "currency": "usd", "status": "captured",
            "capturedAt": "2025-11-24T16:00:00.000Z",
        })
    );
    let body = json!({"authId": auth_id, "amount": 1000, "reason": "one item"});
    let refund = provider.post("/payment/refund", &body).await.expect(200).json();
    assert!(refund["refundId"].as_str().unwrap().starts_with("re_"));
    assert_eq!(
        (&refund["amount"], &refund["status"], &refund["reason"]),
        (&json!(1000), &json!("succeeded"), &json!("one item"))
    );
    assert_eq!(status(&provider, &auth_id).await, ("partially_refunded".to_owned(), 1000));
    let rest = provider.refund(&auth_id).await.expect(200).json();
    assert_eq!((&rest["amount"], &rest["reason"]), (&json!(4998), &Value::Null));
    assert_eq!(status(&provider, &auth_id).await, ("refunded".to_owned(), 5998));
}

#[tokio::test]
async fn a_release_voids_the_authorization() {
    let provider = Provider::new();
    let auth_id = provider.authorized("order-1").await;
    let released = provider.release(&auth_id).await.expect(200).json();
    assert_eq!(
        released,
        json!({
            "success": true, "authId": auth_id, "amount": 5998, "currency": "usd", "status": "released",
            "releasedAt": "2025-11-24T16:00:00.000Z",
        })
    );
    assert_eq!(provider.effects("order-1").await, ["held", "released"]);
}

#[tokio::test]
async fn a_charge_authorizes_and_captures_in_one_call() {
    let provider = Provider::new();
    let body = json!({
        "amount": 700, "currency": "eur", "source": "tok_visa", "description": "tea", "orderId": "order-1",
    });
    let charge = provider.post("/payment/charge", &body).await.expect(200).json();
    assert!(charge["id"].as_str().unwrap().starts_with("ch_"));
    assert_eq!((&charge["status"], &charge["created"]), (&json!("succeeded"), &json!(1_764_000_000)));
    assert_eq!(charge["description"], "tea");
    let auth_id = charge["authId"].as_str().unwrap();
    assert_eq!(status(&provider, auth_id).await, ("captured".to_owned(), 0));
    assert_eq!(provider.effects("order-1").await, ["held", "captured"]);
    provider.refund(auth_id).await.expect(200);
}

#[tokio::test]
async fn a_repeated_change_is_409_with_the_resource() {
    let provider = Provider::new();
    let auth_id = provider.captured("order-1").await;
    let again = provider.capture(&auth_id).await.problem(409, "already_captured").json();
    assert_eq!(
        (&again["resource"]["authId"], &again["resource"]["amount"], &again["resource"]["currency"]),
        (&json!(auth_id), &json!(5998), &json!("usd"))
    );
    assert_eq!((&again["resource"]["orderId"], &again["retryable"]), (&json!("order-1"), &json!(false)));

    provider.refund(&auth_id).await.expect(200);
    let again = provider.refund(&auth_id).await.problem(409, "already_refunded").json();
    assert_eq!(again["resource"]["refundedAmount"], 5998);

    let auth_id = provider.authorized("order-2").await;
    provider.release(&auth_id).await.expect(200);
    let again = provider.release(&auth_id).await.problem(409, "already_released").json();
    assert_eq!(again["resource"]["status"], "released");
}

#[tokio::test]
async fn every_forbidden_transition_has_its_own_code() {
    let provider = Provider::new();
    let authorized = provider.authorized("order-1").await;
    let captured = provider.captured("order-2").await;
    let released = provider.authorized("order-3").await;
    provider.release(&released).await.expect(200);
    let refunded = provider.captured("order-4").await;
    provider.refund(&refunded).await.expect(200);

    provider.capture(&released).await.problem(409, "payment_released");
    provider.capture(&refunded).await.problem(409, "payment_refunded");
    provider.release(&captured).await.problem(409, "payment_captured");
    provider.release(&refunded).await.problem(409, "payment_refunded");
    provider.refund(&authorized).await.problem(409, "payment_not_captured");
    provider.refund(&released).await.problem(409, "payment_released");
    let body = json!({"authId": captured, "amount": 5999});
    provider.post("/payment/refund", &body).await.problem(409, "refund_exceeds_remaining");
    assert_eq!(provider.effects("order-2").await, ["held", "captured"], "a refusal leaves no entry");
}

#[tokio::test]
async fn an_expired_authorization_cannot_be_used() {
    let provider = Provider::new();
    let auth_id = provider.authorized("order-1").await;
    provider.clock.advance(ALMOST_A_WEEK);
    assert_eq!(status(&provider, &auth_id).await.0, "authorized");
    provider.clock.advance(Duration::from_millis(1));
    assert_eq!(status(&provider, &auth_id).await.0, "expired");
    provider.capture(&auth_id).await.problem(409, "payment_expired");
    provider.release(&auth_id).await.problem(409, "payment_expired");
    provider.refund(&auth_id).await.problem(409, "payment_expired");
}

#[tokio::test]
async fn an_unknown_payment_is_404() {
    let provider = Provider::new();
    for answer in [
        provider.capture("auth_unknown").await,
        provider.release("auth_unknown").await,
        provider.refund("auth_unknown").await,
        provider.get("/payment/auth_unknown").await,
    ] {
        answer.problem(404, "payment_not_found");
    }
}

#[tokio::test]
async fn all_errors_of_a_body_are_reported_together() {
    let provider = Provider::new();
    let errors = |body: Value, path: &'static str| {
        let provider = provider.clone();
        async move {
            let answer = provider.post(path, &body).await.problem(422, "validation_failed").json();
            let errors = answer["errors"].as_array().unwrap().clone();
            errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(errors(json!({}), "/payment/authorize").await, ["/amount", "/currency"]);
    assert_eq!(
        errors(
            json!({"amount": "5998", "currency": 7, "orderId": "two words", "customerId": ""}),
            "/payment/authorize"
        )
        .await,
        ["/amount", "/currency", "/orderId", "/customerId"]
    );
    assert_eq!(errors(json!({"authId": 7}), "/payment/capture").await, ["/authId"]);
    assert_eq!(errors(json!({}), "/payment/release").await, ["/authId"]);
    assert_eq!(errors(json!({"authId": "a", "key": "k"}), "/payment/release").await, ["/key"]);
    assert_eq!(
        errors(json!({"amount": 0, "reason": 7}), "/payment/refund").await,
        ["/authId", "/amount", "/reason"]
    );
    assert_eq!(
        errors(json!({"amount": 1.5, "currency": "xxx", "source": " "}), "/payment/charge").await,
        ["/amount", "/currency", "/source"]
    );
    assert_eq!(errors(json!([]), "/payment/charge").await, [""]);
}

#[tokio::test]
async fn an_amount_is_1_to_99999999_minor_units() {
    let provider = Provider::new();
    for (amount, status) in [(0, 422), (-1, 422), (1, 201), (99_999_999, 201), (100_000_000, 422)] {
        let body = json!({"amount": amount, "currency": "usd"});
        provider.post("/payment/authorize", &body).await.expect(status);
    }
}

/// Returns the status and the refunded amount.
async fn status(provider: &Provider, auth_id: &str) -> (String, u64) {
    let payment = provider.get(&format!("/payment/{auth_id}")).await.expect(200).json();
    (payment["status"].as_str().unwrap().to_owned(), payment["refundedAmount"].as_u64().unwrap())
}

#[tokio::test]
async fn a_currency_is_accepted_in_any_case_and_answered_in_lower_case() {
    let provider = Provider::new();
    for text in ["USD", "usd", "Usd"] {
        let body = json!({"amount": 5998, "currency": text});
        assert_eq!(provider.post("/payment/authorize", &body).await.expect(201).text("currency"), "usd");
        let body = json!({"amount": 5998, "currency": text, "source": "card"});
        assert_eq!(provider.post("/payment/charge", &body).await.expect(200).text("currency"), "usd");
    }
}

#[tokio::test]
async fn every_currency_has_separate_sums_in_its_own_minor_units() {
    let provider = Provider::new();
    let currencies = [
        "usd", "eur", "gbp", "mxn", "cad", "aud", "nzd", "chf", "sek", "nok", "dkk", "pln", "czk", "brl",
        "inr", "sgd", "hkd", "jpy", "krw",
    ];
    for (currency, amount) in currencies.into_iter().zip(500..) {
        let body = json!({"amount": amount, "currency": currency, "orderId": "o"});
        let auth_id = provider.post("/payment/authorize", &body).await.expect(201).text("authId");
        let captured = provider.capture(&auth_id).await.expect(200).json();
        assert_eq!((&captured["amount"], &captured["currency"]), (&json!(amount), &json!(currency)));
        let refund = json!({"authId": auth_id, "amount": 100});
        provider.post("/payment/refund", &refund).await.expect(200);
    }
    let totals = provider.get("/ledger").await.expect(200).json()["totals"].clone();
    assert_eq!(totals.as_object().unwrap().len(), currencies.len());
    for (currency, amount) in currencies.into_iter().zip(500..) {
        let sums = json!({"held": 0, "expired": 0, "captured": amount, "refunded": 100, "released": 0});
        assert_eq!(totals[currency], sums, "{currency}");
    }
    for bad in ["xxx", "us", "dollar", ""] {
        let body = json!({"amount": 1, "currency": bad});
        let errors =
            provider.post("/payment/authorize", &body).await.problem(422, "validation_failed").json();
        assert_eq!(errors["errors"][0]["pointer"], "/currency");
    }
}

#[tokio::test]
async fn a_dot_segment_as_an_order_is_refused_everywhere() {
    let provider = Provider::new();
    for step in [".", ".."] {
        provider.authorize().order(step).await.problem(400, "invalid_header");
        provider.authorize().key(step).await.problem(400, "invalid_header");
        let body = json!({"amount": 1, "currency": "usd", "orderId": step});
        let refused =
            provider.post("/payment/authorize", &body).await.problem(422, "validation_failed").json();
        assert_eq!(refused["errors"][0]["pointer"], "/orderId");
        for path in ["/ledger/orders/{}", "/shipping/by-key/{}"] {
            provider.get(&path.replace("{}", step)).await.problem(400, "invalid_path");
        }
        let outcome = json!({"outcome": "paid"});
        provider.put(&format!("/ledger/orders/{step}/outcome"), &outcome).await.problem(400, "invalid_path");
        provider.put(&format!("/chaos/plans/{step}"), &json!({})).await.problem(400, "invalid_path");
        provider.get(&format!("/verdict?orderId={step}")).await.problem(400, "invalid_query");
        provider.put(&format!("/runs/{step}"), &json!({})).await.problem(400, "invalid_path");
        provider.authorize().header("x-chaos-run", step).await.problem(400, "invalid_header");
    }
    provider.authorize().order("...").await.expect(201);
    assert_eq!(provider.get("/verdict").await.expect(200).json()["orders"], 1);
}
