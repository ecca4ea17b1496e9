//! Tests the token of those who may steer chaos, write outcomes, and delete runs.

use axum::http::{Method, header::WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::support::Provider;

const TOKEN: &str = "a-token-of-the-night-shift";

/// Every change that needs the token.
fn changes() -> Vec<(Method, &'static str, Value)> {
    vec![
        (Method::PUT, "/chaos/profile", json!({"name": "hostile"})),
        (Method::DELETE, "/chaos/profile", Value::Null),
        (Method::PUT, "/chaos/plans/o1", json!({"payment.capture": ["timeout"]})),
        (Method::PUT, "/ledger/orders/o1/outcome", json!({"outcome": "not_shipped"})),
        (Method::DELETE, "/journal", Value::Null),
        (Method::PUT, "/runs/suite-1", Value::Null),
        (Method::DELETE, "/runs/suite-1", Value::Null),
        (Method::POST, "/payment/stats/reset", Value::Null),
        (Method::PUT, "/runs/other/chaos/profile", json!({"name": "hostile"})),
    ]
}

#[tokio::test]
async fn a_change_needs_the_token_and_gets_it() {
    let provider = Provider::with(&[("CHAOS_ADMIN_TOKEN", TOKEN)]);
    provider.authorize().order("o1").await.expect(201);
    for (method, path, body) in changes() {
        let send = |token: Option<&str>| {
            let request = provider.request(method.clone(), path, &body);
            match token {
                Some(token) => request.header("authorization", &format!("Bearer {token}")),
                None => request,
            }
        };
        let refused = send(None).await.expect(401);
        assert_eq!(refused.json()["error"], "unauthenticated", "{method} {path}");
        assert_eq!(refused.headers[WWW_AUTHENTICATE], r#"Bearer realm="chaos""#);
        for wrong in ["", "a-token-of-the-night", "A-token-of-the-night-shift", "another"] {
            assert_eq!(
                send(Some(wrong)).await.expect(401).json()["error"],
                "invalid_token",
                "{method} {path}"
            );
        }
        let answer = send(Some(TOKEN)).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn reading_and_the_operations_need_no_token() {
    let provider = Provider::with(&[("CHAOS_ADMIN_TOKEN", TOKEN)]);
    provider.authorized("o1").await;
    for path in
        ["/chaos/profile", "/chaos/audit", "/ledger", "/ledger/orders/o1", "/journal", "/verdict", "/runs"]
    {
        provider.get(path).await.expect(200);
    }
}

#[tokio::test]
async fn without_a_configured_token_everyone_may_steer() {
    let provider = Provider::with(&[]);
    provider.authorize().order("o1").await.expect(201);
    for (method, path, body) in changes() {
        let answer = provider.request(method.clone(), path, &body).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
    }
}
