//! The baseline: an axum handler that reads the same bodies, and answers with bodies of the same size.

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::Result;

/// Has this program serve, in place of measuring.
pub const ARGUMENT: &str = "--serve-bare";

pub async fn serve() -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "address": listener.local_addr()?.to_string() }));
    let made = |answer: Value| {
        post(async move |Json(body): Json<Value>| {
            // The body is used, so that no compiler can leave it out.
            let status = if body.is_object() { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
            (status, Json(answer))
        })
    };
    let id = "01a20a60558677feb223c5831eaa482f";
    let at = "2026-11-23T21:46:55.238Z";
    let router = Router::new()
        .route(
            "/payment/authorize",
            made(json!({
                "success": true, "authId": format!("auth_{id}"), "amount": 5998, "currency": "usd",
                "status": "authorized", "createdAt": at, "expiresAt": at, "orderId": "order-00000000",
            })),
        )
        .route(
            "/inventory/reserve",
            made(json!({
                "success": true, "reservationId": format!("res_{id}"), "items": [{"sku": "SKU-1", "quantity": 2}],
                "status": "reserved", "createdAt": at, "expiresAt": at, "orderId": "order-00000000",
            })),
        )
        .route(
            "/payment/capture",
            made(json!({
                "success": true, "authId": format!("auth_{id}"), "amount": 5998, "currency": "usd",
                "status": "captured", "capturedAt": at,
            })),
        )
        .route(
            "/notification/send",
            made(json!({
                "success": true, "notificationId": format!("ntf_{id}"), "type": "email",
                "recipient": "jo@example.com", "status": "sent", "sentAt": at, "orderId": "order-00000000",
            })),
        );
    // It collects traces, too.
    let router = router.route("/v1/traces", post(async |_: axum::body::Bytes| StatusCode::OK)).route(
        "/v1/payment_intents",
        post(async |body: axum::body::Bytes| {
            let intent = json!({ "object": "payment_intent", "filler": "x".repeat(1600) });
            if body.is_empty() { Err(StatusCode::BAD_REQUEST) } else { Ok(Json(intent)) }
        }),
    );
    axum::serve(listener, router).await?;
    Ok(())
}
