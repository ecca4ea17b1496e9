//! The API over a scripted gateway: what comes in, what goes out, without a server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use service_kit::{
    config::{Common, Reader},
    correlation::CorrelationId,
    health::Dependency,
};
use tower::ServiceExt;
use workflows::{
    activities::{payment::Charged, user_context::CatFact},
    order_fulfillment::{
        messages::OrderInput,
        progress::{Cause, CurrentStep, FailureCode, Order, OrderState},
    },
    payment::{
        messages::PaymentInput,
        progress::{self as payment, Payment, PaymentFailure, PaymentState},
    },
    policies::Timing,
    saga::{Compensation, CompensationStatus, Ran, Reason, Saga},
    user_context::{
        messages::{Strategy, UserContextInput},
        progress::{Part, UserContext, UserContextState},
    },
};

use crate::{
    Services,
    gateway::{
        Awaited, FlowGateway, GatewayError, HistoryEvent, HistoryGateway, HistoryPage, ListedOrder,
        OrderFilter, OrderGateway, OrderPage, OrderSignal, PaymentFlow, Started, UserContextFlow, WorkflowId,
    },
    order::Orders,
    payment::Payments,
    user_context::UserContexts,
};

/// Answers every question about any workflow of a kind with one state, and remembers what it was told. A
/// signal moves the state on as the real workflow would.
#[derive(Default)]
struct Script {
    order: Mutex<Option<Order>>,
    payment: Mutex<Option<Payment>>,
    user_context: Mutex<Option<UserContext>>,
    payments: Mutex<Vec<(WorkflowId, PaymentInput, CorrelationId)>>,
    user_contexts: Mutex<Vec<(WorkflowId, UserContextInput, CorrelationId)>>,
    failure: Mutex<Option<fn() -> GatewayError>>,
    started: Mutex<Vec<OrderInput>>,
    signals: Mutex<Vec<OrderSignal>>,
    lists: Mutex<Vec<OrderFilter>>,
    deaf: bool,
}

impl Script {
    fn with(order: Order) -> Arc<Self> {
        Arc::new(Self { order: Mutex::new(Some(order)), ..Self::default() })
    }

    fn with_payment(payment: Payment) -> Arc<Self> {
        Arc::new(Self { payment: Mutex::new(Some(payment)), ..Self::default() })
    }

    fn with_user_context(context: UserContext) -> Arc<Self> {
        Arc::new(Self { user_context: Mutex::new(Some(context)), ..Self::default() })
    }

    fn failing(failure: fn() -> GatewayError) -> Arc<Self> {
        Arc::new(Self { failure: Mutex::new(Some(failure)), ..Self::default() })
    }

    fn check(&self) -> Result<(), GatewayError> {
        self.failure.lock().unwrap().map_or(Ok(()), |failure| Err(failure()))
    }
}

#[async_trait]
impl OrderGateway for Script {
    async fn start(&self, input: OrderInput, _: &CorrelationId) -> Result<Started, GatewayError> {
        self.check()?;
        let workflow_id = WorkflowId::of_order(&input.order_id);
        self.started.lock().unwrap().push(input);
        Ok(Started { workflow_id, run_id: "run-1".to_owned() })
    }

    async fn state(&self, _: &WorkflowId) -> Result<OrderState, GatewayError> {
        self.check()?;
        self.order.lock().unwrap().as_ref().map(|order| order.state().clone()).ok_or(GatewayError::NotFound)
    }

    async fn wait(&self, id: &WorkflowId, _: Duration) -> Result<Awaited, GatewayError> {
        let state = OrderGateway::state(self, id).await?;
        Ok(if state.status.is_final() { Awaited::Ended(Box::new(state)) } else { Awaited::StillRunning })
    }

    async fn signal(&self, _: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError> {
        self.check()?;
        self.signals.lock().unwrap().push(signal.clone());
        if let Some(order) = self.order.lock().unwrap().as_mut().filter(|_| !self.deaf) {
            match signal {
                OrderSignal::Approve => order.approve(),
                OrderSignal::Reject(Reason { reason }) => order.reject(reason),
                OrderSignal::Cancel(Reason { reason }) => {
                    order.cancel(reason);
                }
                OrderSignal::RetryCompensation | OrderSignal::ResolveCompensation(_) => {}
            }
        }
        Ok(())
    }

    async fn list(&self, filter: &OrderFilter, _: u8, page: Vec<u8>) -> Result<OrderPage, GatewayError> {
        self.check()?;
        self.lists.lock().unwrap().push(filter.clone());
        let order = ListedOrder {
            workflow_id: "order-fulfillment-1".to_owned(),
            run_id: "run-1".to_owned(),
            order_id: "1".to_owned(),
            customer_id: Some("c".to_owned()),
            amount: Some(5990),
            status: None,
            error: None,
            started_at: None,
            closed_at: None,
        };
        Ok(OrderPage {
            orders: vec![order],
            next: if page.is_empty() { b"next".to_vec() } else { Vec::new() },
        })
    }
}

#[async_trait]
impl FlowGateway<PaymentFlow> for Script {
    async fn start(
        &self,
        id: &WorkflowId,
        input: PaymentInput,
        correlation: &CorrelationId,
    ) -> Result<Started, GatewayError> {
        self.check()?;
        self.payments.lock().unwrap().push((id.clone(), input, correlation.clone()));
        Ok(Started { workflow_id: id.clone(), run_id: "run-1".to_owned() })
    }

    async fn state(&self, _: &WorkflowId) -> Result<PaymentState, GatewayError> {
        self.check()?;
        let payment = self.payment.lock().unwrap();
        payment.as_ref().map(|payment| payment.state().clone()).ok_or(GatewayError::NotFound)
    }

    async fn wait(&self, id: &WorkflowId, _: Duration) -> Result<Awaited<PaymentState>, GatewayError> {
        let state = FlowGateway::<PaymentFlow>::state(self, id).await?;
        Ok(if state.cancellable { Awaited::StillRunning } else { Awaited::Ended(Box::new(state)) })
    }

    async fn cancel(&self, _: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        self.check()?;
        match self.payment.lock().unwrap().as_mut() {
            Some(_) if self.deaf => Err(GatewayError::NotFound),
            Some(payment) => {
                payment.cancel(reason.reason);
                Ok(())
            }
            None => Err(GatewayError::NotFound),
        }
    }
}

#[async_trait]
impl FlowGateway<UserContextFlow> for Script {
    async fn start(
        &self,
        id: &WorkflowId,
        input: UserContextInput,
        correlation: &CorrelationId,
    ) -> Result<Started, GatewayError> {
        self.check()?;
        self.user_contexts.lock().unwrap().push((id.clone(), input, correlation.clone()));
        Ok(Started { workflow_id: id.clone(), run_id: "run-1".to_owned() })
    }

    async fn state(&self, _: &WorkflowId) -> Result<UserContextState, GatewayError> {
        self.check()?;
        let context = self.user_context.lock().unwrap();
        context.as_ref().map(|context| context.state().clone()).ok_or(GatewayError::NotFound)
    }

    async fn wait(&self, id: &WorkflowId, _: Duration) -> Result<Awaited<UserContextState>, GatewayError> {
        let state = FlowGateway::<UserContextFlow>::state(self, id).await?;
        Ok(if state.progress().completed { Awaited::Ended(Box::new(state)) } else { Awaited::StillRunning })
    }

    async fn cancel(&self, _: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        self.check()?;
        if let Some(context) = self.user_context.lock().unwrap().as_mut() {
            context.cancel(reason.reason);
        }
        Ok(())
    }
}

#[async_trait]
impl HistoryGateway for Script {
    async fn history(&self, _: &WorkflowId, limit: u16, page: Vec<u8>) -> Result<HistoryPage, GatewayError> {
        self.check()?;
        if page == b"strange" {
            return Err(GatewayError::BadPageToken);
        }
        let event = HistoryEvent {
            id: i64::from(limit),
            kind: "ActivityTaskScheduled".to_owned(),
            at: None,
            name: Some("processPaymentActivity".to_owned()),
            failure: None,
        };
        Ok(HistoryPage {
            events: vec![event],
            next: if page.is_empty() { b"next".to_vec() } else { Vec::new() },
        })
    }
}

fn router(gateway: Arc<Script>) -> (Router, utoipa::openapi::OpenApi) {
    let lookup = |_: &str| None;
    let mut reader = Reader::new(&lookup);
    let common = Common::read(&mut reader);
    let common = reader.finish(common).unwrap();
    let temporal = Dependency::new("temporal", || std::future::ready(Ok(())));
    let services = Services {
        orders: Orders::new(gateway.clone(), Timing::default()),
        payments: Payments::new(gateway.clone(), Timing::default(), Duration::from_mins(1)),
        user_contexts: UserContexts::new(gateway.clone(), Timing::default()),
        history: gateway,
    };
    crate::router(services, temporal, &common)
}

async fn send(gateway: &Arc<Script>, request: Request<Body>) -> (u16, Value) {
    let response = router(gateway.clone()).0.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get(gateway: &Arc<Script>, path: &str) -> (u16, Value) {
    send(gateway, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(gateway: &Arc<Script>, path: &str, body: &str) -> (u16, Value) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    send(gateway, request.body(body.to_owned().into()).unwrap()).await
}

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

fn waiting() -> Order {
    Order::new("1", true)
}

fn labelled() -> Order {
    let mut order = Order::new("1", true);
    order.approve();
    order.labelled("lbl_1", "1Z", "2026-11-23T12:00:00.000Z");
    order
}

fn shipped() -> Order {
    let mut order = labelled();
    order.shipped();
    order
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
    let table: [(Failure, u16, &str); 5] = [
        (|| GatewayError::NotFound, 404, "order_not_found"),
        (|| GatewayError::WorkerUnavailable, 503, "worker_unavailable"),
        (|| GatewayError::Unavailable("down".to_owned()), 503, "temporal_unavailable"),
        (|| GatewayError::AlreadyExists { run_id: None }, 409, "order_already_exists"),
        (|| GatewayError::Failed("boom".into()), 500, "internal"),
    ];
    for (failure, status, code) in table {
        let (got, body) = get(&Script::failing(failure), "/api/v1/order/order-fulfillment-1/status").await;
        assert_eq!((got, &body["error"]), (status, &json!(code)));
        assert!(!body.to_string().contains("boom"));
    }
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

#[tokio::test]
async fn only_a_compensation_that_failed_can_be_resolved_by_hand() {
    let path = "/api/v1/order/order-fulfillment-1/resolve-compensation";
    let body = r#"{"step":"refund_payment","note":"by hand","actor":"ops"}"#;
    let mut failed = compensating(FailureCode::OutOfStock);
    let (compensation, status) = (Compensation::RefundPayment, CompensationStatus::Failed);
    failed.compensation(Ran { compensation, status, attempts: 3, error: None }, "");
    assert_eq!(post(&Script::with(failed.clone()), path, body).await.0, 200);
    let (status, problem) = post(&Script::with(compensating(FailureCode::OutOfStock)), path, body).await;
    assert_eq!((status, &problem["error"]), (409, &json!("nothing_to_compensate")));
    let (status, problem) =
        post(&Script::with(failed.clone()), path, r#"{"step":"refund","note":"x","actor":"y"}"#).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/step")));
    assert_eq!(tell(&Script::with(failed), "retry-compensation").await.0, 200);
    assert_eq!(tell(&Script::with(shipped()), "retry-compensation").await.1, "nothing_to_compensate");
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

const PAYMENT: &str = r#"{"orderId":"1","amount":5998,"currency":"usd","source":"tok_visa"}"#;

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
    let (status, body) = post(&gateway, path, r#"{"strategy":"rxjs"}"#).await;
    assert_eq!((status, &body["errors"][0]["message"]), (422, &json!("must be one of parallel, sequential")));
    let started = gateway.user_contexts.lock().unwrap();
    assert_eq!((started[0].1.strategy, started[1].1.strategy), (Strategy::Parallel, Strategy::Sequential));
    assert_eq!(started[1].0.as_str(), "user-context-ada");
}

fn charged() -> Payment {
    let mut payment = Payment::new("1", 5998, "usd");
    payment.processing();
    let answer = Charged { charge_id: "ch_1".to_owned(), auth_id: "auth_1".to_owned(), attempt: 2 };
    payment.charged(&answer, "2026-11-23T12:00:00.000Z");
    payment
}

fn settled() -> Payment {
    let mut payment = charged();
    payment.settle();
    payment
}

fn given_back() -> Payment {
    let mut payment = charged();
    payment.cancel(None);
    payment.compensate(payment::Cause::new(PaymentFailure::Internal, "never seen"));
    let (compensation, status) = (Compensation::RefundCharge, CompensationStatus::Completed);
    payment.compensation(Ran { compensation, status, attempts: 1, error: None }, "");
    payment.ended(&Saga::default());
    payment
}

fn told() -> UserContext {
    let mut context = UserContext::new(Some("ada".to_owned()), Strategy::Parallel);
    context.told(CatFact { fact: "Cats sleep a lot.".to_owned(), source: "catfact.ninja".to_owned() });
    context
}

fn complete() -> UserContext {
    let mut context = told();
    context.failed(Part::Location, "rate limited");
    context.skipped(Part::Weather, "location unavailable");
    context.end().unwrap();
    context
}

#[tokio::test]
async fn every_kind_of_workflow_shows_state_progress_and_result_by_its_id() {
    let order = Script::with(shipped());
    let payment = Script::with_payment(settled());
    let context = Script::with_user_context(complete());
    let table = [
        (&order, "order-fulfillment-1", json!("shipped"), json!({"success": true, "progress": 100})),
        (&payment, "payment-1", json!("succeeded"), Value::Null),
        (
            &context,
            "user-context-ada",
            json!("completed"),
            json!({"success": true, "location": false, "weather": false, "catFact": true, "completed": true}),
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
    let (status, body) = get(&Script::with_payment(charged()), path).await;
    assert_eq!((status, &body["status"], &body["cancellable"]), (202, &json!("succeeded"), &json!(true)));
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
        let mut context = told();
        context.cancel(None);
        context
    };
    let table = [
        (Script::with_payment(charged()), "payment-1", 200, ""),
        (Script::with_payment(cancelling()), "payment-1", 409, "workflow_already_cancelling"),
        (Script::with_payment(settled()), "payment-1", 409, "workflow_already_closed"),
        (Script::with_payment(given_back()), "payment-1", 409, "workflow_already_closed"),
        (Script::with_user_context(told()), "user-context-ada", 200, ""),
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

#[test]
fn the_openapi_document_is_the_reviewed_one() {
    let (_, api) = router(Arc::new(Script::default()));
    insta::assert_json_snapshot!("openapi", api);
}
