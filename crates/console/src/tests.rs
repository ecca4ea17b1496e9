//! Tests the pages over a scripted API, without Temporal and without a browser.

use std::sync::{Arc, Mutex};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::Request,
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use service_kit::{
    auth::{Auth, Authenticator, Caller, Identity},
    problem::{HttpCode, Problem},
};
use tower::ServiceExt as _;

use crate::{Console, Settings};

/// The requests that reached the API: method, path with query, body.
type Calls = Arc<Mutex<Vec<(Method, String, Value)>>>;

/// Answers as the API does, and remembers each request.
fn api(calls: &Calls) -> Router {
    let calls = Arc::clone(calls);
    Router::new().fallback(move |request: Request| {
        let calls = Arc::clone(&calls);
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let path = parts.uri.path_and_query().unwrap().to_string();
            let answer = answer(&parts.method, &path, &body);
            calls.lock().unwrap().push((parts.method, path, body));
            answer
        }
    })
}

fn answer(method: &Method, path: &str, body: &Value) -> Response {
    let state = json!({
        "success": true, "workflowId": "order-fulfillment-1", "runId": "run-1", "orderId": "1", "status": "pending_approval",
        "startTime": "2026-05-01T12:00:00.000Z", "progress": 10, "currentStep": "awaiting_approval",
        "requiresApproval": true, "cancelled": false, "version": 3,
        "completedSteps": [{"name": "payment_authorization", "status": "completed",
            "timestamp": "2026-05-01T12:00:00.000Z", "data": {"authId": "<b>auth</b>"}}],
        "compensations": [{"name": "refund_payment", "status": "failed", "timestamp": "2026-05-01T12:00:01.000Z",
            "attempts": 7, "error": {"code": "TIMEOUT", "message": "no answer"}}],
    });
    match (method.as_str(), path.split('?').next().unwrap_or_default()) {
        ("GET", "/api/v1/orders") => Json(json!({"success": true, "nextPageToken": "bmV4dA", "orders": [{
            "orderId": "1", "workflowId": "order-fulfillment-1", "runId": "run-1", "status": "shipped",
            "customerId": "<script>alert(1)</script>", "totalAmount": 1499.0, "currency": "usd",
            "startTime": "2026-05-01T12:00:00.000Z"}]}))
        .into_response(),
        ("GET", "/api/v1/orders/counts") => {
            Json(json!({"success": true, "total": 3, "statuses": {"shipped": 2, "failed": 0, "rejected": 1}}))
                .into_response()
        }
        ("GET", "/api/v1/order/order-fulfillment-1/status" | "/api/v1/workflows/payment-1/status") => {
            Json(state).into_response()
        }
        ("POST", "/api/v1/order/order-fulfillment-1/approve" | "/api/v1/workflows/payment-1/cancel") => {
            Json(json!({"success": true})).into_response()
        }
        ("POST", "/api/v1/order/order-fulfillment-1/reject") => {
            Problem::new(HttpCode::BadRequest, "the order was approved before").into_response()
        }
        ("POST", "/api/v1/order") if body["orderId"] == "twice" => {
            let fault = |pointer: &str, message: &str| service_kit::problem::Fault {
                pointer: pointer.to_owned(),
                message: message.to_owned(),
            };
            Problem::invalid(vec![
                fault("/items/0/price", "must be a number"),
                fault("/customerEmail", "is required"),
            ])
            .into_response()
        }
        ("POST", "/api/v1/order") => Json(json!({"workflowId": "order-fulfillment-9"})).into_response(),
        ("GET", "/api/v1/workflows") => Json(json!({"success": true, "workflows": [
            {"workflowId": "payment-1", "runId": "r", "status": "running", "startTime": "2026-05-01T12:00:00.000Z"}]}))
        .into_response(),
        _ => Problem::new(HttpCode::NotFound, format!("no such thing: {path}")).into_response(),
    }
}

/// Returns the pages for one visitor.
fn pages(calls: &Calls, identity: Identity) -> Router {
    let settings = Settings { max_viewers: 1, ..Settings::default() };
    let console = Console::new(settings, Authenticator::new(Auth::default())).unwrap();
    console.routes(api(calls)).layer(Extension(identity))
}

struct Page {
    status: StatusCode,
    location: Option<String>,
    headers: axum::http::HeaderMap,
    html: String,
}

async fn open(calls: &Calls, request: Request) -> Page {
    let response = pages(calls, Identity(Ok(Caller::anyone()))).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let html = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let location = parts.headers.get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
    Page { status: parts.status, location, headers: parts.headers, html }
}

async fn get(calls: &Calls, path: &str) -> Page {
    open(calls, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(calls: &Calls, path: &str, form: &str) -> Page {
    let kind = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = Request::post(path).header(kind.0, kind.1).header("sec-fetch-site", "same-origin");
    open(calls, request.body(Body::from(form.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_list_hands_on_its_filter_and_leads_to_the_next_page() {
    let calls = Calls::default();
    let page = get(&calls, "/?status=shipped&customerId=c+1&startedAfter=2026-05-01T12:00").await;
    assert_eq!(page.status, StatusCode::OK);
    let (_, asked, _) = &calls.lock().unwrap()[0];
    assert_eq!(
        asked,
        "/api/v1/orders?limit=50&status=shipped&customerId=c+1&startedAfter=2026-05-01T12%3A00%3A00Z"
    );
    assert!(page.html.contains("pageToken=bmV4dA"), "{}", page.html);
    assert!(page.html.contains("1499.00 USD"));
    assert!(page.html.contains("rejected <b>1</b>") && !page.html.contains("failed <b>"));
}

#[tokio::test]
async fn no_text_of_a_customer_becomes_markup() {
    let calls = Calls::default();
    let list = get(&calls, "/").await.html;
    assert!(!list.contains("<script>alert") && list.contains("&lt;script&gt;alert"));
    let order = get(&calls, "/orders/order-fulfillment-1?done=%3Cb%3E").await.html;
    assert!(!order.contains("<b>auth") && order.contains("&lt;b&gt;auth"));
}

#[tokio::test]
async fn each_page_runs_only_its_own_scripts_and_is_never_framed_or_stored() {
    let page = get(&Calls::default(), "/").await;
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.headers[header::X_FRAME_OPTIONS], "DENY");
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    for forbidden in ["<script>", "style=", "onclick=", "http://", "https://"] {
        assert!(!page.html.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn files_are_kept_for_ever_under_their_version() {
    let calls = Calls::default();
    let page = get(&calls, "/assets/console.css").await;
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/css; charset=utf-8");
    assert!(page.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    assert_eq!(get(&calls, "/assets/..%2FCargo.toml").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_action_says_what_will_happen_and_then_does_it() {
    let calls = Calls::default();
    let page = get(&calls, "/orders/order-fulfillment-1/approve").await;
    assert!(page.html.contains("The order continues") && page.html.contains(r#"method="post""#));
    assert!(calls.lock().unwrap().iter().all(|(method, ..)| method == Method::GET), "nothing is done yet");
    let page = post(&calls, "/orders/order-fulfillment-1/approve", "").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location.as_deref(), Some("/orders/order-fulfillment-1?done=approve"));
    let page = get(&calls, "/orders/order-fulfillment-1?done=approve").await;
    assert!(page.html.contains("The order is approved."));
}

#[tokio::test]
async fn a_refused_action_shows_the_reason_and_keeps_the_form() {
    let calls = Calls::default();
    let page = post(&calls, "/orders/order-fulfillment-1/reject", "%2Freason=too+late").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("the order was approved before") && page.html.contains(r#"value="too late""#));
    let sent = calls.lock().unwrap()[0].2.clone();
    assert_eq!(sent, json!({"reason": "too late"}));
}

#[tokio::test]
async fn a_new_order_is_sent_with_its_total() {
    let calls = Calls::default();
    let form = "%2ForderId=9&%2FcustomerId=c&%2Fitems%2F0%2Fsku=b&%2Fitems%2F0%2Fquantity=2&%2Fitems%2F0%2Fprice=29.99\
                &%2Fitems%2F1%2Fsku=&%2FrequiresApproval=true&%2FshippingAddress%2Fcity=X";
    let page = post(&calls, "/orders/new", form).await;
    assert_eq!(page.location.as_deref(), Some("/orders/order-fulfillment-9"));
    assert_eq!(
        calls.lock().unwrap()[0].2,
        json!({"orderId": "9", "customerId": "c", "items": [{"sku": "b", "quantity": 2, "price": 29.99}],
            "requiresApproval": true, "shippingAddress": {"city": "X"}, "totalAmount": 59.98})
    );
}

#[tokio::test]
async fn a_validation_error_is_shown_at_its_field_and_loses_nothing() {
    let page = post(&Calls::default(), "/orders/new", "%2ForderId=twice&%2Fitems%2F0%2Fprice=dear").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.html.contains(r#"value="dear""#) && page.html.contains(r#"value="twice""#));
    assert!(page.html.contains("Price of one must be a number"), "{}", page.html);
    assert_eq!(page.html.matches("aria-invalid").count(), 2);
}

#[tokio::test]
async fn an_unknown_order_and_an_unknown_action_are_pages_with_a_404() {
    let calls = Calls::default();
    for path in
        ["/orders/order-fulfillment-2", "/orders/order-fulfillment-1/explode", "/payments/payment-1/pause"]
    {
        let page = get(&calls, path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{path}");
    }
}

#[tokio::test]
async fn a_page_without_its_service_names_the_variable() {
    for (path, variable) in
        [("/chaos", "PROVIDER_URL"), ("/verdict", "PROVIDER_URL"), ("/founder", "FOUNDER_URL")]
    {
        let page = get(&Calls::default(), path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert!(page.html.contains(variable), "{path}");
    }
}

#[tokio::test]
async fn other_workflows_are_listed_shown_and_cancelled() {
    let calls = Calls::default();
    assert!(get(&calls, "/payments").await.html.contains(r#"href="/payments/payment-1""#));
    let page = get(&calls, "/payments/payment-1").await;
    assert!(page.html.contains("Order id") && page.html.contains("/payments/payment-1/cancel"));
    let page = post(&calls, "/payments/payment-1/cancel", "").await;
    assert_eq!(page.location.as_deref(), Some("/payments/payment-1"));
}

#[tokio::test]
async fn a_live_part_is_an_event_and_one_viewer_too_many_is_refused() {
    let calls = Calls::default();
    let pages = pages(&calls, Identity(Ok(Caller::anyone())));
    let live = || Request::get("/orders/order-fulfillment-1/live").body(Body::empty()).unwrap();
    let first = pages.clone().oneshot(live()).await.unwrap();
    let second = pages.clone().oneshot(live()).await.unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    let mut body = first.into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    assert!(text.starts_with("event: part\ndata: ") && text.contains("pending approval"), "{text}");
    drop(body);
    let third = pages.oneshot(live()).await.unwrap();
    assert_eq!(third.status(), StatusCode::OK, "a viewer who leaves makes room");
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let calls = Calls::default();
    for site in [Some("cross-site"), Some("same-site"), Some("none"), None] {
        let mut request = Request::post("/orders/order-fulfillment-1/approve")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        let page = open(&calls, request.body(Body::empty()).unwrap()).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{site:?}");
    }
    assert!(calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nobody_is_led_to_the_sign_in_page_and_back() {
    let calls = Calls::default();
    let nobody = Identity(Identity::of(&axum::http::Extensions::new()));
    for path in ["/", "/orders/order-fulfillment-1", "/chaos", "/verdict", "/payments", "/reconciliation"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = pages(&calls, nobody.clone()).oneshot(request).await.unwrap();
        let location = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
        assert!(location.starts_with("/login?next=%2F"), "{path}: {location}");
    }
    assert!(calls.lock().unwrap().is_empty(), "nothing is asked for nobody");
}

#[tokio::test]
async fn a_page_of_another_site_signs_nobody_in_or_out() {
    for path in ["/login", "/logout"] {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "cross-site");
        let page = open(&Calls::default(), request.body(Body::from("token=t")).unwrap()).await;
        assert_eq!(
            (page.status, page.headers.get(header::SET_COOKIE)),
            (StatusCode::FORBIDDEN, None),
            "{path}"
        );
    }
}
