//! Orders over the scripted gateway.

use super::*;

/// Posts to one of the order's paths without a body.
async fn tell(gateway: &Arc<Script>, what: &str) -> (u16, String) {
    let path = format!("/api/v1/order/order-fulfillment-1/{what}");
    let (status, body) = send(gateway, Request::post(path).body(Body::empty()).unwrap()).await;
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

fn order() -> Value {
    json!({
        "orderId": "1",
        "customerId": "c",
        "customerEmail": "ada@example.com",
        "items": [{"sku": "book", "quantity": 2, "price": 29.99}],
        "totalAmount": 59.98,
        "shippingAddress": {"street": "1 Main St", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US"},
    })
}

fn compensating(code: FailureCode) -> Order {
    let mut order = Order::new("1", true);
    order.begin(CurrentStep::CapturingPayment);
    order.compensate(Cause::new(code, "as the test wants it"));
    order
}

fn ended(code: FailureCode) -> Order {
    let mut order = compensating(code);
    order.ended(&Saga::default());
    order
}

#[tokio::test]
async fn an_order_is_started_with_its_amount_in_minor_units() {
    let gateway = Arc::new(Script::default());
    let request = Request::post("/api/v1/order")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-correlation-id", "corr-1")
        .body(order().to_string().into())
        .unwrap();
    let (status, body) = send(&gateway, request).await;
    assert_eq!(status, 201);
    assert_eq!(
        body,
        json!({"success": true, "workflowId": "order-fulfillment-1", "runId": "run-1", "orderId": "1", "status": "processing"})
    );
    let started = gateway.started.lock().unwrap();
    assert_eq!((started[0].amount, started[0].currency.as_str()), (5998, "usd"));
    assert_eq!(started[0].correlation_id, "corr-1");
}

#[tokio::test]
async fn an_order_that_needs_approval_says_that_it_waits_for_it() {
    let mut asked = order();
    asked["requiresApproval"] = json!(true);
    let (status, body) = post(&Arc::new(Script::default()), "/api/v1/order", &asked.to_string()).await;
    assert_eq!((status, &body["status"]), (201, &json!("pending_approval")));
}

#[tokio::test]
async fn bad_orders_start_nothing() {
    let gateway = Arc::new(Script::default());
    let whole = order().to_string();
    let table = [
        ("{", 400, "malformed_json"),
        ("NaN", 400, "malformed_json"),
        (&"[".repeat(100_000), 400, "malformed_json"),
        ("[]", 422, "validation_failed"),
        ("{}", 422, "validation_failed"),
        (&whole.replace("59.98", "59.99"), 422, "validation_failed"),
        (&whole.replace("29.99", "29.991"), 422, "validation_failed"),
        (&whole.replace("59.98", "1e400"), 422, "validation_failed"),
        (&whole.replace("\"1\"", "\"a\\u0000b\""), 422, "validation_failed"),
        (&whole.replace("\"1\"", "\"a/b\""), 422, "validation_failed"),
        (&whole.replace("\"1\"", "\"a'b\""), 422, "validation_failed"),
        (&" ".repeat(1024 * 1024), 413, "payload_too_large"),
    ];
    for (body, status, code) in table {
        let (got, problem) = post(&gateway, "/api/v1/order", body).await;
        assert_eq!((got, &problem["error"]), (status, &json!(code)), "{}", &body[..body.len().min(80)]);
    }
    assert!(gateway.started.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_gateway_cannot_do_is_a_problem_of_its_own() {
    type Failure = fn() -> GatewayError;
    let table: [(Failure, u16, &str); 4] = [
        (|| GatewayError::NotFound, 404, "order_not_found"),
        (|| GatewayError::WorkerUnavailable, 503, "worker_unavailable"),
        (|| GatewayError::Unavailable("down".to_owned()), 503, "temporal_unavailable"),
        (|| GatewayError::Failed("boom".into()), 500, "internal"),
    ];
    for (failure, status, code) in table {
        let (got, body) = get(&Script::failing(failure), "/api/v1/order/order-fulfillment-1/status").await;
        assert_eq!((got, &body["error"]), (status, &json!(code)));
        assert!(!body.to_string().contains("boom"));
    }
}

#[tokio::test]
async fn an_order_that_runs_already_is_not_started_again_and_its_run_is_named() {
    let gateway = Script::failing(|| GatewayError::AlreadyExists { run_id: Some("run-1".to_owned()) });
    let (status, body) = post(&gateway, "/api/v1/order", &order().to_string()).await;
    assert_eq!((status, &body["error"]), (409, &json!("order_already_exists")));
    assert_eq!((&body["workflowId"], &body["runId"]), (&json!("order-fulfillment-1"), &json!("run-1")));
}

#[tokio::test]
async fn an_id_that_no_order_can_have_is_unknown() {
    let gateway = Script::with(waiting());
    for id in [
        "1",
        "payment-1",
        "order-fulfillment-",
        "order-fulfillment-a%27b",
        "order-fulfillment-%00",
        "%F0%9F%92%A9",
    ] {
        let (status, body) = get(&gateway, &format!("/api/v1/order/{id}/status")).await;
        assert_eq!((status, &body["error"]), (404, &json!("order_not_found")), "{id}");
    }
}

#[tokio::test]
async fn a_result_says_whether_the_order_shipped_and_202_that_it_still_runs() {
    let path = "/api/v1/order/order-fulfillment-1/result?timeout=1";
    let (status, body) = get(&Script::with(shipped()), path).await;
    assert_eq!((status, &body["success"], &body["status"]), (200, &json!(true), &json!("shipped")));
    let (status, body) = get(&Script::with(ended(FailureCode::OutOfStock)), path).await;
    assert_eq!((status, &body["success"], &body["status"]), (200, &json!(false), &json!("failed")));
    assert_eq!(body["error"], json!({"code": "OUT_OF_STOCK", "message": "as the test wants it"}));
    let (status, body) = get(&Script::with(waiting()), path).await;
    assert_eq!((status, &body["success"], &body["status"]), (202, &json!(true), &json!("pending_approval")));
    assert_eq!(get(&Script::with(waiting()), &path.replace("=1", "=soon")).await.0, 400);
}

#[tokio::test]
async fn progress_is_the_states_own() {
    let (status, body) = get(&Script::with(shipped()), "/api/v1/order/order-fulfillment-1/progress").await;
    assert_eq!((status, body), (200, json!({"success": true, "progress": 100})));
}

#[tokio::test]
async fn a_decision_is_sent_when_it_can_count_and_refused_with_the_reason_when_not() {
    let approved = || {
        let mut order = waiting();
        order.approve();
        order
    };
    let cancelled = || {
        let mut order = waiting();
        order.cancel(None);
        order
    };
    let table: [(Order, &str, u16, &str); 15] = [
        (waiting(), "approve", 200, ""),
        (waiting(), "reject", 200, ""),
        (waiting(), "cancel", 200, ""),
        (approved(), "approve", 409, "already_decided"),
        (approved(), "reject", 409, "already_decided"),
        (approved(), "cancel", 200, ""),
        (cancelled(), "approve", 409, "order_already_cancelling"),
        (cancelled(), "cancel", 409, "order_already_cancelling"),
        (Order::new("1", false), "approve", 409, "approval_not_required"),
        (Order::new("1", false), "cancel", 200, ""),
        (labelled(), "cancel", 409, "order_already_shipped"),
        (shipped(), "cancel", 409, "order_already_shipped"),
        (compensating(FailureCode::OutOfStock), "cancel", 409, "order_already_closed"),
        (ended(FailureCode::OutOfStock), "cancel", 409, "order_already_closed"),
        (ended(FailureCode::OutOfStock), "approve", 409, "order_already_closed"),
    ];
    for (order, what, status, code) in table {
        let gateway = Script::with(order.clone());
        assert_eq!(tell(&gateway, what).await, (status, code.to_owned()), "{what} {order:?}");
        assert_eq!(gateway.signals.lock().unwrap().len(), usize::from(status == 200), "{what} {order:?}");
    }
}

#[tokio::test]
async fn a_decision_that_came_second_is_not_called_accepted() {
    let gateway = Arc::new(Script { order: Mutex::new(Some(waiting())), deaf: true, ..Script::default() });
    assert_eq!(tell(&gateway, "approve").await.0, 409);
    assert_eq!(tell(&gateway, "cancel").await.0, 409);
}

#[tokio::test]
async fn a_reason_is_handed_on_and_a_bad_one_refused() {
    let gateway = Script::with(waiting());
    let path = "/api/v1/order/order-fulfillment-1/reject";
    assert_eq!(post(&gateway, path, r#"{"reason":7}"#).await.0, 422);
    assert_eq!(post(&gateway, path, r#"{"reason":"too dear"}"#).await.0, 200);
    let reason = Reason { reason: Some("too dear".to_owned()) };
    assert_eq!(*gateway.signals.lock().unwrap(), [OrderSignal::Reject(reason)]);
}

/// An order that is being undone, and whose refund has come as far as this.
fn refunding(status: CompensationStatus) -> Order {
    let mut order = compensating(FailureCode::OutOfStock);
    let compensation = Compensation::RefundPayment;
    match status {
        CompensationStatus::Running => order.compensation_runs(compensation, ""),
        _ => order.compensation(Ran { compensation, status, attempts: 1, error: None }, ""),
    }
    if status == CompensationStatus::Failed {
        order.compensation_failed();
    }
    order
}

#[tokio::test]
async fn only_a_compensation_that_is_not_done_can_be_resolved_by_hand() {
    let path = "/api/v1/order/order-fulfillment-1/resolve-compensation";
    let body = r#"{"step":"refund_payment","note":"by hand","actor":"ops"}"#;
    for (status, answer) in [
        (CompensationStatus::Running, 200),
        (CompensationStatus::Waiting, 200),
        (CompensationStatus::Failed, 200),
        (CompensationStatus::Completed, 409),
        (CompensationStatus::NothingToUndo, 409),
        (CompensationStatus::Resolved, 409),
    ] {
        assert_eq!(post(&Script::with(refunding(status)), path, body).await.0, answer, "{status:?}");
    }
    let (status, problem) = post(&Script::with(compensating(FailureCode::OutOfStock)), path, body).await;
    assert_eq!((status, &problem["error"]), (409, &json!("nothing_to_compensate")));
    let failed = Script::with(refunding(CompensationStatus::Failed));
    let (status, problem) = post(&failed, path, r#"{"step":"refund","note":"x","actor":"y"}"#).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/step")));
}

#[tokio::test]
async fn a_resolution_that_came_too_late_is_not_said_to_count() {
    let path = "/api/v1/order/order-fulfillment-1/resolve-compensation";
    let body = r#"{"step":"refund_payment","note":"by hand","actor":"ops"}"#;
    let order = Mutex::new(Some(refunding(CompensationStatus::Running)));
    let late = Arc::new(Script { order, deaf: true, ..Script::default() });
    let (status, problem) = post(&late, path, body).await;
    assert_eq!((status, late.signals.lock().unwrap().len()), (409, 1), "{problem}");
}

#[tokio::test]
async fn only_what_waits_can_be_tried_again_at_once() {
    let retry = async |order: Order| tell(&Script::with(order), "retry-compensation").await;
    for status in [CompensationStatus::Waiting, CompensationStatus::Failed] {
        assert_eq!(retry(refunding(status)).await.0, 200, "{status:?}");
    }
    for order in [
        refunding(CompensationStatus::Running),
        refunding(CompensationStatus::Completed),
        compensating(FailureCode::OutOfStock),
        shipped(),
    ] {
        assert_eq!(retry(order).await.1, "nothing_to_compensate");
    }
}

#[tokio::test]
async fn a_list_hands_on_its_page_token_and_exact_totals() {
    let gateway = Arc::new(Script::default());
    let (status, body) =
        get(&gateway, "/api/v1/orders?status=shipped&customerId=c-1&minTotal=10.50&limit=1").await;
    assert_eq!((status, &body["orders"][0]["totalAmount"]), (200, &json!(59.90)));
    let token = body["nextPageToken"].as_str().unwrap();
    let (status, body) = get(&gateway, &format!("/api/v1/orders?pageToken={token}")).await;
    assert_eq!((status, body.get("nextPageToken")), (200, None));
}

#[tokio::test]
async fn no_text_of_a_caller_reaches_a_visibility_query() {
    let gateway = Arc::new(Script::default());
    for query in [
        "customerId=x%27%20OR%201=1",
        "customerId=%22",
        "customerId=%5C",
        "customerId=%EF%BC%87",
        "status=shipped%27",
        "minTotal=1%20OR%201",
        "maxTotal=1e5",
        "limit=0",
        "limit=101",
        "pageToken=%27",
    ] {
        let (status, body) = get(&gateway, &format!("/api/v1/orders?{query}")).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{query}");
    }
    assert!(gateway.lists.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_events_of_an_ended_order_are_its_final_state() {
    let (app, _) = router(Script::with(shipped()));
    let request = Request::get("/api/v1/order/order-fulfillment-1/events").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let text = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let version = shipped().state().version;
    assert!(text.starts_with("event: state\n") && text.contains(&format!("id: {version}\n")), "{text}");
    assert_eq!(text.matches("event: state").count(), 1);
    assert!(text.contains(r#""status":"shipped""#));
}
