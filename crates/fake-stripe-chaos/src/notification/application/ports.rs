//! What notification needs from outside, and what a notification is to the shared protocol.

use crate::{
    notification::domain::{Notification, NotificationError},
    shared::{
        chaos::Scenario,
        ids::OrderId,
        operation::Operation,
        resource::{Repository, Resource, UndoState},
    },
};

/// Where notifications are kept.
pub type NotificationRepository = dyn Repository<Notification>;

impl Resource for Notification {
    type Error = NotificationError;

    /// What is sent is sent.
    const UNDOABLE: &'static [Operation] = &[];

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn order(&self) -> Option<&OrderId> {
        self.order_id.as_ref()
    }

    fn undo_state(&self, _: &NotificationError) -> UndoState {
        UndoState::InEffect
    }

    fn not_found(id: &str) -> NotificationError {
        NotificationError::NotFound(id.to_owned())
    }

    fn refusal(_: Scenario) -> Option<NotificationError> {
        None
    }

    fn code(error: &NotificationError) -> &'static str {
        error.code()
    }
}
