//! Returns: a label for the way back, stock that comes back, a refund, and the verdict about them.

use serde_json::{Value, json};

use crate::support::{Provider, address};

/// Ships an order of three books, and returns the id of its payment.
async fn shipped(provider: &Provider, order: &str) -> String {
    let auth_id = provider.captured(order).await;
    let items = json!({"items": [{"sku": "book", "quantity": 3}]});
    provider.post("/inventory/reserve", &items).order(order).key(&format!("{order}/stock")).await.expect(201);
    provider.label().order(order).await.expect(201);
    auth_id
}

async fn return_label(provider: &Provider, order: &str) {
    let body = json!({ "shippingAddress": address() });
    provider
        .post("/shipping/create-return-label", &body)
        .order(order)
        .key(&format!("{order}/back"))
        .await
        .expect(201);
}

/// Takes back a quantity, or everything.
fn restock(order: &str, quantity: Option<u32>) -> Value {
    let mut body = json!({ "key": format!("{order}/stock") });
    if let Some(quantity) = quantity {
        body["items"] = json!([{"sku": "book", "quantity": quantity}]);
    }
    body
}

/// Returns the rules that the order breaks.
async fn broken(provider: &Provider, order: &str) -> Vec<String> {
    let verdict = provider.get(&format!("/verdict?orderId={order}&final=true")).await.expect(200).json();
    let contradictions = verdict["contradictions"].as_array().unwrap();
    contradictions.iter().map(|one| one["rule"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_whole_return_leaves_no_money_and_no_stock_with_the_order() {
    let provider = Provider::new();
    let auth_id = shipped(&provider, "o").await;
    provider.record_outcome("o", "shipped").await.expect(200);
    return_label(&provider, "o").await;
    let back = provider.post("/inventory/restock", &restock("o", None)).order("o").await.expect(200).json();
    assert_eq!(back["outstanding"], json!({}));
    provider.refund(&auth_id).await.expect(200);
    provider.record_outcome("o", "returned").await.expect(200);
    assert_eq!(broken(&provider, "o").await, Vec::<String>::new());
    let verdict = provider.get("/verdict").await.expect(200).json();
    assert_eq!(
        (&verdict["orders"], &verdict["returned"], &verdict["shipped"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let totals = provider.get("/ledger").await.expect(200).json();
    assert_eq!((&totals["reservations"]["restocked"], &totals["labels"]["returns"]), (&json!(1), &json!(1)));
    provider.record_outcome("o", "shipped").await.expect(409);
}

#[tokio::test]
async fn a_return_in_part_keeps_the_rest_and_can_become_a_whole_one() {
    let provider = Provider::new();
    let auth_id = shipped(&provider, "o").await;
    provider.record_outcome("o", "shipped").await.expect(200);
    return_label(&provider, "o").await;
    let back =
        provider.post("/inventory/restock", &restock("o", Some(1))).order("o").await.expect(200).json();
    assert_eq!(back["outstanding"], json!({"book": 2}));
    provider.post("/payment/refund", &json!({"authId": auth_id, "amount": 1000})).await.expect(200);
    provider.record_outcome("o", "partly_returned").await.expect(200);
    assert_eq!(broken(&provider, "o").await, Vec::<String>::new());
    let too_many = provider.post("/inventory/restock", &restock("o", Some(3))).order("o").await.expect(409);
    assert_eq!(too_many.text("error"), "restock_exceeds_shipment");
    provider.post("/inventory/restock", &restock("o", None)).order("o").await.expect(200);
    provider.refund(&auth_id).await.expect(200);
    provider.record_outcome("o", "returned").await.expect(200);
    assert_eq!(broken(&provider, "o").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_return_without_its_refund_its_stock_or_its_label_is_a_contradiction() {
    let provider = Provider::new();
    shipped(&provider, "o").await;
    provider.record_outcome("o", "returned").await.expect(200);
    let rules = ["returned_is_refunded", "returned_is_restocked", "returned_has_a_label_each_way"];
    assert_eq!(broken(&provider, "o").await, rules);
}

#[tokio::test]
async fn a_shipped_order_with_a_label_for_the_way_back_is_a_contradiction_until_it_is_cancelled() {
    let provider = Provider::new();
    shipped(&provider, "o").await;
    provider.record_outcome("o", "shipped").await.expect(200);
    return_label(&provider, "o").await;
    assert_eq!(broken(&provider, "o").await, ["shipped_has_one_label"]);
    provider.post("/shipping/cancel", &json!({"key": "o/back"})).await.expect(200);
    assert_eq!(broken(&provider, "o").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_repeated_restock_takes_the_stock_back_once() {
    let provider = Provider::new();
    shipped(&provider, "o").await;
    for _ in 0..2 {
        let request = provider.post("/inventory/restock", &restock("o", Some(1))).order("o").key("o/restock");
        assert_eq!(request.await.expect(200).json()["outstanding"], json!({"book": 2}));
    }
}

#[tokio::test]
async fn stock_that_came_back_before_the_outcome_was_recorded_is_used_once() {
    let provider = Provider::new();
    let auth_id = shipped(&provider, "o").await;
    return_label(&provider, "o").await;
    provider.post("/inventory/restock", &restock("o", None)).order("o").await.expect(200);
    provider.refund(&auth_id).await.expect(200);
    provider.record_outcome("o", "returned").await.expect(200);
    assert_eq!(broken(&provider, "o").await, Vec::<String>::new());
    let totals = provider.get("/ledger").await.expect(200).json();
    assert_eq!(
        (&totals["reservations"]["fulfilled"], &totals["reservations"]["reserved"]),
        (&json!(1), &json!(0))
    );
}
