//! Tests batches over the scripted gateway.

use super::*;

const PATH: &str = "/api/v1/order-batches";

fn order(id: &str) -> Value {
    json!({
        "orderId": id, "customerId": "c", "customerEmail": "ada@example.com",
        "items": [{"sku": "book", "quantity": 1, "price": 10}], "totalAmount": 10,
        "shippingAddress": {"street": "1 Main St", "city": "Wien", "zip": "1010", "country": "AT"},
    })
}

fn body(ids: &[&str]) -> String {
    let orders: Vec<_> = ids.iter().map(|id| order(id)).collect();
    json!({"batchId": "monday", "orders": orders}).to_string()
}

async fn post_lines(gateway: &Arc<Script>, query: &str, lines: &str) -> (u16, Value) {
    let request =
        Request::post(format!("{PATH}{query}")).header(header::CONTENT_TYPE, "application/x-ndjson");
    send(gateway, request.body(lines.to_owned().into()).unwrap()).await
}

fn faults(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|one| (one["pointer"].as_str().unwrap(), one["message"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn the_orders_of_a_batch_are_sent_in_chunks() {
    let gateway = Arc::new(Script::default());
    let (status, answer) = post(&gateway, PATH, &body(&["a", "b", "c"])).await;
    assert_eq!(
        (status, &answer["orders"], &answer["status"]),
        (202, &json!(3), &json!("running")),
        "{answer}"
    );
    let sent = |gateway: &Script| -> Vec<Vec<String>> {
        let chunks = gateway.chunks.lock().unwrap();
        let ids = |chunk: &AddOrders| chunk.orders.iter().map(|one| one.order.order_id.clone()).collect();
        chunks.iter().map(ids).collect()
    };
    assert_eq!(sent(&gateway), [vec!["a", "b"], vec!["c"]]);
    assert_eq!(gateway.chunks.lock().unwrap()[0].orders[0].total, "10.00");
    assert_eq!(get(&gateway, &format!("{PATH}/monday")).await.1["status"], "running");

    let lines = format!("{}\n\n{}\r\n{}", order("a"), order("b"), order("c"));
    let of_lines = Arc::new(Script::default());
    assert_eq!(post_lines(&of_lines, "?batchId=monday", &lines).await.0, 202);
    assert_eq!(sent(&of_lines), sent(&gateway));
    assert_eq!(post_lines(&gateway, "?batchId=monday", &lines).await.0, 202, "it is the same request");
    let (status, problem) = post(&gateway, PATH, &body(&["d"])).await;
    assert_eq!((status, &problem["error"]), (409, &json!("batch_already_exists")));
}

#[tokio::test]
async fn a_batch_that_was_cut_off_gets_its_missing_chunks_from_the_repeated_request() {
    let gateway = Arc::new(Script::default());
    assert_eq!(post(&gateway, PATH, &body(&["a", "b", "c"])).await.0, 202);
    let mut cut_off = Batch::new("monday", 3, 2, 20);
    cut_off.receive(1);
    cut_off.open_chunk(1);
    *gateway.batch.lock().unwrap() = Some(cut_off);
    gateway.chunks.lock().unwrap().clear();
    let (status, answer) = post(&gateway, PATH, &body(&["a", "b", "c"])).await;
    assert_eq!((status, &answer["status"]), (202, &json!("running")));
    assert_eq!(gateway.chunks.lock().unwrap().iter().map(|chunk| chunk.index).collect::<Vec<_>>(), [0]);
}

#[tokio::test]
async fn every_bad_order_is_named_and_then_nothing_starts() {
    let gateway = Arc::new(Script::default());
    let mut bad = order("b");
    bad["totalAmount"] = json!(11);
    let body = json!({"batchId": "m/1", "orders": [order("a"), bad, order("a"), 7]});
    let (status, problem) = post(&gateway, PATH, &body.to_string()).await;
    assert_eq!(status, 422);
    let pointers: Vec<_> = faults(&problem).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/batchId", "/orders/1/totalAmount", "/orders/2/orderId", "/orders/3"]);
    assert_eq!(faults(&problem)[2].1, "is the id of /orders/0, too");

    let lines = format!("{}\n{}\n{{oops\n{}", order("a"), body["orders"][1], order("a"));
    let (status, problem) = post_lines(&gateway, "", &lines).await;
    assert_eq!(status, 422);
    let found = faults(&problem);
    let pointers: Vec<_> = found.iter().map(|(pointer, _)| *pointer).collect();
    assert_eq!(pointers, ["?batchId", "/lines/2/totalAmount", "/lines/3", "/lines/4/orderId"]);
    assert!(found[2].1.contains("is not JSON"), "{found:?}");
    for (query, lines) in [("?batchId=m", ""), ("?batchId=m", "\n\n"), ("?batchId=a/b", "{}")] {
        assert_eq!(post_lines(&gateway, query, lines).await.0, 422, "{query} {lines:?}");
    }
    assert_eq!(post(&gateway, PATH, r#"{"batchId": "m", "orders": []}"#).await.0, 422);
    assert!(gateway.claims.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_has_its_own_body_limit() {
    let gateway = Arc::new(Script::default());
    let padding = " ".repeat(4096);
    for (status, answer) in [
        post(&gateway, PATH, &format!("{}{padding}", body(&["a"]))).await,
        post_lines(&gateway, "?batchId=m", &format!("{}\n{padding}", order("a"))).await,
    ] {
        assert_eq!((status, &answer["error"]), (413, &json!("payload_too_large")));
    }
}

#[tokio::test]
async fn a_batch_is_paused_resumed_and_cancelled_or_says_why_not() {
    let gateway = Arc::new(Script::default());
    assert_eq!(post(&gateway, PATH, &body(&["a"])).await.0, 202);
    for (change, status, seen) in [
        ("resume", 409, "batch_not_paused"),
        ("pause", 200, "paused"),
        ("pause", 409, "batch_already_paused"),
        ("resume", 200, "running"),
        ("cancel", 200, "cancelling"),
        ("cancel", 409, "batch_already_cancelling"),
        ("pause", 409, "batch_already_cancelling"),
    ] {
        let (answered, answer) = post(&gateway, &format!("{PATH}/monday/{change}"), "").await;
        let name = if status == 200 { &answer["status"] } else { &answer["error"] };
        assert_eq!((answered, name), (status, &json!(seen)), "{change}");
    }
    let (status, problem) = post(&Arc::new(Script::default()), &format!("{PATH}/none/pause"), "").await;
    assert_eq!((status, &problem["error"]), (404, &json!("batch_not_found")));
    assert_eq!(get(&gateway, "/api/v1/workflows/order-batch-monday/status").await.1["status"], "cancelling");
}
