//! The provider as an HTTP service: its documents, errors and metrics.

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::json;
use tower::ServiceExt;

use crate::support::Provider;

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let provider = Provider::new();
    let authorize = |body: &str| provider.ask(Method::POST, "/payment/authorize").body(body);
    for (answer, status, code) in [
        (authorize("{").await, 400, "malformed_json"),
        (authorize("[]").await, 422, "validation_failed"),
        (authorize(&format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000))).await, 413, "payload_too_large"),
        (authorize("{}").header("content-type", "text/plain").await, 415, "unsupported_media_type"),
        (provider.get("/payment/authorize/x").await, 404, "not_found"),
        (provider.get("/nowhere").await, 404, "not_found"),
        (provider.ask(Method::DELETE, "/payment/authorize").await, 405, "method_not_allowed"),
        (provider.get("/shipping/by-key/two%20words").await, 400, "invalid_path"),
    ] {
        let body = answer.problem(status, code).json();
        assert_eq!((&body["success"], &body["status"]), (&json!(false), &json!(status)));
        assert!(
            body["correlationId"].is_string() && body["instance"].is_string() && body["detail"].is_string()
        );
    }
}

#[tokio::test]
async fn an_unknown_member_is_an_error_in_every_body() {
    let provider = Provider::new();
    for (method, path, body, pointer) in [
        (
            Method::POST,
            "/payment/authorize",
            json!({"amount": 1, "currency": "usd", "ordrId": "o"}),
            "/ordrId",
        ),
        (Method::POST, "/payment/capture", json!({"authId": "a", "amount": 1}), "/amount"),
        (Method::POST, "/payment/release", json!({"key": "k", "amount": 1}), "/amount"),
        (Method::POST, "/payment/refund", json!({"key": "k", "ammount": 1}), "/ammount"),
        (
            Method::POST,
            "/payment/charge",
            json!({"amount": 1, "currency": "usd", "source": "s", "x": null}),
            "/x",
        ),
        (
            Method::POST,
            "/inventory/reserve",
            json!({"items": [{"sku": "s", "quantity": 1, "qty": 1}]}),
            "/items/0/qty",
        ),
        (Method::POST, "/inventory/release", json!({"key": "k", "x": 1}), "/x"),
        (
            Method::POST,
            "/shipping/create-label",
            json!({"shippingAddress": {"street": "a", "city": "b", "state": "c", "zip": "d", "country": "e", "x": 1}}),
            "/shippingAddress/x",
        ),
        (Method::POST, "/shipping/cancel", json!({"key": "k", "x": 1}), "/x"),
        (
            Method::POST,
            "/notification/send",
            json!({"type": "sms", "recipient": "+15550100", "subject": "s", "message": "m", "x": 1}),
            "/x",
        ),
        (Method::PUT, "/chaos/profile", json!({"name": "off", "x": 1}), "/x"),
        (Method::PUT, "/ledger/orders/o/outcome", json!({"outcome": "paid", "x": 1}), "/x"),
        (Method::PUT, "/runs/r", json!({"seed": 1, "sede": 1}), "/sede"),
    ] {
        let answer = provider.ask(method, path).key("k").body(&body.to_string()).await;
        let errors = answer.problem(422, "validation_failed").json()["errors"].clone();
        assert_eq!((errors.as_array().unwrap().len(), &errors[0]["pointer"]), (1, &json!(pointer)), "{path}");
        let message = errors[0]["message"].as_str().unwrap();
        assert!(message.starts_with("is not a member here; "), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_repeated_single_header_is_refused() {
    let provider = Provider::new();
    for name in ["idempotency-key", "x-order-id", "x-chaos-scenario", "x-chaos-run"] {
        for other in ["a", "b"] {
            let twice = provider.authorize().header(name, "a").and_header(name, other).await;
            let body = twice.problem(400, "invalid_header").json();
            let detail = body["detail"].as_str().unwrap().to_lowercase();
            assert!(detail.contains(name) && detail.contains("2 times"), "{detail}");
        }
    }
    let runs = provider.get("/runs").await.expect(200).json();
    assert_eq!(runs["runs"], json!([]), "no run was created");
}

#[tokio::test]
async fn a_preflight_request_works_in_every_run_and_creates_none() {
    let provider = Provider::new();
    for path in ["/payment/authorize", "/runs/suite-1", "/runs/suite-1/payment/authorize", "/chaos/profile"] {
        let request = Request::options(path)
            .header("origin", "http://localhost:5173")
            .header("access-control-request-method", "POST");
        let answer = provider.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "http://localhost:5173", "{path}");
    }
    let runs = provider.get("/runs").await.expect(200).json();
    assert_eq!(runs["runs"], json!([]));
}

#[tokio::test]
async fn the_metrics_count_each_request_by_operation_scenario_effect_and_outcome() {
    let provider = Provider::new();
    let auth_id = provider.authorize().order("o").key("k").await.expect(201).text("authId");
    provider.authorize().order("o").key("k").await.expect(201);
    provider.capture(&auth_id).scenario("timeout_after_commit").await.expect(504);
    provider.capture(&auth_id).await.expect(409);
    provider.refund("unknown").key("k").await.expect(409);
    let metrics = provider.get("/metrics").await.expect(200).body;
    let counted: Vec<_> = metrics.lines().filter(|line| line.starts_with("chaos_requests_total")).collect();
    assert_eq!(
        counted,
        [
            r#"chaos_requests_total{effect="apply",operation="payment.authorize",outcome="success",scenario="success"} 1"#,
            r#"chaos_requests_total{effect="apply",operation="payment.capture",outcome="already_captured",scenario="success"} 1"#,
            r#"chaos_requests_total{effect="apply",operation="payment.capture",outcome="timeout",scenario="timeout_after_commit"} 1"#,
            r#"chaos_requests_total{effect="none",operation="payment.refund",outcome="idempotency_key_reused",scenario="none"} 1"#,
            r#"chaos_requests_total{effect="replay",operation="payment.authorize",outcome="success",scenario="success"} 1"#,
        ]
    );
}

#[tokio::test]
async fn the_openapi_document_matches_its_snapshot() {
    let document = Provider::new().get("/api/docs/openapi.json").await.expect(200).json();
    insta::assert_json_snapshot!("openapi", document);
}

#[tokio::test]
async fn every_endpoint_is_documented_and_every_error_code_is_in_the_catalogue() {
    let provider = Provider::new();
    let catalogue = provider.get("/api/docs/errors").await.expect(200).body;
    for code in [
        "insufficient_funds",
        "already_captured",
        "out_of_stock",
        "address_error",
        "already_cancelled",
        "idempotency_key_in_use",
        "undone_before_execution",
        "timeout",
        "internal_error",
        "order_not_found",
        "notification_not_found",
        "unknown_scenario",
    ] {
        assert!(catalogue.contains(&format!("id=\"{code}\"")), "{code}");
    }
    let operations = provider.openapi.paths.paths.values().count();
    assert!(operations >= 24, "{operations} paths");
}
