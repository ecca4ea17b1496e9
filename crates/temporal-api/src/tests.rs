//! Tests the API over a scripted gateway: requests and answers, without a server.

mod access;
mod batches;
mod flows;
mod orders;
mod reconciliation;
mod returns;
mod subscriptions;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
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
    auth::{Auth, Authenticator},
    config::{Common, Reader},
    correlation::CorrelationId,
    health::Dependency,
    openapi::{repeated_operation_ids, statuses},
};
use tower::ServiceExt;
use workflows::{
    activities::{payment::Charged, shipping::Address, user_context::CatFact},
    order_batch::{
        messages::{AddOrders, BatchInput},
        state::{Batch, BatchChange, BatchState},
    },
    order_fulfillment::{
        messages::{AddressChange, Decide, Decided, Item, OrderInput},
        state::{Cause, CurrentStep, FailureCode, Order, OrderState, OrderStatus},
    },
    order_return::{
        messages::ReturnInput,
        state::{Return, ReturnState, ReturnStatus},
    },
    payment::{
        messages::PaymentInput,
        state::{self as payment, Payment, PaymentFailure, PaymentState},
    },
    policies::Timing,
    reconciliation::{messages::ReconciliationInput, report::Report},
    saga::{Compensation, CompensationOutcome, CompensationStatus, Reason, RecordsCompensations, Saga},
    subscription::{
        messages::SubscriptionInput,
        state::{Subscription, SubscriptionState},
    },
    user_context::{
        messages::{Strategy, UserContextInput},
        state::{Part, UserContext, UserContextState},
    },
};

use crate::{
    Services,
    batch::Batches,
    config::BatchLimits,
    gateway::{
        Awaited, BatchFlow, BatchGateway, Begun, FlowGateway, GatewayError, HistoryEvent, HistoryGateway,
        HistoryPage, Kind, ListedOrder, ListedSubscription, ListedWorkflow, Observed, OrderFilter,
        OrderGateway, OrderPage, OrderSignal, Outside, PaymentFlow, ReconciliationFlow,
        ReconciliationGateway, ReconciliationSchedule, ReturnFlow, ReturnGateway, Run, Shown, Started,
        SubscriptionFilter, SubscriptionFlow, SubscriptionGateway, SubscriptionPage, SubscriptionUpdate,
        UserContextFlow, WorkflowId, WorkflowPage,
    },
    idempotency::Claim,
    order::Orders,
    order_return::{Returns, Shipment},
    payment::Payments,
    reconciliation::Reconciliations,
    subscription::Subscriptions,
    user_context::UserContexts,
};

/// Answers every query about any workflow of a kind with one state, and records the signals. A signal
/// changes the state as the real workflow would.
#[derive(Default)]
struct Script {
    order: Mutex<Option<Order>>,
    payment: Mutex<Option<Payment>>,
    user_context: Mutex<Option<UserContext>>,
    subscription: Mutex<Option<Subscription>>,
    subscriptions: Mutex<Vec<SubscriptionInput>>,
    subscription_updates: Mutex<Vec<SubscriptionUpdate>>,
    subscription_lists: Mutex<Vec<SubscriptionFilter>>,
    batch: Mutex<Option<Batch>>,
    chunks: Mutex<Vec<AddOrders>>,
    report: Mutex<Option<Report>>,
    reconciliations: Mutex<Vec<ReconciliationInput>>,
    paused: Mutex<Option<(bool, Option<String>)>>,
    payments: Mutex<Vec<(WorkflowId, PaymentInput, CorrelationId)>>,
    user_contexts: Mutex<Vec<(WorkflowId, UserContextInput, CorrelationId)>>,
    failure: Mutex<Option<fn() -> GatewayError>>,
    /// Holds the end of the workflow from outside, if any.
    outside: Mutex<Option<Outside>>,
    /// Holds the requests that started workflows.
    claims: Mutex<Vec<(WorkflowId, Claim)>>,
    started: Mutex<Vec<OrderInput>>,
    signals: Mutex<Vec<OrderSignal>>,
    /// Holds the claims of the updates that were accepted.
    updates: Mutex<Vec<Claim>>,
    addresses: Mutex<Vec<Address>>,
    returns: Mutex<Vec<(WorkflowId, Return)>>,
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

    /// Returns the order, unless it has ended.
    fn running_order(&self) -> Result<MutexGuard<'_, Option<Order>>, GatewayError> {
        let order = self.order.lock().unwrap();
        let is_closed = order.as_ref().is_some_and(|order| order.state().status.is_final());
        if is_closed || self.outside.lock().unwrap().is_some() {
            return Err(GatewayError::NotFound);
        }
        Ok(order)
    }

    fn check(&self) -> Result<(), GatewayError> {
        self.failure.lock().unwrap().map_or(Ok(()), |failure| Err(failure()))
    }

    fn ended(self: Arc<Self>, outside: Outside) -> Arc<Self> {
        *self.outside.lock().unwrap() = Some(outside);
        self
    }

    /// Returns the first run for every request.
    fn observed<S>(&self, state: S, is_closed: bool) -> Observed<S> {
        let outside = *self.outside.lock().unwrap();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let run = Run {
            run_id: "run-1".to_owned(),
            first_run_id: "run-1".to_owned(),
            started_at: Some(at(1_700_000_000)),
            closed_at: (is_closed || outside.is_some()).then(|| at(1_700_000_060)),
        };
        Observed { run, state, outside }
    }

    /// Starts a workflow as Temporal and the memos do, for workflows that never end.
    fn begin(&self, id: &WorkflowId, claim: &Claim) -> Result<Begun, GatewayError> {
        self.check()?;
        let mut claims = self.claims.lock().unwrap();
        let started = Started { workflow_id: id.clone(), run_id: "run-1".to_owned() };
        let of_key = claims.iter().find(|(_, known)| known.key.is_some() && known.key == claim.key);
        if let Some((workflow_id, known)) = of_key {
            return if workflow_id == id && known == claim {
                Ok(Begun::Replayed { started, correlation_id: Some("the-first".to_owned()) })
            } else {
                Err(GatewayError::KeyReused { workflow_id: workflow_id.as_str().to_owned() })
            };
        }
        match claims.iter().find(|(known, _)| known == id) {
            Some((_, known)) if known.fingerprint == claim.fingerprint => {
                Ok(Begun::Running { started, status: Some(OrderStatus::Approved) })
            }
            Some(_) => Err(GatewayError::AlreadyExists { run_id: Some("run-1".to_owned()) }),
            None => {
                claims.push((id.clone(), claim.clone()));
                Ok(Begun::Started(started))
            }
        }
    }
}

#[async_trait]
impl OrderGateway for Script {
    async fn start(
        &self,
        input: OrderInput,
        claim: &Claim,
        _: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let begun = self.begin(&WorkflowId::of_order(&input.order_id), claim)?;
        if let Begun::Started(_) = &begun {
            self.started.lock().unwrap().push(input);
        }
        Ok(begun)
    }

    async fn state(&self, _: &WorkflowId) -> Result<Observed<OrderState>, GatewayError> {
        self.check()?;
        let state = self.order.lock().unwrap().as_ref().map(|order| order.state().clone());
        let state = state.ok_or(GatewayError::NotFound)?;
        let is_closed = state.status.is_final();
        Ok(self.observed(state, is_closed))
    }

    async fn customer(&self, _: &WorkflowId) -> Result<Option<String>, GatewayError> {
        self.check()?;
        Ok(Some("c-1".to_owned()))
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<OrderState>, GatewayError> {
        awaited(OrderGateway::state(self, id).await?, at_most).await
    }

    async fn signal(&self, _: &WorkflowId, signal: OrderSignal) -> Result<(), GatewayError> {
        self.check()?;
        self.signals.lock().unwrap().push(signal.clone());
        if let Some(order) = self.order.lock().unwrap().as_mut().filter(|_| !self.deaf) {
            match signal {
                OrderSignal::Approve => order.approve(),
                OrderSignal::Reject(reason) => order.decide(Decide::Reject(reason)),
                OrderSignal::Cancel(reason) => order.cancel_by(reason),
                OrderSignal::ResolveCompensation(by_hand) => {
                    let compensation = by_hand.step.parse().unwrap();
                    order.record_resolution(compensation, by_hand.note, "");
                }
                OrderSignal::RetryCompensation => {}
            }
        }
        Ok(())
    }

    async fn decide(&self, _: &WorkflowId, decide: Decide, claim: &Claim) -> Result<Decided, GatewayError> {
        self.check()?;
        let mut order = self.running_order()?;
        let order = order.as_mut().ok_or(GatewayError::NotFound)?;
        if let Err(reason) = order.check_decision() {
            return Err(GatewayError::Refused(reason.to_string()));
        }
        self.updates.lock().unwrap().push(claim.clone());
        if !self.deaf {
            order.decide(decide.clone());
            let signal = match decide {
                Decide::Approve { .. } => OrderSignal::Approve,
                Decide::Reject(reason) => OrderSignal::Reject(reason),
            };
            self.signals.lock().unwrap().push(signal);
        }
        Ok(Decided { counted: !self.deaf, state: order.state().clone() })
    }

    async fn change_address(
        &self,
        _: &WorkflowId,
        address: Address,
        claim: &Claim,
    ) -> Result<AddressChange, GatewayError> {
        self.check()?;
        let order = self.running_order()?;
        let order = order.as_ref().ok_or(GatewayError::NotFound)?;
        if let Err(reason) = order.check_address_change() {
            return Err(GatewayError::Refused(reason.to_string()));
        }
        self.updates.lock().unwrap().push(claim.clone());
        let mut addresses = self.addresses.lock().unwrap();
        let changed = addresses.last() != Some(&address);
        addresses.push(address);
        Ok(AddressChange { changed })
    }

    /// Counts one order that was terminated, and remembers each filter.
    async fn count(&self, filter: &OrderFilter) -> Result<i64, GatewayError> {
        self.check()?;
        self.lists.lock().unwrap().push(filter.clone());
        Ok(i64::from(filter.status.is_none_or(|status| status == Shown::Outside(Outside::Terminated))))
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
            currency: self.lists.lock().unwrap().get(1).map(|_| "JPY".to_owned()),
            status: Some(Shown::Outside(Outside::Terminated)),
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
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let begun = self.begin(id, claim)?;
        if let Begun::Started(_) = &begun {
            self.payments.lock().unwrap().push((id.clone(), input, correlation.clone()));
        }
        Ok(begun)
    }

    async fn state(&self, _: &WorkflowId) -> Result<Observed<PaymentState>, GatewayError> {
        self.check()?;
        let state = self.payment.lock().unwrap().as_ref().map(|payment| payment.state().clone());
        let state = state.ok_or(GatewayError::NotFound)?;
        let is_closed = !state.cancellable;
        Ok(self.observed(state, is_closed))
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<PaymentState>, GatewayError> {
        awaited(FlowGateway::<PaymentFlow>::state(self, id).await?, at_most).await
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
        claim: &Claim,
        correlation: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let begun = self.begin(id, claim)?;
        if let Begun::Started(_) = &begun {
            self.user_contexts.lock().unwrap().push((id.clone(), input, correlation.clone()));
        }
        Ok(begun)
    }

    async fn state(&self, _: &WorkflowId) -> Result<Observed<UserContextState>, GatewayError> {
        self.check()?;
        let state = self.user_context.lock().unwrap().as_ref().map(|context| context.state().clone());
        let state = state.ok_or(GatewayError::NotFound)?;
        let is_closed = state.progress().completed;
        Ok(self.observed(state, is_closed))
    }

    async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<UserContextState>, GatewayError> {
        awaited(FlowGateway::<UserContextFlow>::state(self, id).await?, at_most).await
    }

    async fn cancel(&self, _: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        self.check()?;
        if let Some(context) = self.user_context.lock().unwrap().as_mut() {
            context.cancel(reason.reason);
        }
        Ok(())
    }
}

/// The time of every change of a subscription.
const NOW: i64 = 1_700_000_000_000;

#[async_trait]
impl FlowGateway<SubscriptionFlow> for Script {
    async fn start(
        &self,
        id: &WorkflowId,
        input: SubscriptionInput,
        claim: &Claim,
        _: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let begun = self.begin(id, claim)?;
        if let Begun::Started(_) = &begun {
            self.subscriptions.lock().unwrap().push(input);
        }
        Ok(begun)
    }

    async fn state(&self, _: &WorkflowId) -> Result<Observed<SubscriptionState>, GatewayError> {
        self.check()?;
        let state = self.subscription.lock().unwrap().as_ref().map(|known| known.state().clone());
        let state = state.ok_or(GatewayError::NotFound)?;
        let is_closed = state.status.is_final();
        Ok(self.observed(state, is_closed))
    }

    async fn wait(
        &self,
        id: &WorkflowId,
        at_most: Duration,
    ) -> Result<Awaited<SubscriptionState>, GatewayError> {
        awaited(FlowGateway::<SubscriptionFlow>::state(self, id).await?, at_most).await
    }

    async fn cancel(&self, _: &WorkflowId, _: Reason) -> Result<(), GatewayError> {
        self.check()?;
        let mut subscription = self.subscription.lock().unwrap();
        let _ = subscription.as_mut().ok_or(GatewayError::NotFound)?.cancel();
        Ok(())
    }
}

#[async_trait]
impl FlowGateway<BatchFlow> for Script {
    async fn start(
        &self,
        id: &WorkflowId,
        input: BatchInput,
        claim: &Claim,
        _: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let begun = self.begin(id, claim)?;
        if let Begun::Started(_) = &begun {
            let batch = Batch::new(&input.batch_id, input.orders, input.chunks, input.window);
            *self.batch.lock().unwrap() = Some(batch);
        }
        Ok(begun)
    }

    async fn state(&self, _: &WorkflowId) -> Result<Observed<BatchState>, GatewayError> {
        self.check()?;
        let state = self.batch.lock().unwrap().as_ref().map(|batch| batch.state().clone());
        let state = state.ok_or(GatewayError::NotFound)?;
        let is_closed = state.status.is_final();
        Ok(self.observed(state, is_closed))
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<BatchState>, GatewayError> {
        awaited(FlowGateway::<BatchFlow>::state(self, id).await?, at_most).await
    }

    async fn cancel(&self, _: &WorkflowId, _: Reason) -> Result<(), GatewayError> {
        self.check()?;
        let _ =
            self.batch.lock().unwrap().as_mut().ok_or(GatewayError::NotFound)?.change(BatchChange::Cancel);
        Ok(())
    }
}

#[async_trait]
impl BatchGateway for Script {
    async fn add(&self, _: &WorkflowId, chunk: AddOrders) -> Result<BatchState, GatewayError> {
        self.check()?;
        let mut batch = self.batch.lock().unwrap();
        let batch = batch.as_mut().ok_or(GatewayError::NotFound)?;
        batch.check_chunk(chunk.index).map_err(|reason| GatewayError::Refused(reason.to_string()))?;
        if batch.receive(chunk.index) {
            batch.open_chunk(chunk.index);
            self.chunks.lock().unwrap().push(chunk);
        }
        Ok(batch.state().clone())
    }

    async fn change(
        &self,
        _: &WorkflowId,
        change: BatchChange,
        claim: &Claim,
    ) -> Result<BatchState, GatewayError> {
        self.check()?;
        let mut batch = self.batch.lock().unwrap();
        let batch = batch.as_mut().ok_or(GatewayError::NotFound)?;
        batch.change(change).map_err(|reason| GatewayError::Refused(reason.to_string()))?;
        self.updates.lock().unwrap().push(claim.clone());
        Ok(batch.state().clone())
    }
}

#[async_trait]
impl FlowGateway<ReconciliationFlow> for Script {
    async fn start(
        &self,
        id: &WorkflowId,
        input: ReconciliationInput,
        claim: &Claim,
        _: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let begun = self.begin(id, claim)?;
        if let Begun::Started(_) = &begun {
            self.reconciliations.lock().unwrap().push(input);
        }
        Ok(begun)
    }

    async fn state(&self, _: &WorkflowId) -> Result<Observed<Report>, GatewayError> {
        self.check()?;
        let report = self.report.lock().unwrap().clone().ok_or(GatewayError::NotFound)?;
        let is_closed = report.ended_at.is_some();
        Ok(self.observed(report, is_closed))
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<Report>, GatewayError> {
        awaited(FlowGateway::<ReconciliationFlow>::state(self, id).await?, at_most).await
    }

    async fn cancel(&self, _: &WorkflowId, _: Reason) -> Result<(), GatewayError> {
        self.check()?;
        self.report.lock().unwrap().as_mut().ok_or(GatewayError::NotFound)?.cancel();
        Ok(())
    }
}

#[async_trait]
impl ReconciliationGateway for Script {
    async fn schedule(&self) -> Result<ReconciliationSchedule, GatewayError> {
        self.check()?;
        let (paused, note) = self.paused.lock().unwrap().clone().unwrap_or_default();
        Ok(ReconciliationSchedule {
            paused,
            note,
            every: Some(Duration::from_hours(1)),
            next_runs: vec![SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_003_600)],
            skipped: 2,
            missed: 1,
        })
    }

    async fn set_paused(&self, paused: bool, note: Option<String>) -> Result<(), GatewayError> {
        self.check()?;
        *self.paused.lock().unwrap() = Some((paused, note));
        Ok(())
    }

    async fn last_runs(&self) -> Result<Vec<ListedWorkflow>, GatewayError> {
        self.check()?;
        let run = |report: &Report| ListedWorkflow {
            workflow_id: WorkflowId::parse("reconciliation-queue-2023-11-14T22:00:00Z").unwrap(),
            run: self.observed((), report.ended_at.is_some()).run,
            status: if report.ended_at.is_some() { "completed" } else { "running" },
        };
        Ok(self.report.lock().unwrap().iter().map(run).collect())
    }
}

#[async_trait]
impl SubscriptionGateway for Script {
    async fn update(
        &self,
        _: &WorkflowId,
        update: SubscriptionUpdate,
        claim: &Claim,
    ) -> Result<SubscriptionState, GatewayError> {
        self.check()?;
        let mut subscription = self.subscription.lock().unwrap();
        let subscription = subscription.as_mut().ok_or(GatewayError::NotFound)?;
        let is_closed = subscription.state().status.is_final() || self.outside.lock().unwrap().is_some();
        if is_closed {
            return Err(GatewayError::NotFound);
        }
        let changed = match update.clone() {
            SubscriptionUpdate::Pause => subscription.pause(),
            SubscriptionUpdate::Resume => subscription.resume(NOW),
            SubscriptionUpdate::SkipNext => subscription.skip_next(NOW),
            SubscriptionUpdate::Cancel => subscription.cancel(),
            SubscriptionUpdate::Items(terms) => subscription.change_items(terms),
            SubscriptionUpdate::ShippingAddress(_) => subscription.change_address(),
            SubscriptionUpdate::Interval(recurrence) => subscription.change_interval(recurrence, NOW),
        };
        changed.map_err(|reason| GatewayError::Refused(reason.to_string()))?;
        self.updates.lock().unwrap().push(claim.clone());
        self.subscription_updates.lock().unwrap().push(update);
        Ok(subscription.state().clone())
    }

    async fn list(
        &self,
        filter: &SubscriptionFilter,
        _: u8,
        page: Vec<u8>,
    ) -> Result<SubscriptionPage, GatewayError> {
        self.check()?;
        self.subscription_lists.lock().unwrap().push(filter.clone());
        let subscription = ListedSubscription {
            subscription_id: "coffee".to_owned(),
            workflow_id: "subscription-coffee".to_owned(),
            run: self.observed((), false).run,
            status: Some("active"),
            customer_id: Some("c".to_owned()),
        };
        Ok(SubscriptionPage {
            subscriptions: vec![subscription],
            next: if page.is_empty() { b"next".to_vec() } else { Vec::new() },
        })
    }
}

#[async_trait]
impl FlowGateway<ReturnFlow> for Script {
    async fn start(
        &self,
        id: &WorkflowId,
        input: ReturnInput,
        claim: &Claim,
        _: &CorrelationId,
    ) -> Result<Begun, GatewayError> {
        let begun = self.begin(id, claim)?;
        if let Begun::Started(_) = &begun {
            self.returns.lock().unwrap().push((id.clone(), Return::new(&input)));
        }
        Ok(begun)
    }

    async fn state(&self, id: &WorkflowId) -> Result<Observed<ReturnState>, GatewayError> {
        self.check()?;
        let returns = self.returns.lock().unwrap();
        let found = returns.iter().find(|(known, _)| known == id).ok_or(GatewayError::NotFound)?;
        let state = found.1.state().clone();
        let is_closed =
            matches!(state.status, ReturnStatus::Completed | ReturnStatus::Cancelled | ReturnStatus::Failed);
        Ok(self.observed(state, is_closed))
    }

    async fn wait(&self, id: &WorkflowId, at_most: Duration) -> Result<Awaited<ReturnState>, GatewayError> {
        awaited(FlowGateway::<ReturnFlow>::state(self, id).await?, at_most).await
    }

    async fn cancel(&self, id: &WorkflowId, reason: Reason) -> Result<(), GatewayError> {
        self.check()?;
        let mut returns = self.returns.lock().unwrap();
        let found = returns.iter_mut().find(|(known, _)| known == id).ok_or(GatewayError::NotFound)?;
        found.1.cancel(reason.reason);
        Ok(())
    }
}

#[async_trait]
impl ReturnGateway for Script {
    async fn shipment(&self, order: &WorkflowId) -> Result<Shipment, GatewayError> {
        self.check()?;
        Ok(Shipment {
            order_id: order.name().to_owned(),
            first_run_id: "run-1".to_owned(),
            items: vec![Item { sku: "book".to_owned(), quantity: 2, price: 2999 }],
            amount: 5998,
            currency: "usd".to_owned(),
            address: Address {
                street: "1 Row".to_owned(),
                city: "London".to_owned(),
                state: None,
                zip: None,
                country: "GB".to_owned(),
            },
        })
    }

    async fn begun_by(&self, id: &WorkflowId, claim: &Claim) -> Result<Option<Begun>, GatewayError> {
        self.check()?;
        let is_known = self.claims.lock().unwrap().iter().any(|(known, _)| known == id);
        let is_open = match FlowGateway::<ReturnFlow>::state(self, id).await {
            Ok(observed) => !observed.is_closed(),
            Err(_) => false,
        };
        let same = self.claims.lock().unwrap().iter().any(|(known, other)| {
            known == id && if claim.key.is_some() { other == claim } else { is_open && other == claim }
        });
        if is_known && same { self.begin(id, claim).map(Some) } else { Ok(None) }
    }
}

#[async_trait]
impl HistoryGateway for Script {
    async fn list(&self, kind: Kind, _: u8, page: Vec<u8>) -> Result<WorkflowPage, GatewayError> {
        self.check()?;
        let listed = ListedWorkflow {
            workflow_id: if kind == Kind::Payment {
                WorkflowId::of_payment("1")
            } else {
                WorkflowId::of_return("1")
            },
            run: self.observed((), false).run,
            status: "running",
        };
        Ok(WorkflowPage {
            workflows: vec![listed],
            next: if page.is_empty() { b"next".to_vec() } else { Vec::new() },
        })
    }

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

/// Waits for a workflow. One that has not ended does not end during the wait.
async fn awaited<S>(seen: Observed<S>, at_most: Duration) -> Result<Awaited<S>, GatewayError> {
    if seen.is_closed() {
        return Ok(Awaited::Ended(Box::new(seen)));
    }
    tokio::time::sleep(at_most).await;
    Ok(Awaited::StillRunning)
}

/// Limits the event streams and long polls.
const PLACES: usize = 2;

fn router(gateway: Arc<Script>) -> (Router, utoipa::openapi::OpenApi) {
    router_for(gateway, Authenticator::new(Auth::default()))
}

fn router_for(gateway: Arc<Script>, authenticator: Authenticator) -> (Router, utoipa::openapi::OpenApi) {
    let lookup = |_: &str| None;
    let mut reader = Reader::new(&lookup);
    let common = Common::read(&mut reader);
    let common = reader.finish(common).unwrap();
    let temporal = Dependency::new("temporal", || std::future::ready(Ok(())));
    let orders = Orders::new(gateway.clone(), Timing::default());
    let services = Services {
        orders: orders.clone(),
        returns: Returns::new(gateway.clone(), orders, Timing::default()),
        payments: Payments::new(gateway.clone(), Timing::default(), Duration::from_mins(1)),
        user_contexts: UserContexts::new(gateway.clone(), Timing::default()),
        subscriptions: Subscriptions::new(gateway.clone(), Timing::default(), Duration::from_hours(1), 50),
        reconciliations: Reconciliations::new(gateway.clone(), "queue", reconciliation_input()),
        batches: Batches::new(
            gateway.clone(),
            Timing::default(),
            BatchLimits { window: 20, chunk_size: 2, body: 4096 },
        ),
        history: gateway,
    };
    let console = console::Console::new(console::Settings::default(), authenticator.clone()).unwrap();
    let metrics = service_kit::metrics::Metrics::new();
    crate::router(services, temporal, metrics, &common, PLACES, console, authenticator)
}

fn reconciliation_input() -> ReconciliationInput {
    ReconciliationInput {
        repair: false,
        correlation_id: None,
        page_size: 100,
        timing: Timing::default(),
        resumed: None,
    }
}

async fn send(gateway: &Arc<Script>, request: Request<Body>) -> (u16, Value) {
    let (router, api) = router(gateway.clone());
    let documented = statuses(&api, request.method(), request.uri().path());
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let is_known = documented.is_none_or(|documented| documented.contains(&status));
    assert!(is_known, "{status} is answered, which the OpenAPI document doesn't know");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Posts a body under a key. Returns the status, the body, and whether the answer is a repetition.
async fn post_keyed(gateway: &Arc<Script>, path: &str, keys: &[&str], body: &str) -> (u16, Value, bool) {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    for key in keys {
        request = request.header("idempotency-key", *key);
    }
    let (router, _) = router(gateway.clone());
    let response = router.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap(), replayed)
}

async fn get(gateway: &Arc<Script>, path: &str) -> (u16, Value) {
    send(gateway, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(gateway: &Arc<Script>, path: &str, body: &str) -> (u16, Value) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    send(gateway, request.body(body.to_owned().into()).unwrap()).await
}

fn waiting() -> Order {
    Order::new("1", true)
}

fn labelled() -> Order {
    let mut order = Order::new("1", true);
    order.approve();
    order.record_label("lbl_1", "1Z", "2026-11-23T12:00:00.000Z");
    order
}

fn shipped() -> Order {
    let mut order = labelled();
    order.mark_shipped();
    order
}

#[test]
fn each_operation_has_its_own_id() {
    let (_, api) = router(Arc::new(Script::default()));
    assert_eq!(repeated_operation_ids(&api), BTreeSet::new());
}

#[test]
fn the_openapi_document_is_the_reviewed_one() {
    let (_, api) = router(Arc::new(Script::default()));
    insta::assert_json_snapshot!("openapi", api);
}
