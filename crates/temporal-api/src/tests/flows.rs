//! Tests payments, user contexts, and any workflow by its id, over the scripted gateway.

use super::*;

const PAYMENT: &str = r#"{"orderId":"1","amount":5998,"currency":"usd","source":"tok_visa"}"#;

#[tokio::test]
async fn workflows_of_a_kind_are_listed() {
    let gateway = Arc::new(Script::default());
    let (status, body) = get(&gateway, "/api/v1/workflows?kind=payments").await;
    let listed = &body["workflows"][0];
    assert_eq!(
        (status, &listed["workflowId"], &listed["status"]),
        (200, &json!("payment-1"), &json!("running"))
    );
    let next = body["nextPageToken"].as_str().unwrap();
    let (_, body) = get(&gateway, &format!("/api/v1/workflows?kind=payments&pageToken={next}")).await;
    assert_eq!(body.get("nextPageToken"), None);
}

#[tokio::test]
async fn a_list_of_workflows_has_a_kind() {
    for query in ["", "?kind=", "?kind=invoices"] {
        let (status, body) = get(&Arc::new(Script::default()), &format!("/api/v1/workflows{query}")).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{query}");
        assert!(body["detail"].as_str().unwrap().contains("user-contexts"));
    }
}

#[tokio::test]
async fn a_payment_is_started_under_its_order_and_the_callers_correlation_id() {
    let gateway = Arc::new(Script::default());
    let body = PAYMENT.replace('}', r#","correlationId":"corr-1"}"#);
    let (status, body) = post(&gateway, "/api/v1/workflows/payment", &body).await;
    assert_eq!(status, 202);
    assert_eq!(
        body,
        json!({
            "success": true, "workflowId": "payment-1", "runId": "run-1", "correlationId": "corr-1",
            "message": "the payment is on its way"
        })
    );
    let started = gateway.payments.lock().unwrap();
    let (id, input, correlation) = &started[0];
    assert_eq!((id.as_str(), correlation.as_str()), ("payment-1", "corr-1"));
    assert_eq!(
        (input.amount, input.cancel_window_ms, input.correlation_id.as_str()),
        (5998, 60_000, "corr-1")
    );
}

#[tokio::test]
async fn a_payment_for_no_order_is_named_by_its_correlation_id_and_found_by_its_location() {
    let gateway = Script::with_payment(Payment::new("a/b", 5998, "usd"));
    let request = Request::post("/api/v1/workflows/payment")
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-correlation-id", "a/b")
        .body(Body::from(PAYMENT.replace(r#""orderId":"1","#, "")))
        .unwrap();
    let response = router(gateway.clone()).0.oneshot(request).await.unwrap();
    let location = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert_eq!(location, "/api/v1/workflows/payment-a%2Fb/status");
    let (status, body) = get(&gateway, &location).await;
    assert_eq!((status, &body["workflowId"]), (200, &json!("payment-a/b")));
}

#[tokio::test]
async fn bad_payments_start_nothing() {
    let gateway = Arc::new(Script::default());
    for (from, to) in [("5998", "0"), ("5998", "59.98"), ("usd", "yen"), ("tok_visa", ""), (r#""1""#, "7")] {
        let (status, _) = post(&gateway, "/api/v1/workflows/payment", &PAYMENT.replace(from, to)).await;
        assert_eq!(status, 422, "{from} -> {to}");
    }
    assert!(gateway.payments.lock().unwrap().is_empty());
    let exists = Script::failing(|| GatewayError::AlreadyExists { run_id: None });
    let (status, body) = post(&exists, "/api/v1/workflows/payment", PAYMENT).await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_exists")));
}

#[tokio::test]
async fn a_user_context_needs_no_body_and_knows_its_strategies() {
    let gateway = Arc::new(Script::default());
    let path = "/api/v1/workflows/user-context";
    let (status, body) = send(&gateway, Request::post(path).body(Body::empty()).unwrap()).await;
    assert_eq!(status, 202);
    let correlation = body["correlationId"].as_str().unwrap();
    assert_eq!(body["workflowId"], json!(format!("user-context-{correlation}")));
    let (status, _) = post(&gateway, path, r#"{"userId":"ada","strategy":"sequential"}"#).await;
    assert_eq!(status, 202);
    for (user, name) in
        ["RxJS", "PARALLEL", "promise-allsettled", "stream", "async-sequential"].iter().enumerate()
    {
        let body = format!(r#"{{"userId":"user-{user}","strategy":"{name}"}}"#);
        assert_eq!(post(&gateway, path, &body).await.0, 202, "{name}");
    }
    let (status, body) = post(&gateway, path, r#"{"strategy":"rx"}"#).await;
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert_eq!(status, 422);
    assert!(message.starts_with("must be one of parallel, sequential, rxjs"), "{message}");
    let started = gateway.user_contexts.lock().unwrap();
    let strategies: Vec<_> = started.iter().map(|(_, input, _)| input.strategy).collect();
    let (parallel, sequential) = (Strategy::Parallel, Strategy::Sequential);
    assert_eq!(strategies, [parallel, sequential, parallel, parallel, parallel, parallel, sequential]);
    assert_eq!(started[1].0.as_str(), "user-context-ada");
}

fn asked() -> Payment {
    let mut payment = Payment::new("1", 5998, "usd");
    payment.start_charge();
    payment
}

fn charged() -> Payment {
    let mut payment = asked();
    let answer = Charged { charge_id: "ch_1".to_owned(), auth_id: "auth_1".to_owned(), attempt: 2 };
    payment.record_charge(&answer, "2026-11-23T12:00:00.000Z");
    payment
}

fn settled() -> Payment {
    let mut payment = charged();
    payment.close_cancel_window();
    payment
}

fn given_back() -> Payment {
    let mut payment = charged();
    payment.cancel(None);
    payment.start_compensation(payment::Cause::new(PaymentFailure::Internal, "never seen"));
    let (compensation, status) = (Compensation::RefundCharge, CompensationStatus::Completed);
    payment.record_compensation(CompensationOutcome { compensation, status, attempts: 1, error: None }, "");
    payment.finish(&Saga::default());
    payment
}

fn informed() -> UserContext {
    let mut context = UserContext::new(Some("ada".to_owned()), Strategy::Parallel);
    context.record_cat_fact(CatFact {
        fact: "Cats sleep a lot.".to_owned(),
        source: "catfact.ninja".to_owned(),
    });
    context
}

fn complete() -> UserContext {
    let mut context = informed();
    context.record_failure(Part::Location, "rate limited");
    context.record_skip(Part::Weather, "location unavailable");
    context.finish().unwrap();
    context
}

#[tokio::test]
async fn every_kind_of_workflow_shows_state_progress_and_result_by_its_id() {
    let order = Script::with(shipped());
    let payment = Script::with_payment(settled());
    let context = Script::with_user_context(complete());
    let table = [
        (
            &order,
            "order-fulfillment-1",
            json!("shipped"),
            json!({"success": true, "workflowId": "order-fulfillment-1", "progress": 100}),
        ),
        (&payment, "payment-1", json!("succeeded"), Value::Null),
        (
            &context,
            "user-context-ada",
            json!("completed"),
            json!({
                "success": true, "workflowId": "user-context-ada", "location": false, "weather": false,
                "catFact": true, "completed": true
            }),
        ),
    ];
    for (gateway, id, expected, progress) in table {
        for what in ["status", "result"] {
            let (status, body) = get(gateway, &format!("/api/v1/workflows/{id}/{what}")).await;
            assert_eq!((status, &body["success"], &body["status"]), (200, &json!(true), &expected), "{id}");
        }
        let (status, body) = get(gateway, &format!("/api/v1/workflows/{id}/progress")).await;
        assert_eq!(status, 200);
        if progress.is_null() {
            assert_eq!((&body["status"], &body["attempts"]), (&json!("succeeded"), &json!(2)));
        } else {
            assert_eq!(body, progress, "{id}");
        }
    }
}

#[tokio::test]
async fn a_context_names_what_it_lacks() {
    let (_, body) =
        get(&Script::with_user_context(complete()), "/api/v1/workflows/user-context-ada/result").await;
    assert_eq!((&body["location"], &body["weather"]), (&Value::Null, &Value::Null));
    assert_eq!(
        body["errors"],
        json!(["location failed: rate limited", "weather skipped: location unavailable"])
    );
    assert_eq!(body["catFact"], json!({"fact": "Cats sleep a lot.", "source": "catfact.ninja"}));
}

#[tokio::test]
async fn a_result_that_is_not_there_yet_is_202_and_one_that_was_not_wanted_no_success() {
    let path = "/api/v1/workflows/payment-1/result?timeout=1";
    let (status, body) = get(&Script::with_payment(asked()), path).await;
    assert_eq!((status, &body["status"], body.get("success")), (202, &json!("processing"), None));
    let (status, body) = get(&Script::with_payment(charged()), path).await;
    assert_eq!((status, &body["success"], &body["cancellable"]), (200, &json!(true), &json!(true)));
    assert_eq!(body["chargeId"], "ch_1");
    let (status, body) = get(&Script::with_payment(charged()), &format!("{path}&wait=close")).await;
    assert_eq!((status, &body["status"], body.get("success")), (202, &json!("succeeded"), None));
    let (status, body) = get(&Script::with_payment(charged()), &format!("{path}&wait=forever")).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_query")));
    let (status, body) =
        get(&Script::with_user_context(informed()), &path.replace("payment-1", "user-context-ada")).await;
    assert_eq!((status, &body["status"], body.get("success")), (202, &json!("running"), None));
    let (status, body) = get(&Script::with_payment(given_back()), path).await;
    assert_eq!((status, &body["success"], &body["status"]), (200, &json!(false), &json!("compensated")));
    assert_eq!(body["error"]["code"], "PAYMENT_CANCELLED");
    assert_eq!(body["compensations"][0]["name"], "refund_charge");
}

#[tokio::test]
async fn an_id_that_no_workflow_can_have_or_has_is_unknown() {
    let gateway = Arc::new(Script::default());
    for id in
        ["1", "payment-", "user-context-", "refund-1", "order-fulfillment-a%27b", "payment-%00", "payment-1"]
    {
        for what in ["status", "progress", "result"] {
            let (status, body) = get(&gateway, &format!("/api/v1/workflows/{id}/{what}")).await;
            assert_eq!((status, &body["error"]), (404, &json!("workflow_not_found")), "{id}");
        }
    }
}

#[tokio::test]
async fn a_cancellation_is_the_signal_of_its_kind_and_refused_where_it_changes_nothing() {
    let cancelling = || {
        let mut payment = charged();
        payment.cancel(None);
        payment
    };
    let stopping = || {
        let mut context = informed();
        context.cancel(None);
        context
    };
    let table = [
        (Script::with_payment(charged()), "payment-1", 200, ""),
        (Script::with_payment(cancelling()), "payment-1", 409, "workflow_already_cancelling"),
        (Script::with_payment(settled()), "payment-1", 409, "workflow_already_closed"),
        (Script::with_payment(given_back()), "payment-1", 409, "workflow_already_closed"),
        (Script::with_user_context(informed()), "user-context-ada", 200, ""),
        (Script::with_user_context(stopping()), "user-context-ada", 409, "workflow_already_cancelling"),
        (Script::with_user_context(complete()), "user-context-ada", 409, "workflow_already_closed"),
        (Script::with(waiting()), "order-fulfillment-1", 200, ""),
        (Script::with(shipped()), "order-fulfillment-1", 409, "order_already_shipped"),
        (Arc::new(Script::default()), "payment-1", 404, "workflow_not_found"),
    ];
    for (gateway, id, status, code) in table {
        let path = format!("/api/v1/workflows/{id}/cancel");
        let (got, body) = send(&gateway, Request::post(path).body(Body::empty()).unwrap()).await;
        assert_eq!((got, body["error"].as_str().unwrap_or_default()), (status, code), "{id}");
    }
}

#[tokio::test]
async fn a_payment_that_settled_in_between_is_not_called_cancelled() {
    let gateway = Arc::new(Script { payment: Mutex::new(Some(charged())), deaf: true, ..Script::default() });
    let (status, body) = post(&gateway, "/api/v1/workflows/payment-1/cancel", "{}").await;
    assert_eq!((status, &body["error"]), (409, &json!("workflow_already_closed")));
}

#[tokio::test]
async fn a_history_comes_page_by_page() {
    let gateway = Arc::new(Script::default());
    let path = "/api/v1/workflows/payment-1/history";
    let (status, body) = get(&gateway, &format!("{path}?limit=7")).await;
    let event = json!({"id": 7, "type": "ActivityTaskScheduled", "timestamp": null, "name": "processPaymentActivity"});
    assert_eq!((status, &body["events"]), (200, &json!([event])));
    let token = body["nextPageToken"].as_str().unwrap();
    let (_, body) = get(&gateway, &format!("{path}?pageToken={token}")).await;
    assert_eq!(body.get("nextPageToken"), None);
    for query in ["limit=0", "limit=1001", "limit=x", "pageToken=%27", "pageToken=c3RyYW5nZQ"] {
        let (status, body) = get(&gateway, &format!("{path}?{query}")).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_query")), "{query}");
    }
}

#[tokio::test]
async fn a_payment_or_a_user_context_that_was_ended_from_outside_is_closed() {
    let payment = Script::with_payment(charged()).ended(Outside::Terminated);
    let context = Script::with_user_context(informed()).ended(Outside::TimedOut);
    for (gateway, id, name) in
        [(&payment, "payment-1", "terminated"), (&context, "user-context-ada", "timed_out")]
    {
        let path = format!("/api/v1/workflows/{id}");
        for what in ["result?timeout=1", "result?timeout=1&wait=close"] {
            let (status, body) = get(gateway, &format!("{path}/{what}")).await;
            assert_eq!(
                (status, &body["success"], &body["status"]),
                (200, &json!(false), &json!(name)),
                "{what}"
            );
        }
        let (status, body) = get(gateway, &format!("{path}/status")).await;
        assert_eq!((status, &body["runId"], &body["status"]), (200, &json!("run-1"), &json!(name)));
        assert!(body["startTime"].is_string() && body["closeTime"].is_string(), "{body}");
        let (status, body) = post(gateway, &format!("{path}/cancel"), "{}").await;
        assert_eq!((status, &body["error"]), (409, &json!("workflow_already_closed")));
    }
    let (_, body) = get(&context, "/api/v1/workflows/user-context-ada/progress").await;
    assert_eq!((&body["catFact"], &body["completed"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn a_start_sent_again_under_its_key_gets_the_first_answer_again() {
    let gateway = Arc::new(Script::default());
    let path = "/api/v1/workflows/payment";
    let (status, first, replayed) = post_keyed(&gateway, path, &["k-1"], PAYMENT).await;
    assert_eq!((status, replayed), (202, false));
    let (status, again, replayed) =
        post_keyed(&gateway, path, &["k-1"], &PAYMENT.replace("5998", "5998.0")).await;
    assert_eq!((status, replayed), (202, true));
    assert_eq!((&again["runId"], &again["workflowId"]), (&first["runId"], &first["workflowId"]));
    // The correlation id is that of the first request, even if this request has another.
    assert_eq!(again["correlationId"], "the-first");
    // All endpoints share one set of keys.
    let (status, problem, _) = post_keyed(&gateway, "/api/v1/workflows/user-context", &["k-1"], "{}").await;
    assert_eq!((status, &problem["error"]), (409, &json!("idempotency_key_reused")));
    let (status, problem) = post(&gateway, path, PAYMENT).await;
    assert_eq!((status, &problem["error"]), (409, &json!("workflow_already_exists")));
}

#[tokio::test]
async fn a_payment_that_only_its_key_names_is_the_same_workflow_each_time() {
    let gateway = Arc::new(Script::default());
    let body = PAYMENT.replace(r#""orderId":"1","#, "");
    let (_, first, _) = post_keyed(&gateway, "/api/v1/workflows/payment", &["k-1"], &body).await;
    let (_, again, replayed) = post_keyed(&gateway, "/api/v1/workflows/payment", &["k-1"], &body).await;
    let (_, other, _) = post_keyed(&gateway, "/api/v1/workflows/payment", &["k-2"], &body).await;
    assert!(replayed);
    assert_eq!(first["workflowId"], again["workflowId"]);
    assert_ne!(first["workflowId"], other["workflowId"]);
    let started = gateway.payments.lock().unwrap();
    assert_eq!(format!("payment-{}", started[0].1.order_id), first["workflowId"].as_str().unwrap());
}
