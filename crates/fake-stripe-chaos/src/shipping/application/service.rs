//! The use cases of shipping. Each changes a label and posts to the ledger. The protocol brings the replay,
//! chaos, the transaction and the journal.

use std::sync::Arc;

use super::{
    commands::{CREATE_RETURN_LABEL, Cancel, CreateLabel},
    ports::{LabelPrinter, LabelRepository},
};
use crate::{
    shared::{
        deps::Deps,
        idempotency::StoredAnswer,
        ids::Key,
        ledger::Posting,
        protocol::{Call, Protocol, Reply},
        resource::{Resource, Snapshot},
        store::StoreError,
    },
    shipping::domain::{Label, LabelId, Progress, Terms, tracking_number},
};

pub struct ShippingService {
    labels: Protocol<Label>,
    repository: Arc<LabelRepository>,
    printer: Arc<dyn LabelPrinter>,
    deps: Deps,
}

impl ShippingService {
    #[must_use]
    pub fn new(deps: &Deps, repository: Arc<LabelRepository>, printer: Arc<dyn LabelPrinter>) -> Self {
        let labels = Protocol::new(deps, Arc::clone(&repository));
        Self { labels, repository, printer, deps: deps.clone() }
    }

    /// Creates a label: for the way back if the call is a [`CREATE_RETURN_LABEL`].
    pub async fn create_label(&self, call: Call, command: CreateLabel) -> Reply<Label> {
        let is_return = call.operation == CREATE_RETURN_LABEL;
        let order = command.order_id.clone();
        let printer = Arc::clone(&self.printer);
        let printing = async move { printer.print().await };
        self.labels
            .create_with_duration(call, order, printing, move |work| {
                work.post(if is_return { Posting::ReturnLabelled } else { Posting::Labelled });
                Label::generated(Terms {
                    id: LabelId::mint(work.new_id()),
                    tracking_number: tracking_number(work.new_id()),
                    carrier: command.carrier,
                    order_id: command.order_id,
                    is_return,
                    created_at: work.now,
                })
            })
            .await
    }

    pub async fn cancel(&self, call: Call, command: Cancel) -> Reply<Label> {
        self.labels
            .change(call, command.target, |work, label| {
                label.cancel(work.now)?;
                let is_return = label.terms().is_return;
                work.post(if is_return { Posting::ReturnLabelCancelled } else { Posting::LabelCancelled });
                Ok(None)
            })
            .await
    }

    /// Finds a resource by its id.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn find(&self, id: String) -> Result<Option<Snapshot<Label>>, StoreError> {
        self.labels.find(id).await
    }

    /// Returns the progress of the label that was requested with a key.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn progress(&self, key: Key) -> Result<Progress, StoreError> {
        let (repository, clock) = (Arc::clone(&self.repository), Arc::clone(&self.deps.clock));
        let duration = self.printer.duration();
        self.deps
            .store
            .transact(move |tx| {
                if let Some(record) = tx.record(&key)?
                    && Label::UNDOABLE.contains(&record.operation)
                    && let StoredAnswer::Effect { resource: id, .. } = &record.answer
                    && let Some(label) = repository.load(tx, id)?
                {
                    return Ok(Progress::Generated(label));
                }
                if tx.tombstone(&key)?.is_some() {
                    return Ok(Progress::Cancelled);
                }
                Ok(tx
                    .in_flight(&key)?
                    .filter(|flight| Label::UNDOABLE.contains(&flight.operation))
                    .map_or(Progress::Unknown, |flight| {
                        Progress::generating(clock.now().duration_since(flight.since), duration)
                    }))
            })
            .await
    }
}
