//! Shipping: labels and their progress.

use std::time::Duration;

use serde_json::json;
use service_kit::serve;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{Provider, address, eventually};

/// Long enough for a request meanwhile, also on a busy machine.
const SLOW: (&str, &str) = ("SHIPPING_LABEL_DURATION", "1s");
/// Longer than any test runs.
const NEVER: (&str, &str) = ("SHIPPING_LABEL_DURATION", "1h");

async fn progress(provider: &Provider, key: &str) -> (String, u64) {
    let answer = provider.get(&format!("/shipping/by-key/{key}")).await.expect(200).json();
    (answer["status"].as_str().unwrap().to_owned(), answer["progress"].as_u64().unwrap())
}

async fn until_status(provider: &Provider, key: &str, status: &str) {
    eventually(status, async || (progress(provider, key).await.0 == status).then_some(())).await;
}

#[tokio::test]
async fn a_label_is_answered_with_its_tracking_number() {
    let body = json!({"shippingAddress": address(), "orderId": "order-1"});
    let answer = Provider::new().post("/shipping/create-label", &body).await.expect(201).json();
    let (id, tracking) = (answer["labelId"].as_str().unwrap(), answer["trackingNumber"].as_str().unwrap());
    assert!(id.starts_with("lbl_") && tracking.starts_with("1Z"));
    assert_eq!(
        answer,
        json!({
            "success": true, "labelId": id, "trackingNumber": tracking, "carrier": "UPS",
            "status": "generated", "labelUrl": format!("https://labels.example.com/{id}.pdf"),
            "createdAt": "2025-11-24T16:00:00.000Z", "orderId": "order-1",
        })
    );
}

#[tokio::test]
async fn a_label_is_cancelled_once() {
    let provider = Provider::new();
    let id = provider.label().await.expect(201).text("labelId");
    let body = json!({ "labelId": id });
    let cancelled = provider.post("/shipping/cancel", &body).await.expect(200).json();
    assert_eq!(
        cancelled,
        json!({
            "success": true, "labelId": id, "status": "cancelled", "cancelledAt": "2025-11-24T16:00:00.000Z",
        })
    );
    let again = provider.post("/shipping/cancel", &body).await.problem(409, "already_cancelled").json();
    assert_eq!(again["resource"]["labelId"], json!(id));
    assert_eq!(provider.get(&format!("/shipping/{id}")).await.expect(200).text("status"), "cancelled");
}

#[tokio::test]
async fn an_unknown_label_is_404() {
    let provider = Provider::new();
    provider.get("/shipping/lbl_unknown").await.problem(404, "label_not_found");
    provider
        .post("/shipping/cancel", &json!({"labelId": "lbl_unknown"}))
        .await
        .problem(404, "label_not_found");
}

#[tokio::test]
async fn the_parts_of_an_address_that_every_country_has_are_required() {
    let body =
        json!({"shippingAddress": {"street": " ", "city": 7, "state": null}, "carrier": "no such one"});
    let answer = Provider::new().post("/shipping/create-label", &body).await;
    let answer = answer.problem(422, "validation_failed").json();
    let pointers: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        pointers,
        ["/shippingAddress/street", "/shippingAddress/city", "/shippingAddress/country", "/carrier",]
    );
}

#[tokio::test]
async fn progress_by_key_goes_from_unknown_through_the_elapsed_share_to_generated() {
    let provider = Provider::with(&[SLOW]);
    assert_eq!(progress(&provider, "wf%2Frun%2Flabel").await, ("unknown".to_owned(), 0));
    let label = tokio::spawn(provider.label().key("wf/run/label").into_future());
    until_status(&provider, "wf%2Frun%2Flabel", "generating").await;
    provider.clock.advance(Duration::from_millis(450));
    assert_eq!(progress(&provider, "wf%2Frun%2Flabel").await, ("generating".to_owned(), 45));
    provider.clock.advance(Duration::from_secs(9));
    assert_eq!(progress(&provider, "wf%2Frun%2Flabel").await, ("generating".to_owned(), 99));
    let generated = label.await.unwrap().expect(201);
    let answer = provider.get("/shipping/by-key/wf%2Frun%2Flabel").await.expect(200).json();
    assert_eq!(
        answer,
        json!({
            "success": true, "key": "wf/run/label", "status": "generated", "progress": 100,
            "labelId": generated.text("labelId"),
        })
    );
    provider.post("/shipping/cancel", &json!({"key": "wf/run/label"})).await.expect(200);
    assert_eq!(progress(&provider, "wf%2Frun%2Flabel").await, ("cancelled".to_owned(), 100));
}

#[tokio::test]
async fn the_key_of_a_label_in_flight_is_in_use() {
    let provider = Provider::with(&[NEVER]);
    let label = tokio::spawn(provider.label().key("k").into_future());
    until_status(&provider, "k", "generating").await;
    let second = provider.label().key("k").await.problem(409, "idempotency_key_in_use");
    assert_eq!(second.json()["retryable"], true);
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(second.header("x-chaos-decision"), None, "there is no decision");
    let other = json!({"shippingAddress": address(), "carrier": "DHL"});
    let other = provider.post("/shipping/create-label", &other).key("k").await;
    other.problem(409, "idempotency_key_reused");
    assert!(!label.is_finished());
}

#[tokio::test]
async fn a_label_that_is_cancelled_in_flight_never_exists() {
    let provider = Provider::with(&[SLOW]);
    let label = tokio::spawn(provider.label().key("k").order("order-1").into_future());
    until_status(&provider, "k", "generating").await;
    let undone = provider.post("/shipping/cancel", &json!({"key": "k"})).order("order-1").await.expect(200);
    assert_eq!(undone.json(), json!({"success": true, "key": "k", "status": "nothing_to_undo"}));
    assert_eq!(progress(&provider, "k").await, ("cancelled".to_owned(), 0));
    assert!(!label.is_finished(), "the undo waited for the label");

    let answer = label.await.unwrap().problem(409, "undone_before_execution");
    assert_eq!(answer.json()["retryable"], false);
    assert_eq!(provider.effects("order-1").await, ["tombstoned"]);
    assert_eq!(progress(&provider, "k").await, ("cancelled".to_owned(), 0));
    let late = provider.label().key("k").order("order-1").await.problem(409, "undone_before_execution");
    assert!(late.replayed());
    assert_eq!(provider.effects("order-1").await, ["tombstoned"]);
}

#[tokio::test]
async fn the_journal_shows_a_label_in_flight() {
    let provider = Provider::with(&[SLOW]);
    let label = tokio::spawn(provider.label().key("k").into_future());
    until_status(&provider, "k", "generating").await;
    let lines = provider.journal("").await;
    assert_eq!((lines.len(), &lines[0]["response"]), (1, &json!(null)));
    label.await.unwrap().expect(201);
    let lines = provider.journal("").await;
    assert_eq!((lines.len(), &lines[0]["response"]), (1, &json!("success")));
}

#[tokio::test]
async fn a_timeout_without_an_effect_creates_no_label_and_uses_no_key() {
    let provider = Provider::with(&[NEVER]);
    provider.label().key("k").order("order-1").scenario("timeout").await.problem(504, "timeout");
    assert_eq!(progress(&provider, "k").await, ("unknown".to_owned(), 0));
    assert_eq!(provider.effects("order-1").await, [""; 0]);
}

#[tokio::test]
async fn a_label_with_a_lost_answer_exists() {
    let provider = Provider::with(&[("SHIPPING_LABEL_DURATION", "10ms")]);
    let lost = provider.label().key("k").order("order-1").scenario("timeout_after_commit").await;
    lost.problem(504, "timeout");
    assert_eq!(progress(&provider, "k").await.0, "generated");
    assert!(provider.label().key("k").order("order-1").await.expect(201).replayed());
    assert_eq!(provider.effects("order-1").await, ["labelled"]);
}

#[tokio::test]
async fn an_operation_continues_after_its_caller_disconnects() {
    let provider = Provider::with(&[SLOW]);
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let never = std::future::pending();
    let server = tokio::spawn(serve::run(listener, provider.router.clone(), never, Duration::ZERO));

    let body = json!({ "shippingAddress": crate::support::address() }).to_string();
    let request = format!(
        "POST /shipping/create-label HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Idempotency-Key: k\r\nX-Order-Id: order-1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    until_status(&provider, "k", "generating").await;
    drop(connection);
    until_status(&provider, "k", "generated").await;
    assert_eq!(provider.effects("order-1").await, ["labelled"]);
    server.abort();
}

#[tokio::test]
async fn an_address_needs_no_state_and_no_zip() {
    let provider = Provider::new();
    let hong_kong = json!({"street": "1 Queen's Road", "city": "Central", "country": "HK"});
    for (state, zip) in
        [(json!(null), json!(null)), (json!("Kowloon"), json!(null)), (json!(null), json!("1"))]
    {
        let mut address = hong_kong.clone();
        if !state.is_null() {
            address["state"] = state;
        }
        if !zip.is_null() {
            address["zip"] = zip;
        }
        provider.post("/shipping/create-label", &json!({ "shippingAddress": address })).await.expect(201);
    }
    let bad = json!({"street": "1", "state": " ", "zip": "", "country": "HK"});
    let refused = provider.post("/shipping/create-label", &json!({ "shippingAddress": bad })).await;
    let refused = refused.problem(422, "validation_failed").json();
    let pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/shippingAddress/city", "/shippingAddress/state", "/shippingAddress/zip"]);
}
