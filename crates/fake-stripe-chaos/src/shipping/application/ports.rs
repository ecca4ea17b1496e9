//! What shipping needs from outside, and what a label is to the shared protocol.

use std::time::Duration;

use async_trait::async_trait;

use super::commands::CREATE_LABEL;
use crate::{
    shared::{
        chaos::Scenario,
        ids::OrderId,
        operation::Operation,
        resource::{Repository, Resource, UndoState},
    },
    shipping::domain::{Label, ShippingError},
};

/// Where labels are kept.
pub type LabelRepository = dyn Repository<Label>;

/// What chaos can pretend.
const REFUSALS: [ShippingError; 1] = [ShippingError::AddressRejected];

/// Makes labels, one at a time for each caller, and takes its time over each.
#[async_trait]
pub trait LabelPrinter: Send + Sync {
    /// How long a label takes.
    fn takes(&self) -> Duration;
    /// Ends when the label is made.
    async fn print(&self);
}

impl Resource for Label {
    type Error = ShippingError;

    const UNDOABLE: &'static [Operation] = &[CREATE_LABEL];

    fn id(&self) -> &str {
        self.terms().id.as_str()
    }

    fn order(&self) -> Option<&OrderId> {
        self.terms().order_id.as_ref()
    }

    fn undo_state(&self, error: &ShippingError) -> UndoState {
        match error {
            ShippingError::AlreadyCancelled => UndoState::AlreadyUndone(None),
            _ => UndoState::InEffect,
        }
    }

    fn not_found(id: &str) -> ShippingError {
        ShippingError::NotFound(id.to_owned())
    }

    fn refusal(scenario: Scenario) -> Option<ShippingError> {
        REFUSALS.into_iter().find(|error| error.code() == scenario.name)
    }

    fn code(error: &ShippingError) -> &'static str {
        error.code()
    }
}
