//! The ports of payments, and they as a resource of the shared protocol.

use super::commands::{AUTHORIZE, CAPTURE, CHARGE};
use crate::{
    payment::domain::{Payment, PaymentError},
    shared::{
        chaos::Scenario,
        ids::OrderId,
        operation::Operation,
        resource::{Part, Repository, Resource, UndoState},
    },
};

/// Stores and loads payments.
pub type PaymentRepository = dyn Repository<Payment>;

/// The refusals that chaos can inject.
const REFUSALS: [PaymentError; 3] =
    [PaymentError::InsufficientFunds, PaymentError::AlreadyCaptured, PaymentError::AlreadyRefunded];

impl Resource for Payment {
    type Error = PaymentError;

    const UNDOABLE: &'static [Operation] = &[AUTHORIZE, CAPTURE, CHARGE];

    fn id(&self) -> &str {
        self.terms().auth_id.as_str()
    }

    fn order(&self) -> Option<&OrderId> {
        self.terms().order_id.as_ref()
    }

    fn undo_state(&self, error: &PaymentError) -> UndoState {
        match error {
            PaymentError::AlreadyReleased => UndoState::AlreadyUndone(None),
            PaymentError::AlreadyRefunded => {
                UndoState::AlreadyUndone(self.refunds().last().map(|refund| Part(refund.id.to_string())))
            }
            PaymentError::Released | PaymentError::Refunded | PaymentError::Expired => {
                UndoState::NoEffectLeft
            }
            _ => UndoState::InEffect,
        }
    }

    fn not_found(id: &str) -> PaymentError {
        PaymentError::NotFound(id.to_owned())
    }

    fn refusal(scenario: Scenario) -> Option<PaymentError> {
        REFUSALS.into_iter().find(|error| Self::code(error) == scenario.name)
    }

    fn code(error: &PaymentError) -> &'static str {
        error.into()
    }
}
