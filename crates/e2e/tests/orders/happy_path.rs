//! Orders that ship.

use reqwest::Method;
use serde_json::json;
use xtask::services::{API, PROVIDER, WORKER};

use crate::support::{World, names};

#[tokio::test]
async fn an_order_ships_and_the_ledger_holds_its_exact_amount() {
    let world = World::start("ships").await;
    let placed = world.place(&world.order("1")).await;
    assert_eq!(
        (&placed["status"], &placed["workflowId"]),
        (&json!("processing"), &json!("order-fulfillment-ships-1"))
    );

    let end = world.end("1").await;
    assert_eq!(
        (&end["success"], &end["status"], &end["progress"]),
        (&json!(true), &json!("shipped"), &json!(100))
    );
    assert_eq!(
        names(&end["completedSteps"]),
        [
            "payment_authorization",
            "inventory_reservation",
            "payment_capture",
            "shipping_label",
            "customer_notification"
        ]
    );
    let (_, payment) = world
        .call(&PROVIDER, Method::GET, &format!("/payment/{}", end["authId"].as_str().unwrap()), None)
        .await;
    assert_eq!((&payment["amount"], &payment["status"]), (&json!(5998), &json!("captured")));
    world.must_agree("1", &end).await;
    world.stop().await;
}

#[tokio::test]
async fn an_order_that_runs_or_has_shipped_cannot_be_placed_again() {
    let world = World::start("twice").await;
    let order = world.order("1");
    world.place(&order).await;
    let (status, body) = world.call(&API, Method::POST, "/api/v1/order", Some(&order)).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_exists")));
    world.end("1").await;
    let (status, body) = world.call(&API, Method::POST, "/api/v1/order", Some(&order)).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_exists")));
    assert_eq!(world.journal("1", "payment.authorize").await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn one_correlation_id_joins_every_process_and_no_log_names_a_person() {
    let world = World::start("correlated").await;
    world.place(&world.order("1")).await;
    world.end("1").await;
    let described =
        world.temporal(&["workflow", "describe", "-w", "order-fulfillment-correlated-1", "-o", "json"]).await;
    let id = world.journal("1", "payment.capture").await[0]["correlationId"].as_str().unwrap().to_owned();
    for service in [&API, &WORKER, &PROVIDER] {
        let log = world.log(service);
        assert!(log.contains(&id), "{} doesn't know {id}", service.name);
        for secret in ["ada.lovelace", "Lovelace", "Analytical Row"] {
            assert!(!log.contains(secret), "{} logs {secret}", service.name);
        }
    }
    assert!(described.contains("correlationId"), "{described}");
    world.stop().await;
}

#[tokio::test]
async fn metrics_count_one_order_exactly() {
    let world = World::start("counted").await;
    world.place(&world.order("1")).await;
    world.end("1").await;
    let worker = world.metrics(&WORKER).await;
    for activity in
        ["authorizePayment", "reserveInventory", "capturePayment", "createShippingLabel", "sendNotification"]
    {
        let line = format!(
            r#"order_activity_attempts_total{{activity="{activity}",code="",outcome="completed"}} 1"#
        );
        assert!(worker.contains(&line), "{line}\n{worker}");
    }
    assert!(worker.contains("temporal_workflow_completed_total"), "the SDK's own metrics are missing");
    let provider = world.metrics(&PROVIDER).await;
    for operation in [
        "payment.authorize",
        "inventory.reserve",
        "payment.capture",
        "shipping.create-label",
        "notification.send",
    ] {
        let counted: Vec<&str> =
            provider.lines().filter(|line| line.contains(&format!(r#"operation="{operation}""#))).collect();
        assert_eq!(counted.len(), 1, "{counted:?}");
        assert!(counted[0].contains(r#"scenario="success""#) && counted[0].ends_with(" 1"), "{counted:?}");
    }
    let api = world.metrics(&API).await;
    assert!(
        api.contains(r#"http_requests_total{method="POST",route="/api/v1/order",status="201"} 1"#),
        "{api}"
    );
    world.stop().await;
}

#[tokio::test]
async fn orders_are_listed_by_status_and_customer_page_by_page() {
    let world = World::start("listed").await;
    for order in ["1", "2", "3"] {
        world.place(&world.order(order)).await;
    }
    for order in ["1", "2", "3"] {
        world.end(order).await;
    }
    let list =
        "/api/v1/orders?status=shipped&customerId=customer-of-listed&minTotal=59.98&maxTotal=59.98&limit=2";
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    let first = loop {
        // Visibility follows the truth with a little delay.
        let (status, page) = world.call(&API, Method::GET, list, None).await;
        assert_eq!(status, 200, "{page}");
        if page["nextPageToken"].is_string() {
            break page;
        }
        assert!(std::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let token = first["nextPageToken"].as_str().unwrap();
    let (_, second) = world.call(&API, Method::GET, &format!("{list}&pageToken={token}"), None).await;
    let mut ids: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["orders"].as_array().unwrap())
        .map(|order| {
            assert_eq!((&order["status"], &order["totalAmount"]), (&json!("shipped"), &json!(59.98)));
            order["orderId"].as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["listed-1", "listed-2", "listed-3"]);
    world.stop().await;
}
