//! Inventory: the answers of each operation, and every rule of the domain.

use std::time::Duration;

use serde_json::json;

use crate::support::Provider;

const HALF_AN_HOUR: Duration = Duration::from_mins(30);

async fn reserved(provider: &Provider, order: &str) -> String {
    provider.reserve().order(order).await.expect(201).text("reservationId")
}

async fn status(provider: &Provider, id: &str) -> String {
    provider.get(&format!("/inventory/{id}")).await.expect(200).text("status")
}

fn release(id: &str) -> serde_json::Value {
    json!({ "reservationId": id })
}

#[tokio::test]
async fn a_reservation_is_answered_with_its_items() {
    let items =
        json!([{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1_000_000, "warehouseId": "north"}]);
    let body = json!({"items": items, "orderId": "order-1"});
    let answer = Provider::new().post("/inventory/reserve", &body).await.expect(201).json();
    let id = answer["reservationId"].as_str().unwrap();
    assert!(id.starts_with("res_"));
    assert_eq!(
        answer,
        json!({
            "success": true, "reservationId": id, "items": items, "status": "reserved",
            "createdAt": "2025-11-24T16:00:00.000Z", "expiresAt": "2025-11-24T16:30:00.000Z",
            "orderId": "order-1",
        })
    );
}

#[tokio::test]
async fn a_reservation_is_released_once() {
    let provider = Provider::new();
    let id = reserved(&provider, "order-1").await;
    let answer = provider.post("/inventory/release", &release(&id)).await.expect(200).json();
    assert_eq!(
        answer,
        json!({
            "success": true, "reservationId": id, "status": "released",
            "releasedAt": "2025-11-24T16:00:00.000Z",
        })
    );
    let again = provider.post("/inventory/release", &release(&id)).await;
    let again = again.problem(409, "already_released").json();
    assert_eq!(
        (&again["resource"]["reservationId"], &again["resource"]["status"]),
        (&json!(id), &json!("released"))
    );
}

#[tokio::test]
async fn a_reservation_expires_after_half_an_hour() {
    let provider = Provider::new();
    let id = reserved(&provider, "order-1").await;
    provider.clock.advance(HALF_AN_HOUR);
    assert_eq!(status(&provider, &id).await, "expired");
    provider.post("/inventory/release", &release(&id)).await.problem(409, "reservation_expired");
}

#[tokio::test]
async fn the_reservation_of_a_shipped_order_is_fulfilled_and_no_longer_expires() {
    let provider = Provider::new();
    let id = reserved(&provider, "order-1").await;
    provider.record_outcome("order-1", "shipped").await.expect(200);
    assert_eq!(status(&provider, &id).await, "fulfilled");
    provider.clock.advance(HALF_AN_HOUR);
    assert_eq!(status(&provider, &id).await, "fulfilled");
    provider.post("/inventory/release", &release(&id)).await.problem(409, "reservation_fulfilled");
    assert_eq!(provider.effects("order-1").await, ["reserved", "fulfilled"]);
}

#[tokio::test]
async fn a_reservation_that_expired_before_its_order_shipped_is_not_fulfilled() {
    let provider = Provider::new();
    let id = reserved(&provider, "order-1").await;
    provider.clock.advance(HALF_AN_HOUR);
    provider.record_outcome("order-1", "shipped").await.expect(200);
    assert_eq!(status(&provider, &id).await, "expired");
    assert_eq!(provider.effects("order-1").await, ["reserved"]);
}

#[tokio::test]
async fn an_unknown_reservation_is_404() {
    let provider = Provider::new();
    provider.get("/inventory/res_unknown").await.problem(404, "reservation_not_found");
    let answer = provider.post("/inventory/release", &release("res_unknown")).await;
    answer.problem(404, "reservation_not_found");
}

#[tokio::test]
async fn all_errors_of_all_items_are_reported_together() {
    let provider = Provider::new();
    let body = json!({"items": [{"sku": "", "quantity": 0}, 7, {"quantity": 1_000_001, "warehouseId": 1}]});
    let answer = provider.post("/inventory/reserve", &body).await.problem(422, "validation_failed").json();
    let pointers: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        pointers,
        [
            "/items/0/sku",
            "/items/0/quantity",
            "/items/1",
            "/items/2/sku",
            "/items/2/quantity",
            "/items/2/warehouseId"
        ]
    );
}

#[tokio::test]
async fn a_reservation_has_1_to_100_items() {
    let provider = Provider::new();
    for (count, status) in [(0, 422), (1, 201), (100, 201), (101, 422)] {
        let items = vec![json!({"sku": "A", "quantity": 1}); count];
        provider.post("/inventory/reserve", &json!({ "items": items })).await.expect(status);
    }
}
