//! The ports of shipping, and a label as a resource of the shared protocol.

use std::time::Duration;

use async_trait::async_trait;

use super::commands::{CREATE_LABEL, CREATE_RETURN_LABEL};
use crate::{
    shared::{
        chaos::Scenario,
        ids::OrderId,
        operation::Operation,
        resource::{Repository, Resource, UndoState},
    },
    shipping::domain::{Label, ShippingError},
};

/// Stores and loads labels.
pub type LabelRepository = dyn Repository<Label>;

/// The refusals that chaos can inject.
const REFUSALS: [ShippingError; 1] = [ShippingError::AddressRejected];

/// Generates labels. Each takes some time.
#[async_trait]
pub trait LabelPrinter: Send + Sync {
    /// Returns the duration of one label.
    fn duration(&self) -> Duration;
    /// Returns after the duration of one label.
    async fn print(&self);
}

impl Resource for Label {
    type Error = ShippingError;

    const UNDOABLE: &'static [Operation] = &[CREATE_LABEL, CREATE_RETURN_LABEL];

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
        REFUSALS.into_iter().find(|error| Self::code(error) == scenario.name)
    }

    fn code(error: &ShippingError) -> &'static str {
        error.into()
    }
}
