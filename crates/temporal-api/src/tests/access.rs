//! Tests who may do what: every operation of the document for every role, and the limits of a customer.

use std::{collections::BTreeMap, num::NonZeroU32};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use service_kit::auth::{JwtSettings, KeySource};

use super::*;

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// Returns a token that never expires.
fn token(subject: &str, roles: &[&str]) -> String {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": "i", "aud": "a", "sub": subject, "exp": 4_102_444_800_u64, "roles": roles});
    let text = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": "k"})), part(claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(key().sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// Returns the API with authentication, and its document.
fn guarded(gateway: &Arc<Script>) -> (Router, utoipa::openapi::OpenApi) {
    let x = BASE64_URL_SAFE_NO_PAD.encode(key().public_key().as_ref());
    let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]});
    let path = std::env::temp_dir().join(format!("access-{}.json", std::process::id()));
    std::fs::write(&path, jwks.to_string()).unwrap();
    let jwt = JwtSettings {
        issuer: "i".to_owned(),
        audience: "a".to_owned(),
        keys: KeySource::File(path),
        refresh: Duration::from_mins(5),
        roles_claim: "roles".to_owned(),
    };
    let auth = Auth { jwt: Some(jwt), rate_limit: NonZeroU32::new(100_000) };
    router_for(gateway.clone(), Authenticator::new(auth))
}

async fn ask(app: &Router, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, Value) {
    let mut request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = app.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
        return (status, Value::Null);
    }
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Returns each operation of the document, except those of the operations of the service itself.
fn operations(api: &utoipa::openapi::OpenApi) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (path, item) in &api.paths.paths {
        let methods =
            [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
        for (method, operation) in methods {
            if operation.is_some() && path.starts_with("/api/v1") {
                found.push((
                    method,
                    path.replace("{workflowId}", "order-fulfillment-1").replace(['{', '}'], "x"),
                ));
            }
        }
    }
    found
}

#[tokio::test]
async fn no_operation_is_open_to_nobody() {
    let (app, api) = guarded(&Script::with(waiting()));
    let operations = operations(&api);
    assert!(operations.len() > 35, "{}", operations.len());
    for (method, path) in operations {
        let (status, body) = ask(&app, method, &path, None, "").await;
        assert_eq!((status, &body["error"]), (401, &json!("unauthenticated")), "{method} {path}");
    }
}

#[tokio::test]
async fn each_role_does_what_it_is_for_and_no_more() {
    let (app, api) = guarded(&Script::with(waiting()));
    let mut denied: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for role in ["viewer", "manager", "operator", "customer", "unheard"] {
        let token = token("c-1", &[role]);
        for (method, path) in operations(&api) {
            // A result that isn't there yet would be waited for.
            let (status, body) = ask(&app, method, &format!("{path}?timeout=0"), Some(&token), "[]").await;
            assert_ne!(status, 401, "{method} {path}");
            if status == 403 {
                assert_eq!(body["error"], "forbidden");
                denied.entry(role).or_default().push(format!("{method} {path}"));
            }
        }
    }
    let total = operations(&api).len();
    let changes = operations(&api).iter().filter(|(method, _)| *method != "GET").count();
    let count = |role| denied.get(role).map_or(0, Vec::len);
    assert_eq!(count("viewer"), changes, "a viewer changes nothing");
    assert_eq!(count("manager"), changes - 2, "a manager approves and rejects");
    assert_eq!(
        denied["operator"],
        ["POST /api/v1/order/order-fulfillment-1/approve", "POST /api/v1/order/order-fulfillment-1/reject"]
    );
    assert_eq!(count("customer"), total - 9, "a customer places, follows, changes and cancels orders");
    assert_eq!(count("unheard"), total);
}

#[tokio::test]
async fn a_customer_sees_only_their_own_orders() {
    let gateway = Script::with(waiting());
    let (app, _) = guarded(&gateway);
    let (own, other) = (token("c-1", &["customer"]), token("c-2", &["customer"]));
    for path in ["status", "progress", "result?timeout=0", "events"] {
        let path = format!("/api/v1/order/order-fulfillment-1/{path}");
        assert!(ask(&app, "GET", &path, Some(&own), "").await.0 < 300, "{path}");
        let (status, body) = ask(&app, "GET", &path, Some(&other), "").await;
        assert_eq!((status, &body["error"]), (404, &json!("order_not_found")), "{path}");
    }
    let cancel = "/api/v1/order/order-fulfillment-1/cancel";
    assert_eq!(ask(&app, "POST", cancel, Some(&other), "{}").await.0, 404);
    assert!(gateway.signals.lock().unwrap().is_empty());
    assert_eq!(ask(&app, "POST", cancel, Some(&own), "{}").await.0, 200);
}

#[tokio::test]
async fn a_customer_lists_and_places_orders_only_for_themselves() {
    let gateway = Arc::new(Script::default());
    let (app, _) = guarded(&gateway);
    let own = token("c-1", &["customer"]);
    assert_eq!(ask(&app, "GET", "/api/v1/orders", Some(&own), "").await.0, 200);
    let listed = gateway.lists.lock().unwrap()[0].customer.clone();
    assert_eq!(listed, Some("c-1".parse().unwrap()));
    assert_eq!(ask(&app, "GET", "/api/v1/orders?customerId=c-2", Some(&own), "").await.0, 403);
    let place = async |customer: &str| {
        let mut order = super::orders::order();
        order["customerId"] = json!(customer);
        ask(&app, "POST", "/api/v1/order", Some(&own), &order.to_string()).await.0
    };
    assert_eq!(place("c-2").await, 403);
    assert!(gateway.started.lock().unwrap().is_empty());
    assert_eq!(place("c-1").await, 201);
}

#[tokio::test]
async fn the_subject_of_the_token_is_in_the_order() {
    let gateway = Script::with(waiting());
    let (app, _) = guarded(&gateway);
    let path = "/api/v1/order/order-fulfillment-1";
    let manager = token("grace", &["manager"]);
    assert_eq!(ask(&app, "POST", &format!("{path}/approve"), Some(&manager), "").await.0, 200);
    let operator = token("ada", &["operator"]);
    assert_eq!(ask(&app, "POST", &format!("{path}/cancel"), Some(&operator), "{}").await.0, 200);
    let (_, state) = ask(&app, "GET", &format!("{path}/status"), Some(&operator), "").await;
    assert_eq!((&state["decidedBy"], &state["cancelledBy"]), (&json!("grace"), &json!("ada")));
}

#[tokio::test]
async fn nobody_resolves_a_compensation_as_somebody_else() {
    let gateway = Script::with(super::orders::refunding(CompensationStatus::Failed));
    let (app, _) = guarded(&gateway);
    let path = "/api/v1/order/order-fulfillment-1/resolve-compensation";
    let operator = token("ada", &["operator"]);
    let resolve = async |actor: Value| {
        let body = json!({"step": "refund_payment", "note": "by hand", "actor": actor}).to_string();
        ask(&app, "POST", path, Some(&operator), &body).await.0
    };
    assert_eq!(resolve(json!("grace")).await, 422);
    assert!(gateway.signals.lock().unwrap().is_empty());
    assert_eq!(resolve(Value::Null).await, 200);
    let signals = gateway.signals.lock().unwrap();
    assert!(
        matches!(&signals[..], [OrderSignal::ResolveCompensation(one)] if one.actor == "ada"),
        "{signals:?}"
    );
}

#[tokio::test]
async fn a_reader_who_is_a_customer_acts_only_on_own_orders() {
    let gateway = Script::with(waiting());
    let (app, _) = guarded(&gateway);
    for other in ["viewer", "manager"] {
        let both = token("c-2", &["customer", other]);
        let cancel = "/api/v1/order/order-fulfillment-1/cancel";
        let (status, body) = ask(&app, "POST", cancel, Some(&both), "{}").await;
        assert!(status == 403 || status == 404, "{other}: {status} {body}");
    }
}

#[tokio::test]
async fn a_reader_who_is_a_customer_orders_only_for_themselves() {
    let gateway = Arc::new(Script::default());
    let (app, _) = guarded(&gateway);
    let both = token("c-2", &["customer", "viewer"]);
    let mut order = super::orders::order();
    order["customerId"] = json!("c-1");
    let (status, body) = ask(&app, "POST", "/api/v1/order", Some(&both), &order.to_string()).await;
    assert_eq!(status, 403, "{body}");
}
