//! The ports of notification, and a notification as a resource of the shared protocol.

use crate::{
    notification::domain::{Notification, NotificationError},
    shared::{
        chaos::Scenario,
        ids::OrderId,
        operation::Operation,
        resource::{Repository, Resource, UndoState},
    },
};

/// Stores and loads notifications.
pub type NotificationRepository = dyn Repository<Notification>;

impl Resource for Notification {
    type Error = NotificationError;

    /// A sent notification cannot be undone.
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
        error.into()
    }
}
