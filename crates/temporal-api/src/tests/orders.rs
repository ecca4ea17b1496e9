//! Tests orders over the scripted gateway.

use super::*;

/// Posts to one of the order's paths without a body.
async fn decide(gateway: &Arc<Script>, what: &str) -> (u16, String) {
    let path = format!("/api/v1/order/order-fulfillment-1/{what}");
    let (status, body) = send(gateway, Request::post(path).body(Body::empty()).unwrap()).await;
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

pub(super) fn order() -> Value {
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
    order.start_step(CurrentStep::CapturingPayment);
    order.start_compensation(Cause::new(code, "as the test wants it"));
    order
}

fn ended(code: FailureCode) -> Order {
    let mut order = compensating(code);
    order.finish(&Saga::default());
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
    assert_eq!((status, body.get("success"), &body["status"]), (202, None, &json!("pending_approval")));
    assert_eq!(get(&Script::with(waiting()), &path.replace("=1", "=soon")).await.0, 400);
}

#[tokio::test]
async fn progress_is_the_states_own() {
    let (status, body) = get(&Script::with(shipped()), "/api/v1/order/order-fulfillment-1/progress").await;
    let id = "order-fulfillment-1";
    assert_eq!((status, body), (200, json!({"success": true, "workflowId": id, "progress": 100})));
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
        assert_eq!(decide(&gateway, what).await, (status, code.to_owned()), "{what} {order:?}");
        assert_eq!(gateway.signals.lock().unwrap().len(), usize::from(status == 200), "{what} {order:?}");
    }
}

#[tokio::test]
async fn a_decision_that_came_second_is_not_called_accepted() {
    let gateway = Arc::new(Script { order: Mutex::new(Some(waiting())), deaf: true, ..Script::default() });
    assert_eq!(decide(&gateway, "approve").await.0, 409);
    assert_eq!(decide(&gateway, "cancel").await.0, 409);
}

#[tokio::test]
async fn a_reason_is_handed_on_and_a_bad_one_refused() {
    let gateway = Script::with(waiting());
    let path = "/api/v1/order/order-fulfillment-1/reject";
    assert_eq!(post(&gateway, path, r#"{"reason":7}"#).await.0, 422);
    assert_eq!(post(&gateway, path, r#"{"reason":"too dear"}"#).await.0, 200);
    let reason = Reason { reason: Some("too dear".to_owned()), actor: None };
    assert_eq!(*gateway.signals.lock().unwrap(), [OrderSignal::Reject(reason)]);
}

/// Returns an order in compensation, with its refund at this step.
pub(super) fn refunding(status: CompensationStatus) -> Order {
    let mut order = compensating(FailureCode::OutOfStock);
    let compensation = Compensation::RefundPayment;
    match status {
        CompensationStatus::Running => order.start_undo(compensation, ""),
        _ => order
            .record_compensation(CompensationOutcome { compensation, status, attempts: 1, error: None }, ""),
    }
    if status == CompensationStatus::Failed {
        order.enter_compensation_failed();
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
    let retry = async |order: Order| decide(&Script::with(order), "retry-compensation").await;
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
    let order = &body["orders"][0];
    assert_eq!((status, &order["totalAmount"], &order["currency"]), (200, &json!(59.90), &json!("usd")));
    assert_eq!(order["status"], json!("terminated"));
    let token = body["nextPageToken"].as_str().unwrap();
    let (status, body) = get(&gateway, &format!("/api/v1/orders?pageToken={token}")).await;
    assert_eq!((status, body.get("nextPageToken")), (200, None));
    let order = &body["orders"][0];
    assert_eq!((&order["totalAmount"], &order["currency"]), (&json!(5990), &json!("jpy")));
    let (status, _) = get(&gateway, "/api/v1/orders?status=timed_out").await;
    assert_eq!(status, 200);
    let filters = gateway.lists.lock().unwrap();
    assert_eq!(filters[2].status, Some(Shown::Outside(Outside::TimedOut)));
}

#[tokio::test]
async fn orders_are_counted_by_status_within_a_filter() {
    let gateway = Arc::new(Script::default());
    let query = "customerId=c-1&startedAfter=2026-05-01T12:00:00Z";
    let (status, body) = get(&gateway, &format!("/api/v1/orders/counts?{query}")).await;
    assert_eq!((status, &body["total"]), (200, &json!(1)));
    let statuses = body["statuses"].as_object().unwrap();
    assert_eq!((&statuses["terminated"], &statuses["shipped"]), (&json!(1), &json!(0)));
    assert_eq!(statuses.len(), Shown::all().count());
    let started = SystemTime::UNIX_EPOCH + Duration::from_hours(493_788);
    let filters = gateway.lists.lock().unwrap();
    assert!(filters.iter().all(|filter| filter.started_after == Some(started) && filter.customer.is_some()));
}

#[tokio::test]
async fn a_start_of_an_order_list_is_a_time() {
    let gateway = Arc::new(Script::default());
    for strange in ["yesterday", "2026-05-01", "-1"] {
        let (status, body) = get(&gateway, &format!("/api/v1/orders?startedBefore={strange}")).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{strange}");
    }
    assert!(gateway.lists.lock().unwrap().is_empty());
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
    assert!(text.starts_with("event: state\n") && text.contains(&format!("id: run-1:{version}\n")), "{text}");
    assert_eq!(text.matches("event: state").count(), 1);
    assert!(text.contains(r#""status":"shipped""#));
}

#[tokio::test]
async fn an_order_that_was_ended_from_outside_is_that_whatever_its_workflow_last_said() {
    for (outside, name) in [(Outside::Terminated, "terminated"), (Outside::TimedOut, "timed_out")] {
        let gateway = Script::with(waiting()).ended(outside);
        let path = "/api/v1/order/order-fulfillment-1";
        let (status, body) = get(&gateway, &format!("{path}/status")).await;
        assert_eq!((status, &body["status"], &body["runId"]), (200, &json!(name), &json!("run-1")));
        assert_eq!(body["startTime"], json!("2023-11-14T22:13:20.000Z"));
        assert_eq!(body["closeTime"], json!("2023-11-14T22:14:20.000Z"));
        let (status, body) = get(&gateway, &format!("{path}/result?timeout=1")).await;
        assert_eq!((status, &body["success"], &body["status"]), (200, &json!(false), &json!(name)));
        for what in ["approve", "reject", "cancel", "retry-compensation"] {
            assert_eq!(decide(&gateway, what).await, (409, "order_already_closed".to_owned()), "{what}");
        }
        assert!(gateway.signals.lock().unwrap().is_empty());
        let text = events(&gateway, None).await.1;
        assert_eq!(text.matches("event: state").count(), 1, "{text}");
        assert!(text.contains(&format!(r#""status":"{name}""#)), "{text}");
    }
    // The order also had its label: it accepts no signal.
    let gateway = Script::with(labelled()).ended(Outside::Terminated);
    assert_eq!(decide(&gateway, "cancel").await.1, "order_already_closed");
}

async fn events(gateway: &Arc<Script>, last: Option<&str>) -> (u16, String) {
    let mut request = Request::get("/api/v1/order/order-fulfillment-1/events");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = router(gateway.clone()).0.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_caller_who_saw_the_final_state_of_this_run_gets_nothing_more() {
    let gateway = Script::with(shipped());
    let version = shipped().state().version;
    assert_eq!(events(&gateway, Some(&format!("run-1:{version}"))).await, (204, String::new()));
    let older = format!("run-1:{}", version - 1);
    let another = format!("run-0:{version}");
    for last in [&older, &another, &version.to_string(), "strange", ""] {
        let (status, text) = events(&gateway, Some(last)).await;
        assert_eq!((status, text.matches("event: state").count()), (200, 1), "{last}: {text}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_order_is_no_longer_known() {
    let gateway = Script::with(waiting());
    let forgetful = gateway.clone();
    let streaming = tokio::spawn(async move { events(&gateway, None).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    *forgetful.order.lock().unwrap() = None;
    let ended = tokio::time::timeout(Duration::from_secs(5), streaming).await.expect("an end");
    let (status, text) = ended.unwrap();
    assert_eq!((status, text.matches("event: state").count()), (200, 1), "{text}");
}

#[tokio::test]
async fn no_more_requests_stay_open_than_there_are_places() {
    let (app, _) = router(Script::with(waiting()));
    let ask = |what: &str| {
        let path = format!("/api/v1/order/order-fulfillment-1/{what}");
        app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap())
    };
    let first = ask("events").await.unwrap();
    let second = ask("events").await.unwrap();
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    for what in ["events", "result?timeout=1"] {
        let refused = ask(what).await.unwrap();
        assert_eq!(refused.status().as_u16(), 503);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        let body = refused.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["error"], "too_many_waiting");
    }
    // A request that does not stay open needs no place.
    assert_eq!(ask("status").await.unwrap().status().as_u16(), 200);
    let text = |app: &Router| app.clone().oneshot(Request::get("/metrics").body(Body::empty()).unwrap());
    let metrics = text(&app).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&metrics).contains("waiting_requests 2"));
    drop((first, second));
    assert_eq!(ask("result?timeout=0").await.unwrap().status().as_u16(), 202);
}

#[tokio::test]
async fn an_order_sent_again_under_its_key_gets_the_first_answer_again() {
    let gateway = Arc::new(Script::default());
    let body = order().to_string();
    let (status, first, replayed) = post_keyed(&gateway, "/api/v1/order", &["k-1"], &body).await;
    assert_eq!((status, replayed), (201, false));
    let respelt = body.replace("59.98", "5.998e1");
    assert_eq!(post_keyed(&gateway, "/api/v1/order", &["k-1"], &respelt).await, (201, first, true));
    let other = body.replace("ada@", "grace@");
    let (status, problem, _) = post_keyed(&gateway, "/api/v1/order", &["k-1"], &other).await;
    assert_eq!((status, &problem["error"]), (409, &json!("idempotency_key_reused")));
    assert_eq!(problem["workflowId"], json!("order-fulfillment-1"));
    assert_eq!(gateway.started.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_order_without_its_key_was_placed_already_and_another_one_is_a_conflict() {
    let gateway = Arc::new(Script::default());
    let body = order().to_string();
    assert_eq!(post(&gateway, "/api/v1/order", &body).await.0, 201);
    let (status, again) = post(&gateway, "/api/v1/order", &body).await;
    assert_eq!(status, 200);
    assert_eq!(
        again,
        json!({
            "success": true, "workflowId": "order-fulfillment-1", "runId": "run-1", "orderId": "1",
            "status": "approved", "alreadyPlaced": true
        })
    );
    let (status, problem) = post(&gateway, "/api/v1/order", &body.replace("62701", "62702")).await;
    assert_eq!((status, &problem["error"]), (409, &json!("order_already_exists")));
}

#[tokio::test]
async fn a_key_that_is_none_or_that_is_there_twice_is_refused_and_starts_nothing() {
    let gateway = Arc::new(Script::default());
    let long = "k".repeat(256);
    for keys in [vec![""], vec!["two words"], vec![&long], vec!["a", "a"], vec!["a", "b"]] {
        let table = [
            ("/api/v1/order", order().to_string()),
            ("/api/v1/workflows/payment", r#"{"amount":1,"currency":"usd","source":"tok"}"#.to_owned()),
            ("/api/v1/workflows/user-context", "{}".to_owned()),
        ];
        for (path, body) in table {
            let (status, problem, _) = post_keyed(&gateway, path, &keys, &body).await;
            assert_eq!((status, &problem["error"]), (400, &json!("invalid_header")), "{path} {keys:?}");
        }
    }
    assert!(gateway.claims.lock().unwrap().is_empty());
}

const ADDRESS_PATH: &str = "/api/v1/order/order-fulfillment-1/shipping-address";

async fn change_address(gateway: &Arc<Script>, address: &Value) -> (u16, Value) {
    let request = Request::put(ADDRESS_PATH).header(header::CONTENT_TYPE, "application/json");
    send(gateway, request.body(address.to_string().into()).unwrap()).await
}

fn new_address() -> Value {
    json!({"street": "2 Side St", "city": "Wien", "zip": "1010", "country": "AT"})
}

#[tokio::test]
async fn an_address_changes_until_the_label_is_asked_for() {
    let asked_for_label = || {
        let mut order = waiting();
        order.start_step(CurrentStep::CreatingShippingLabel);
        order
    };
    let cancelled = || {
        let mut order = waiting();
        order.cancel(None);
        order
    };
    let table: [(Order, u16, &str); 6] = [
        (waiting(), 200, ""),
        (asked_for_label(), 409, "shipping_label_requested"),
        (shipped(), 409, "shipping_label_requested"),
        (cancelled(), 409, "order_already_cancelling"),
        (compensating(FailureCode::OutOfStock), 409, "order_already_closed"),
        (ended(FailureCode::OutOfStock), 409, "order_already_closed"),
    ];
    for (order, status, code) in table {
        let gateway = Script::with(order.clone());
        let (got, body) = change_address(&gateway, &new_address()).await;
        assert_eq!((got, body["error"].as_str().unwrap_or_default()), (status, code), "{order:?}");
        assert_eq!(gateway.addresses.lock().unwrap().len(), usize::from(status == 200), "{order:?}");
    }
}

#[tokio::test]
async fn an_address_that_the_order_has_already_is_no_change() {
    let gateway = Script::with(waiting());
    let (_, first) = change_address(&gateway, &new_address()).await;
    let (status, second) = change_address(&gateway, &new_address()).await;
    assert_eq!((status, &first["message"]), (200, &json!("the order ships to the new address")));
    assert_eq!(second["message"], json!("the order ships to this address already"));
}

#[tokio::test]
async fn every_fault_of_a_new_address_is_reported() {
    let gateway = Script::with(waiting());
    let (status, body) = change_address(&gateway, &json!({"street": "", "country": "AT", "post": 1})).await;
    let pointers: Vec<_> =
        body["errors"].as_array().unwrap().iter().filter_map(|fault| fault["pointer"].as_str()).collect();
    assert_eq!((status, pointers), (422, vec!["/post", "/street", "/city", "/zip"]));
    assert!(gateway.addresses.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_address_of_an_unknown_order_is_404() {
    let (status, body) = change_address(&Arc::new(Script::default()), &new_address()).await;
    assert_eq!((status, &body["error"]), (404, &json!("order_not_found")));
}

#[tokio::test]
async fn the_key_of_an_update_is_handed_on_with_its_body() {
    let gateway = Script::with(waiting());
    let address = new_address();
    let keyed = Request::put(ADDRESS_PATH)
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", "k-1");
    let request = keyed.body(address.to_string().into()).unwrap();
    assert_eq!(send(&gateway, request).await.0, 200);
    let updates = gateway.updates.lock().unwrap();
    assert!(updates[0].key.is_some());
}
