//! The ports of inventory, and a reservation as a resource of the shared protocol.

use super::commands::RESERVE;
use crate::{
    inventory::domain::{InventoryError, Reservation},
    shared::{
        chaos::Scenario,
        ids::OrderId,
        operation::Operation,
        resource::{Repository, Resource, UndoState},
    },
};

/// Stores and loads reservations.
pub type ReservationRepository = dyn Repository<Reservation>;

/// The refusals that chaos can inject.
const REFUSALS: [InventoryError; 1] = [InventoryError::OutOfStock];

impl Resource for Reservation {
    type Error = InventoryError;

    const UNDOABLE: &'static [Operation] = &[RESERVE];

    fn id(&self) -> &str {
        self.terms().id.as_str()
    }

    fn order(&self) -> Option<&OrderId> {
        self.terms().order_id.as_ref()
    }

    fn undo_state(&self, error: &InventoryError) -> UndoState {
        match error {
            InventoryError::AlreadyReleased => UndoState::AlreadyUndone(None),
            InventoryError::Expired => UndoState::NoEffectLeft,
            _ => UndoState::InEffect,
        }
    }

    fn not_found(id: &str) -> InventoryError {
        InventoryError::NotFound(id.to_owned())
    }

    fn refusal(scenario: Scenario) -> Option<InventoryError> {
        REFUSALS.into_iter().find(|error| Self::code(error) == scenario.name)
    }

    fn code(error: &InventoryError) -> &'static str {
        error.into()
    }
}
