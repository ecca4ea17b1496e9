//! Decides, begins and ends the deliveries of events to webhook endpoints. They are written with their events in the
//! ledger's transaction, so a crash loses none.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{commands::DELIVER_WEBHOOK, ports::Objects};
use crate::{
    shared::{
        chaos::{ChaosKey, Decision},
        clock::Timestamp,
        deps::Deps,
        journal::{DecisionResult, JournalEntry},
        protocol::decide_next,
        store::{StoreError, Transaction},
    },
    stripe::domain::{Delivery, DeliveryFault, Document, EventRecord, Intent, Kind},
};

/// The pause before the first retry. Stripe's is an hour in live mode; a test has no hour.
const PAUSE: Duration = Duration::from_secs(1);

/// One request to an endpoint.
#[derive(Debug, Clone)]
pub struct SignedEvent {
    pub url: String,
    pub secret: String,
    pub signed_at: Timestamp,
    pub body: String,
}

/// Sends signed events.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Returns true if the endpoint answers with 2xx in time.
    async fn send(&self, event: SignedEvent) -> bool;
}

/// Delivers events.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Decides the faults of new deliveries, and sends those that come before the answer.
    ///
    /// # Errors
    /// Fails if the store fails.
    async fn before_answer(&self) -> Result<(), StoreError>;
}

/// Renders an event as the body of a webhook.
pub type Render = fn(&EventRecord, usize, &Intent) -> String;

/// The deliveries of one run.
#[derive(Clone)]
pub struct Webhooks {
    deps: Deps,
    objects: Arc<dyn Objects>,
    render: Render,
}

/// One attempt that has begun.
pub struct Attempt {
    pub delivery: Delivery,
    pub requests: Vec<SignedEvent>,
}

/// The deliveries that can begin, and the time of the next one.
pub struct Due {
    pub attempts: Vec<Attempt>,
    pub next: Option<Timestamp>,
}

impl Webhooks {
    #[must_use]
    pub fn new(deps: &Deps, objects: Arc<dyn Objects>, render: Render) -> Self {
        Self { deps: deps.clone(), objects, render }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// Decides all new deliveries, and begins at most `limit` of those that come before the answer.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn begin_before_answer(&self, limit: usize) -> Result<Vec<Attempt>, StoreError> {
        let this = self.clone();
        let begin = move |tx: &mut dyn Transaction| {
            this.decide_new(tx, |_| true)?;
            let is_early = |delivery: &Delivery| delivery.fault == Some(DeliveryFault::DeliveredBeforeAnswer);
            Ok(this.begin_due(tx, limit, is_early)?.attempts)
        };
        self.deps.store.transact(begin).await
    }

    /// Begins at most `limit` of the deliveries that are due.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn begin(&self, limit: usize) -> Result<Due, StoreError> {
        let (this, now) = (self.clone(), self.now());
        let begin = move |tx: &mut dyn Transaction| {
            // Younger ones belong to the request that waits for them.
            this.decide_new(tx, |delivery| delivery.due <= now)?;
            this.begin_due(tx, limit, |_| true)
        };
        self.deps.store.transact(begin).await
    }

    /// Stores the result of an attempt.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn end(&self, delivery: Delivery, succeeded: bool) -> Result<(), StoreError> {
        let this = self.clone();
        let end = move |tx: &mut dyn Transaction| match this.objects.open_delivery(tx, &delivery)? {
            Some(mut stored) => {
                stored.end(succeeded, PAUSE, this.now());
                this.objects.save_delivery(tx, &stored)
            }
            None => Ok(()),
        };
        self.deps.store.transact(end).await
    }

    /// Decides the fault of each new delivery that `select` chooses.
    fn decide_new(
        &self,
        tx: &mut dyn Transaction,
        select: impl Fn(&Delivery) -> bool,
    ) -> Result<(), StoreError> {
        let now = self.deps.clock.now();
        for mut delivery in self.objects.new_deliveries(tx)? {
            if !select(&delivery) {
                continue;
            }
            let Some(event) = self.objects.event(tx, delivery.event.as_str())? else { continue };
            let key = match &event.order {
                Some(order) => ChaosKey::Order(order.clone()),
                None => ChaosKey::Request(event.id.to_string()),
            };
            let decision = decide_next(&self.deps, tx, DELIVER_WEBHOOK, key, None)?;
            delivery.decide(decision.scenario.name.parse().ok(), PAUSE, now);
            let line = Arc::new(journal_line(&event, &delivery, decision, now));
            tx.append_line(Arc::clone(&line))?;
            self.deps.telemetry.record(&line);
            self.objects.save_delivery(tx, &delivery)?;
        }
        Ok(())
    }

    /// Begins the due deliveries among those that `select` chooses.
    fn begin_due(
        &self,
        tx: &mut dyn Transaction,
        limit: usize,
        select: impl Fn(&Delivery) -> bool,
    ) -> Result<Due, StoreError> {
        let now = self.deps.clock.now();
        let (mut attempts, mut next) = (Vec::new(), None::<Timestamp>);
        for mut delivery in self.objects.open_deliveries(tx)? {
            let is_free = attempts.len() < limit;
            if is_free && select(&delivery) && delivery.begin(now) {
                self.objects.save_delivery(tx, &delivery)?;
                match self.requests(tx, &delivery, now)? {
                    Some(requests) => attempts.push(Attempt { delivery: delivery.clone(), requests }),
                    None => self.objects.close_delivery(tx, &delivery)?,
                }
            }
            next = Some(next.map_or(delivery.due, |next| next.min(delivery.due)));
        }
        for delivery in self.objects.new_deliveries(tx)? {
            next = Some(next.map_or(delivery.due, |next| next.min(delivery.due)));
        }
        Ok(Due { attempts, next })
    }

    /// Returns the requests of an attempt. None if the endpoint is gone or disabled.
    fn requests(
        &self,
        tx: &dyn Transaction,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Option<Vec<SignedEvent>>, StoreError> {
        let endpoint = self.objects.document(tx, Kind::WebhookEndpoint, delivery.endpoint.as_str())?;
        let Some(endpoint) = endpoint.filter(Document::is_enabled) else { return Ok(None) };
        let Some(event) = self.objects.event(tx, delivery.event.as_str())? else { return Ok(None) };
        let Some(intent) = self.objects.intent(tx, event.intent.as_str())? else { return Ok(None) };
        let pending = self.objects.pending(tx, &event)?;
        let secret = endpoint.field("secret").unwrap_or_default();
        let request = SignedEvent {
            url: endpoint.field("url").unwrap_or_default().to_owned(),
            secret: if delivery.has_bad_signature() { format!("{secret}_other") } else { secret.to_owned() },
            signed_at: delivery.signed_at(now),
            body: (self.render)(&event, pending, &intent),
        };
        Ok(Some(vec![request; delivery.copies()]))
    }
}

fn journal_line(
    event: &EventRecord,
    delivery: &Delivery,
    decision: Arc<Decision>,
    now: Timestamp,
) -> JournalEntry {
    let body = format!(r#"{{"event":"{}","type":"{}"}}"#, event.id, event.kind.name());
    let response = delivery.fault.map_or("success", <&str>::from);
    JournalEntry {
        at: now,
        operation: DELIVER_WEBHOOK,
        order: event.order.clone(),
        key: event.key.clone(),
        correlation: event.id.as_str().into(),
        decided: Some(DecisionResult { decision, overruled: false }),
        replayed: false,
        response: Some(response),
        duration: Duration::ZERO,
        body: body.into(),
    }
}
