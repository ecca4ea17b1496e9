//! Delivers events in the background: sends what is due, and waits for the next delivery.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
    time::{sleep, timeout},
};

use crate::{
    shared::store::StoreError,
    stripe::{
        application::{Attempt, Deliveries, Due, Sender, Webhooks},
        domain::DocumentId,
    },
};

/// The most requests to endpoints at a time.
const MAX_REQUESTS: usize = 64;
/// The most attempts at one endpoint at a time, so that one that hangs holds up no other.
const MAX_OF_ENDPOINT: usize = 8;
/// The longest that an answer waits for the events that come before it. Then they go on in the background.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The pause between two looks at the deliveries, however often they change.
const MIN_SLEEP: Duration = Duration::from_millis(20);
/// The longest sleep. A clock of a test can jump.
const MAX_SLEEP: Duration = Duration::from_millis(200);

/// Reports new deliveries to the deliverer, also those of a caller who disconnects before the answer.
#[derive(Default)]
pub struct NewDeliveries {
    wake: Notify,
    /// Is true if there may be undecided deliveries.
    added: AtomicBool,
}

impl NewDeliveries {
    pub fn add(&self) {
        self.added.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// Delivers the events of one run.
pub struct Deliverer(Arc<Inner>);

struct Inner {
    webhooks: Webhooks,
    sender: Arc<dyn Sender>,
    new: Arc<NewDeliveries>,
    /// Limits the requests at a time.
    slots: Semaphore,
    /// The number of attempts in progress at each endpoint.
    in_progress: Mutex<BTreeMap<DocumentId, usize>>,
    /// Is held while events are sent before an answer. An answer whose events another one sends waits for it.
    early: tokio::sync::Mutex<()>,
}

impl Deliverer {
    /// Starts the deliveries, if there is a runtime. They end with the last user of the run.
    #[must_use]
    pub fn start(webhooks: Webhooks, sender: Arc<dyn Sender>, new: &Arc<NewDeliveries>) -> Self {
        let slots = Semaphore::new(MAX_REQUESTS);
        let inner = Arc::new(Inner {
            webhooks,
            sender,
            new: Arc::clone(new),
            slots,
            in_progress: Mutex::default(),
            early: tokio::sync::Mutex::default(),
        });
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(deliver(Arc::downgrade(&inner), Arc::clone(new)));
        }
        Self(inner)
    }
}

#[async_trait]
impl Deliveries for Deliverer {
    async fn before_answer(&self) -> Result<(), StoreError> {
        let is_idle = self.0.early.try_lock().is_ok();
        if is_idle && !self.0.new.added.load(Ordering::Acquire) {
            return Ok(());
        }
        let _turn = self.0.early.lock().await;
        if !self.0.new.added.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let mut sending = Vec::new();
        for attempt in self.0.webhooks.begin_before_answer(MAX_REQUESTS).await? {
            self.0.count(&attempt);
            // A task of its own goes on when the caller disconnects or the wait is over.
            sending.push(tokio::spawn(Arc::clone(&self.0).attempt_in_background(attempt)));
        }
        let _ = timeout(MAX_WAIT, join_all(sending)).await;
        // The deliverer waits for the time of a new delivery, and a decided one can be due before it.
        self.0.new.wake.notify_one();
        Ok(())
    }
}

/// Delivers what is due until the run is gone.
#[expect(clippy::disallowed_methods, reason = "deliveries are repeated after a pause")]
async fn deliver(inner: Weak<Inner>, new: Arc<NewDeliveries>) {
    loop {
        let Some(this) = inner.upgrade() else { return };
        let is_free = {
            let this = Arc::clone(&this);
            move |endpoint: &DocumentId, begun: usize| this.has_room(endpoint, begun)
        };
        let next = match this.webhooks.begin(this.slots.available_permits(), is_free).await {
            Ok(Due { attempts, next }) => {
                for attempt in attempts {
                    this.count(&attempt);
                    tokio::spawn(Arc::clone(&this).attempt_in_background(attempt));
                }
                next
            }
            Err(StoreError::RunDeleted) => return,
            Err(error) => {
                tracing::error!(%error, "reading the deliveries of webhooks failed");
                Some(this.webhooks.now())
            }
        };
        let now = this.webhooks.now();
        drop(this);
        sleep(MIN_SLEEP).await;
        match next {
            // It ends early if a delivery is added or ends.
            Some(next) => drop(timeout(next.duration_since(now).min(MAX_SLEEP), new.wake.notified()).await),
            None => new.wake.notified().await,
        }
    }
}

impl Inner {
    /// Returns true if one more attempt at an endpoint may begin, beside those that `begun` counts.
    fn has_room(&self, endpoint: &DocumentId, begun: usize) -> bool {
        let in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        in_progress.get(endpoint).copied().unwrap_or_default() + begun < MAX_OF_ENDPOINT
    }

    fn count(&self, attempt: &Attempt) {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        *in_progress.entry(attempt.delivery.endpoint.clone()).or_default() += 1;
    }

    fn discount(&self, endpoint: &DocumentId) {
        let mut in_progress = self.in_progress.lock().unwrap_or_else(PoisonError::into_inner);
        let left = in_progress.get(endpoint).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            in_progress.remove(endpoint)
        } else {
            in_progress.insert(endpoint.clone(), left)
        };
    }

    async fn attempt_in_background(self: Arc<Self>, attempt: Attempt) {
        let endpoint = attempt.delivery.endpoint.clone();
        if let Err(error) = self.attempt(attempt).await {
            tracing::error!(%error, "storing the result of a webhook failed");
        }
        self.discount(&endpoint);
        self.new.wake.notify_one();
    }

    /// Sends the requests of an attempt, and stores its result.
    async fn attempt(&self, attempt: Attempt) -> Result<(), StoreError> {
        let Attempt { delivery, requests } = attempt;
        let mut succeeded = true;
        {
            // The semaphore is never closed.
            let _slot = self.slots.acquire().await.ok();
            for request in requests {
                succeeded &= self.sender.send(request).await;
            }
        }
        tracing::info!(
            event = delivery.event.as_str(),
            endpoint = delivery.endpoint.as_str(),
            attempt = delivery.attempts + 1,
            fault = delivery.fault.map(<&str>::from),
            succeeded,
            "webhook sent"
        );
        self.webhooks.end(delivery, succeeded).await
    }
}
