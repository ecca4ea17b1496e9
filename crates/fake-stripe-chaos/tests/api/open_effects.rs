//! The orders with the effects that they leave open.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Provider;

async fn open(provider: &Provider, order: &str) -> Value {
    let page = provider.get(&format!("/ledger/orders?orderId={order}")).await.expect(200).json();
    page["orders"][0]["open"].clone()
}

fn effects(open: &Value) -> Vec<&str> {
    open.as_array().unwrap().iter().filter_map(|one| one["effect"].as_str()).collect()
}

#[tokio::test]
async fn an_open_effect_has_the_key_that_undoes_it() {
    let provider = Provider::new();
    let auth_id = provider.authorize().order("o").key("hold").await.expect(201).text("authId");
    let held = open(&provider, "o").await;
    let expected = json!([
        {"effect": "held", "resource": auth_id, "key": "hold", "amount": 5998, "currency": "usd"},
    ]);
    assert_eq!(held, expected);
    provider.capture(&auth_id).key("take").await.expect(200);
    provider.reserve().order("o").key("stock").await.expect(201);
    provider.label().order("o").key("label").await.expect(201);
    let all = open(&provider, "o").await;
    assert_eq!(effects(&all), ["captured", "reserved", "labelled"]);
    assert_eq!([&all[0]["key"], &all[1]["key"], &all[2]["key"]], ["take", "stock", "label"]);
    for (path, key) in
        [("/payment/refund", "take"), ("/inventory/release", "stock"), ("/shipping/cancel", "label")]
    {
        provider.post(path, &json!({ "key": key })).await.expect(200);
    }
    assert_eq!(open(&provider, "o").await, json!([]));
}

#[tokio::test]
async fn a_captured_amount_is_without_its_refunds() {
    let provider = Provider::new();
    let auth_id = provider.captured("o").await;
    provider.post("/payment/refund", &json!({"authId": auth_id, "amount": 98})).await.expect(200);
    assert_eq!(open(&provider, "o").await[0]["amount"], 5900);
}

#[tokio::test]
async fn an_expired_hold_is_not_open_and_the_reservation_of_a_shipped_order_is() {
    let provider = Provider::new();
    provider.authorized("held").await;
    provider.reserve().order("shipped").await.expect(201);
    provider.record_outcome("shipped", "shipped").await.expect(200);
    provider.clock.advance(Duration::from_hours(24 * 30));
    assert_eq!(open(&provider, "held").await, json!([]));
    assert_eq!(effects(&open(&provider, "shipped").await), ["reserved"]);
}

#[tokio::test]
async fn the_orders_are_listed_page_by_page() {
    let provider = Provider::new();
    for order in ["c", "a", "b"] {
        provider.authorized(order).await;
    }
    provider.record_outcome("b", "not_shipped").await.expect(200);
    let first = provider.get("/ledger/orders?limit=2").await.expect(200).json();
    let ids = |page: &Value| -> Vec<String> {
        let orders = page["orders"].as_array().unwrap().iter();
        orders.map(|order| order["orderId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((ids(&first), &first["next"]), (vec!["a".to_owned(), "b".to_owned()], &json!("b")));
    assert_eq!(first["orders"][1]["outcome"], "not_shipped");
    let last = provider.get("/ledger/orders?limit=2&after=b").await.expect(200).json();
    assert_eq!((ids(&last), last.get("next")), (vec!["c".to_owned()], None));
    let unknown = provider.get("/ledger/orders?orderId=nobody").await.expect(200).json();
    assert_eq!(unknown["orders"], json!([]));
    for query in ["limit=0", "limit=1001", "after=", "orderId=", "more=1"] {
        provider.get(&format!("/ledger/orders?{query}")).await.expect(400);
    }
}

#[tokio::test]
async fn an_order_with_very_many_effects_shows_the_first_hundred() {
    let provider = Provider::new();
    for _ in 0..103 {
        provider.authorized("o").await;
    }
    let page = provider.get("/ledger/orders?orderId=o").await.expect(200).json();
    let order = &page["orders"][0];
    assert_eq!((order["open"].as_array().unwrap().len(), &order["openOmitted"]), (100, &json!(3)));
}
