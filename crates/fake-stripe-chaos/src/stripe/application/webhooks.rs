//! Delivers events to webhook endpoints, with retries and faults. The deliveries are written with their events in the
//! ledger's transaction, so a crash loses none.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};

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
pub const PAUSE: Duration = Duration::from_secs(1);
/// The most requests to endpoints at a time.
const MAX_REQUESTS: usize = 64;
/// The pause between two looks at the deliveries, however often they change.
const MIN_SLEEP: Duration = Duration::from_millis(20);
/// The longest sleep. A clock of a test can jump.
const MAX_SLEEP: Duration = Duration::from_millis(200);

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

/// Renders an event as the body of a webhook.
pub type Render = fn(&EventRecord, usize, &Intent) -> String;

/// Delivers the events of one run.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    deps: Deps,
    objects: Arc<dyn Objects>,
    sender: Arc<dyn Sender>,
    render: Render,
    wake: Arc<Notify>,
    /// Limits the requests at a time.
    slots: Semaphore,
}

/// One attempt that has begun.
struct Attempt {
    delivery: Delivery,
    requests: Vec<SignedEvent>,
}

/// The deliveries that can begin, and the time of the next one.
struct Due {
    attempts: Vec<Attempt>,
    next: Option<Timestamp>,
}

impl Webhooks {
    #[must_use]
    pub fn new(deps: &Deps, objects: Arc<dyn Objects>, sender: Arc<dyn Sender>, render: Render) -> Self {
        let wake = Arc::new(Notify::new());
        Self(Arc::new(Inner {
            deps: deps.clone(),
            objects,
            sender,
            render,
            wake,
            slots: Semaphore::new(MAX_REQUESTS),
        }))
    }

    /// Starts the deliveries, if there is a runtime. They end with the last user of the run.
    pub fn start(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(deliver(Arc::downgrade(&self.0), Arc::clone(&self.0.wake)));
    }

    /// Decides the faults of new deliveries, and sends those that come before the answer.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn before_answer(&self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.0);
        let due = self
            .0
            .deps
            .store
            .transact(move |tx| {
                if !inner.decide_new(tx, |_| true)? {
                    return Ok(None);
                }
                inner
                    .begin_due(tx, |delivery| delivery.fault == Some(DeliveryFault::DeliveredBeforeAnswer))
                    .map(Some)
            })
            .await?;
        let Some(due) = due else { return Ok(()) };
        for attempt in due.attempts {
            self.0.attempt(attempt).await?;
        }
        self.0.wake.notify_one();
        Ok(())
    }
}

/// Delivers what is due until the run is gone.
async fn deliver(inner: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let Some(this) = inner.upgrade() else { return };
        let work = Arc::clone(&this);
        let due = this.deps.store.transact(move |tx| {
            // Younger ones belong to the request that waits for them.
            let now = work.deps.clock.now();
            work.decide_new(tx, |delivery| delivery.due <= now)?;
            work.begin_due(tx, |_| true)
        });
        let next = match due.await {
            Ok(Due { attempts, next }) => {
                for attempt in attempts {
                    let this = Arc::clone(&this);
                    tokio::spawn(async move {
                        if let Err(error) = this.attempt(attempt).await {
                            tracing::error!(%error, "the result of a webhook was not stored");
                        }
                        this.wake.notify_one();
                    });
                }
                next
            }
            Err(StoreError::RunDeleted) => return,
            Err(error) => {
                tracing::error!(%error, "webhooks were not read");
                Some(this.deps.clock.now())
            }
        };
        let now = this.deps.clock.now();
        drop(this);
        tokio::time::sleep(MIN_SLEEP).await;
        match next {
            Some(next) => {
                let sleep = next.duration_since(now).clamp(Duration::from_millis(1), MAX_SLEEP);
                let _ = tokio::time::timeout_at(Instant::now() + sleep, wake.notified()).await;
            }
            None => wake.notified().await,
        }
    }
}

impl Inner {
    /// Decides the fault of each new delivery that `select` chooses. Returns true if there is one.
    fn decide_new(
        &self,
        tx: &mut dyn Transaction,
        select: impl Fn(&Delivery) -> bool,
    ) -> Result<bool, StoreError> {
        let (now, mut decided) = (self.deps.clock.now(), false);
        for mut delivery in self.objects.new_deliveries(tx)? {
            if !select(&delivery) {
                continue;
            }
            decided = true;
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
        Ok(decided)
    }

    /// Begins the due deliveries among those that `select` chooses.
    fn begin_due(
        &self,
        tx: &mut dyn Transaction,
        select: impl Fn(&Delivery) -> bool,
    ) -> Result<Due, StoreError> {
        let now = self.deps.clock.now();
        let (mut attempts, mut next) = (Vec::new(), None::<Timestamp>);
        for mut delivery in self.objects.open_deliveries(tx)? {
            let is_free = attempts.len() < self.slots.available_permits();
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
        let Some(endpoint) = endpoint.filter(is_enabled) else { return Ok(None) };
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

    /// Sends the requests of an attempt, and stores its result.
    async fn attempt(self: &Arc<Self>, attempt: Attempt) -> Result<(), StoreError> {
        let Attempt { delivery, requests } = attempt;
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        let mut succeeded = true;
        for request in requests {
            succeeded &= self.sender.send(request).await;
        }
        tracing::info!(
            event = delivery.event.as_str(),
            endpoint = delivery.endpoint.as_str(),
            attempt = delivery.attempts + 1,
            fault = delivery.fault.map(<&str>::from),
            succeeded,
            "webhook sent"
        );
        let this = Arc::clone(self);
        self.deps
            .store
            .transact(move |tx| {
                if let Some(mut stored) = this.objects.open_delivery(tx, &delivery)? {
                    stored.end(succeeded, PAUSE, this.deps.clock.now());
                    this.objects.save_delivery(tx, &stored)?;
                }
                Ok(())
            })
            .await
    }
}

fn is_enabled(endpoint: &Document) -> bool {
    !endpoint.is_deleted() && endpoint.field("disabled") != Some("true")
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
