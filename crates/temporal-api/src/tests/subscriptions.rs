//! Tests subscriptions over the scripted gateway.

use workflows::subscription::{messages::Terms, recurrence::Recurrence};

use super::*;

const PATH: &str = "/api/v1/subscriptions";

fn body() -> Value {
    json!({
        "subscriptionId": "coffee",
        "customerId": "c",
        "customerEmail": "ada@example.com",
        "items": [{"sku": "beans", "quantity": 2, "price": 12.5}],
        "currency": "EUR",
        "shippingAddress": {"street": "1 Main St", "city": "Wien", "zip": "1010", "country": "AT"},
        "every": "30d",
        "startAt": "2026-12-01T09:00:00Z",
        "maxOrders": 3,
    })
}

fn subscription() -> Subscription {
    let terms = Terms { items: Vec::new(), amount: 2500, total: "25.00".to_owned() };
    Subscription::new(("coffee", "c"), (terms, "eur"), Recurrence::EveryMs(1000), Some(3), (NOW + 500, 1000))
}

fn script(subscription: Subscription) -> Arc<Script> {
    Arc::new(Script { subscription: Mutex::new(Some(subscription)), ..Script::default() })
}

async fn change(gateway: &Arc<Script>, what: &str) -> (u16, Value) {
    let request = Request::post(format!("{PATH}/coffee/{what}")).body(Body::empty()).unwrap();
    send(gateway, request).await
}

async fn put(gateway: &Arc<Script>, what: &str, body: &Value) -> (u16, Value) {
    let request = Request::put(format!("{PATH}/coffee/{what}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into())
        .unwrap();
    send(gateway, request).await
}

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().filter_map(|fault| fault["pointer"].as_str()).collect()
}

#[tokio::test]
async fn a_subscription_is_created_with_its_terms_in_minor_units() {
    let gateway = Arc::new(Script::default());
    let (status, created) = post(&gateway, PATH, &body().to_string()).await;
    assert_eq!((status, &created["workflowId"]), (201, &json!("subscription-coffee")));
    let (status, again) = post(&gateway, PATH, &body().to_string()).await;
    assert_eq!((status, &again["alreadyCreated"]), (200, &json!(true)));
    let inputs = gateway.subscriptions.lock().unwrap();
    assert_eq!((inputs.len(), inputs[0].terms.amount, inputs[0].terms.total.as_str()), (1, 2500, "25.00"));
    assert_eq!(inputs[0].recurrence, Recurrence::EveryMs(30 * 24 * 3_600_000));
    assert_eq!((inputs[0].start_at_ms, inputs[0].max_orders), (Some(1_796_115_600_000), Some(3)));
}

#[tokio::test]
async fn every_fault_of_a_subscription_is_reported() {
    let gateway = Arc::new(Script::default());
    let bad = json!({
        "subscriptionId": "x".repeat(101), "items": [], "every": "500ms", "cron": "* * *",
        "startAt": "tomorrow", "maxOrders": 0, "interval": "1d",
    });
    let (status, problem) = post(&gateway, PATH, &bad.to_string()).await;
    assert_eq!(status, 422);
    assert_eq!(
        pointers(&problem),
        [
            "/interval",
            "/subscriptionId",
            "/customerId",
            "/customerEmail",
            "/items",
            "/shippingAddress",
            "/every",
            "/cron",
            "/startAt",
            "/maxOrders"
        ]
    );
    assert!(gateway.subscriptions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_subscription_has_either_an_interval_or_a_cron_expression() {
    let gateway = Arc::new(Script::default());
    let mut both = body();
    both["cron"] = json!("0 9 1 * *");
    let (status, problem) = post(&gateway, PATH, &both.to_string()).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/cron"]));
    let mut none = body();
    none.as_object_mut().unwrap().remove("every");
    let (status, problem) = post(&gateway, PATH, &none.to_string()).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/every"]));
    none["cron"] = json!("0 9 1 * *");
    assert_eq!(post(&gateway, PATH, &none.to_string()).await.0, 201);
}

#[tokio::test]
async fn a_change_is_answered_with_the_state_after_it_or_with_the_reason() {
    let paused = || {
        let mut paused = subscription();
        paused.pause().unwrap();
        paused
    };
    let cancelling = || {
        let mut cancelling = subscription();
        cancelling.start_order("order");
        cancelling.cancel().unwrap();
        cancelling
    };
    let skipping = || {
        let mut skipping = subscription();
        skipping.start_order("order");
        skipping.skip_next(NOW).unwrap();
        skipping
    };
    let ended = || {
        let mut ended = subscription();
        ended.cancel().unwrap();
        ended.next_action(NOW);
        ended
    };
    let table: [(Subscription, &str, u16, &str); 10] = [
        (subscription(), "pause", 200, ""),
        (subscription(), "skip-next", 200, ""),
        (subscription(), "cancel", 200, ""),
        (subscription(), "resume", 409, "subscription_not_paused"),
        (paused(), "resume", 200, ""),
        (paused(), "pause", 409, "subscription_already_paused"),
        (cancelling(), "cancel", 409, "subscription_already_cancelling"),
        (skipping(), "skip-next", 409, "next_order_already_skipped"),
        (ended(), "pause", 409, "subscription_already_closed"),
        (ended(), "cancel", 409, "subscription_already_closed"),
    ];
    for (subscription, what, status, code) in table {
        let gateway = script(subscription);
        let (got, body) = change(&gateway, what).await;
        assert_eq!((got, body["error"].as_str().unwrap_or_default()), (status, code), "{what}: {body}");
        assert_eq!(gateway.subscription_updates.lock().unwrap().len(), usize::from(status == 200));
    }
    let (_, paused) = change(&script(subscription()), "pause").await;
    assert_eq!(paused["status"], "paused");
}

#[tokio::test]
async fn items_are_read_in_the_currency_of_the_subscription() {
    let gateway = script(subscription());
    let items = json!({"items": [{"sku": "tea", "quantity": 1, "price": 9.99}]});
    let (status, state) = put(&gateway, "items", &items).await;
    assert_eq!(
        (status, &state["totalAmount"], &state["items"][0]["price"]),
        (200, &json!(9.99), &json!(9.99))
    );
    let (status, problem) =
        put(&gateway, "items", &json!({"items": [{"sku": "tea", "quantity": 1, "price": 9.999}]})).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/items/0/price"]));
}

#[tokio::test]
async fn an_address_and_an_interval_can_change() {
    let gateway = script(subscription());
    let address = json!({"street": "2 Side St", "city": "Wien", "zip": "1010", "country": "AT"});
    assert_eq!(put(&gateway, "shipping-address", &address).await.0, 200);
    let (status, state) = put(&gateway, "interval", &json!({"cron": "0 9 * * *"})).await;
    assert_eq!((status, &state["cron"], state.get("every")), (200, &json!("0 9 * * *"), None));
    assert_eq!(put(&gateway, "interval", &json!({"every": "0s"})).await.0, 422);
}

#[tokio::test]
async fn an_unknown_subscription_is_404_for_every_request() {
    let gateway = Arc::new(Script::default());
    assert_eq!(get(&gateway, &format!("{PATH}/coffee")).await.1["error"], "subscription_not_found");
    assert_eq!(change(&gateway, "pause").await.1["error"], "subscription_not_found");
    assert_eq!(get(&gateway, &format!("{PATH}/a%27b")).await.0, 404);
}

#[tokio::test]
async fn a_subscription_that_was_ended_from_outside_is_closed() {
    let gateway = script(subscription()).ended(Outside::Terminated);
    let (status, state) = get(&gateway, &format!("{PATH}/coffee")).await;
    assert_eq!((status, &state["status"]), (200, &json!("terminated")));
    assert_eq!(change(&gateway, "pause").await.1["error"], "subscription_already_closed");
}

#[tokio::test]
async fn a_list_hands_on_its_filter() {
    let gateway = Arc::new(Script::default());
    let (status, page) = get(&gateway, &format!("{PATH}?status=past_due&customerId=c-1")).await;
    assert_eq!((status, &page["subscriptions"][0]["status"]), (200, &json!("active")));
    assert!(page["nextPageToken"].is_string());
    for query in ["status=shipped", "customerId=x%27", "limit=0", "pageToken=%27"] {
        assert_eq!(get(&gateway, &format!("{PATH}?{query}")).await.0, 400, "{query}");
    }
    let filters = gateway.subscription_lists.lock().unwrap();
    assert_eq!(filters[0].status.unwrap().name(), "past_due");
}
