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
    stripe::domain::{Delivery, DeliveryFault, Document, DocumentId, EventRecord, Intent, Kind},
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
            let (decided, _) = this.decide_new(tx, |_| true)?;
            let is_early = |delivery: &Delivery| delivery.fault == Some(DeliveryFault::DeliveredBeforeAnswer);
            let mut attempts = Vec::new();
            for delivery in decided.into_iter().filter(is_early).take(limit) {
                attempts.extend(this.begin_one(tx, delivery)?);
            }
            Ok(attempts)
        };
        self.deps.store.transact(begin).await
    }

    /// Begins at most `limit` of the deliveries that are due. `is_free` gets an endpoint and the number of its attempts that
    /// begin now; an endpoint that isn't free is left out.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn begin(
        &self,
        limit: usize,
        is_free: impl Fn(&DocumentId, usize) -> bool + Send + 'static,
    ) -> Result<Due, StoreError> {
        let (this, now) = (self.clone(), self.now());
        let begin = move |tx: &mut dyn Transaction| {
            // Younger ones belong to the request that waits for them.
            let (_, next_new) = this.decide_new(tx, |delivery| delivery.due <= now)?;
            let Due { attempts, next } = this.begin_due(tx, limit, is_free)?;
            Ok(Due { attempts, next: next.into_iter().chain(next_new).min() })
        };
        self.deps.store.transact(begin).await
    }

    /// Stores the result of an attempt.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn end(&self, delivery: Delivery, succeeded: bool) -> Result<(), StoreError> {
        let this = self.clone();
        let end = move |tx: &mut dyn Transaction| match this.objects.open_delivery(tx, &delivery.id())? {
            Some(mut stored) => {
                stored.end(succeeded, PAUSE, this.now());
                this.objects.save_delivery(tx, &stored)
            }
            None => Ok(()),
        };
        self.deps.store.transact(end).await
    }

    /// Decides the fault of each new delivery that `select` chooses. Returns those deliveries, and the first time of the
    /// others.
    fn decide_new(
        &self,
        tx: &mut dyn Transaction,
        select: impl Fn(&Delivery) -> bool,
    ) -> Result<(Vec<Delivery>, Option<Timestamp>), StoreError> {
        let now = self.deps.clock.now();
        let (mut decided, mut next) = (Vec::new(), None::<Timestamp>);
        for mut delivery in self.objects.new_deliveries(tx)? {
            if !select(&delivery) {
                next = Some(next.map_or(delivery.due, |next| next.min(delivery.due)));
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
            decided.push(delivery);
        }
        Ok((decided, next))
    }

    /// Begins due deliveries, the oldest first. The next time is that of the first one that is not due.
    fn begin_due(
        &self,
        tx: &mut dyn Transaction,
        limit: usize,
        is_free: impl Fn(&DocumentId, usize) -> bool,
    ) -> Result<Due, StoreError> {
        let now = self.deps.clock.now();
        let mut attempts: Vec<Attempt> = Vec::new();
        let (due, next) = self.objects.due_deliveries(tx, now)?;
        // The end of an attempt wakes the deliverer, so what doesn't fit now needs no time of its own.
        for due in due {
            if attempts.len() >= limit {
                break;
            }
            let begun = attempts.iter().filter(|attempt| attempt.delivery.endpoint == due.endpoint).count();
            if is_free(&due.endpoint, begun)
                && let Some(delivery) = self.objects.open_delivery(tx, &due.id)?
            {
                attempts.extend(self.begin_one(tx, delivery)?);
            }
        }
        Ok(Due { attempts, next })
    }

    /// Begins a delivery if it is due and its endpoint takes it.
    fn begin_one(
        &self,
        tx: &mut dyn Transaction,
        mut delivery: Delivery,
    ) -> Result<Option<Attempt>, StoreError> {
        let now = self.deps.clock.now();
        if !delivery.begin(now) {
            return Ok(None);
        }
        self.objects.save_delivery(tx, &delivery)?;
        let Some(requests) = self.requests(tx, &delivery, now)? else {
            self.objects.close_delivery(tx, &delivery)?;
            return Ok(None);
        };
        Ok(Some(Attempt { delivery, requests }))
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
