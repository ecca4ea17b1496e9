//! The protocol that every operation of every context follows, in one transaction:
//! replay? → decide → load → guard → apply → record → journal. Chaos can delay the answer after it.
//!
//! An operation continues after its caller disconnects.

mod call;
mod execution;
mod operation_context;
mod reply;

use std::{panic, sync::Arc};

use futures::FutureExt;
use service_kit::traces;
use tracing::Instrument;

pub use call::{Call, Target};
pub use execution::decide_next;
pub use operation_context::OperationContext;
pub use reply::{Answer, KeyRefusal, NOTHING_TO_UNDO, Reply};

use self::execution::{Conclusion, Execution, StartResult};
use crate::shared::{
    chaos::delay_answer,
    clock::Timestamp,
    deps::Deps,
    ids::OrderId,
    resource::{Part, Repository, Resource, Snapshot},
    store::{StoreError, Transaction},
};

/// The protocol for one kind of resource.
pub struct Protocol<R>(Arc<ProtocolInner<R>>);

struct ProtocolInner<R> {
    deps: Deps,
    records: Arc<dyn Repository<R>>,
}

impl<R> Clone for Protocol<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Resource> Protocol<R> {
    #[must_use]
    pub fn new(deps: &Deps, records: Arc<dyn Repository<R>>) -> Self {
        Self(Arc::new(ProtocolInner { deps: deps.clone(), records }))
    }

    /// Executes an operation that creates a resource.
    pub async fn create(
        &self,
        call: Call,
        order: Option<OrderId>,
        make: impl FnOnce(&mut OperationContext<'_>) -> R + Send + 'static,
    ) -> Reply<R> {
        let this = self.clone();
        run_detached(async move {
            let received_at = this.now();
            let concluded = this
                .transact(call, received_at, move |mut execution| execution.create(order.as_ref(), make))
                .await;
            this.answer(concluded).await
        })
        .await
    }

    /// Executes an operation that creates a resource and takes as long as `making`. Meanwhile its key is in
    /// flight. If an undo comes first, nothing is committed.
    pub async fn create_with_duration(
        &self,
        call: Call,
        order: Option<OrderId>,
        making: impl Future<Output = ()> + Send + 'static,
        make: impl FnOnce(&mut OperationContext<'_>) -> R + Send + 'static,
    ) -> Reply<R> {
        let this = self.clone();
        run_detached(async move {
            let received_at = this.now();
            let (first, second) = (call.clone(), call);
            let concluded = match this
                .transact(first, received_at, move |mut execution| execution.start(order.as_ref()))
                .await
            {
                Ok(StartResult::Started(started)) => {
                    making.await;
                    this.transact(second, received_at, move |mut execution| execution.complete(started, make))
                        .await
                }
                Ok(StartResult::Concluded(concluded)) => Ok(*concluded),
                Err(error) => Err(error),
            };
            this.answer(concluded).await
        })
        .await
    }

    /// Executes an operation that changes a resource. The target is its id or the key of the request that created it.
    pub async fn change(
        &self,
        call: Call,
        target: Target,
        change: impl FnOnce(&mut OperationContext<'_>, &mut R) -> Result<Option<Part>, R::Error> + Send + 'static,
    ) -> Reply<R> {
        let this = self.clone();
        run_detached(async move {
            let received_at = this.now();
            let concluded = this
                .transact(call, received_at, move |mut execution| execution.change(&target, change))
                .await;
            this.answer(concluded).await
        })
        .await
    }

    /// Returns the current state of a resource.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn find(&self, id: String) -> Result<Option<Snapshot<R>>, StoreError> {
        let inner = Arc::clone(&self.0);
        self.0
            .deps
            .store
            .transact(move |tx| match inner.records.load(tx, &id)? {
                Some(resource) => Ok(Some(Snapshot {
                    now: inner.deps.clock.now(),
                    shipped_at: shipped_at(tx, resource.order())?,
                    resource,
                })),
                None => Ok(None),
            })
            .await
    }

    fn now(&self) -> Timestamp {
        self.0.deps.clock.now()
    }

    async fn transact<T: Send + 'static>(
        &self,
        call: Call,
        received_at: Timestamp,
        work: impl FnOnce(Execution<'_, R>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let span =
            tracing::info_span!(target: traces::TARGET, "transaction", operation = call.operation.name());
        self.0
            .deps
            .store
            .transact(move |tx| work(Execution::new(&inner.deps, &*inner.records, tx, &call, received_at)))
            .instrument(span)
            .await
    }

    /// Records the request, applies the delay of chaos, and returns the reply.
    async fn answer(&self, concluded: Result<Conclusion<R>, StoreError>) -> Reply<R> {
        match concluded {
            Ok(Conclusion { answer, wire_fault, delay, line }) => {
                let Deps { telemetry, request_counts, run, .. } = &self.0.deps;
                telemetry.record(&line);
                request_counts.count(&line);
                if let Some(decided) = &line.decided {
                    traces::record("chaos.scenario", decided.decision.scenario.name);
                    traces::record("chaos.attempt", i64::from(decided.decision.attempt));
                }
                delay_answer(delay).await;
                Reply { answer, decision: line.decision_header(run), replayed: line.replayed, wire_fault }
            }
            Err(error) => Reply {
                answer: Answer::StoreFailed(error),
                decision: None,
                replayed: false,
                wire_fault: None,
            },
        }
    }
}

fn shipped_at(tx: &dyn Transaction, order: Option<&OrderId>) -> Result<Option<Timestamp>, StoreError> {
    let recorded = order.map(|order| tx.outcome(order)).transpose()?.flatten();
    Ok(recorded.and_then(crate::shared::orders::RecordedOutcome::shipped_at))
}

/// Runs `work` to its end, even if the caller disconnects. Work that waits becomes a separate task.
async fn run_detached<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut work = Box::pin(work);
    if let Some(value) = work.as_mut().now_or_never() {
        return value;
    }
    match tokio::spawn(traces::in_current_trace(work)).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            // Tasks are cancelled only when the process ends.
            Err(_) => std::future::pending().await,
        },
    }
}
