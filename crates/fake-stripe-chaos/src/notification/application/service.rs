//! The use cases of notification. The protocol brings the replay, chaos, the transaction and the journal.

use std::sync::Arc;

use super::{commands::Send, ports::NotificationRepository};
use crate::{
    notification::domain::{Notification, NotificationId},
    shared::{
        deps::Deps,
        ledger::Posting,
        protocol::{Call, Protocol, Reply},
        resource::Snapshot,
        store::StoreError,
    },
};

pub struct NotificationService {
    notifications: Protocol<Notification>,
}

impl NotificationService {
    #[must_use]
    pub fn new(deps: &Deps, repository: Arc<NotificationRepository>) -> Self {
        Self { notifications: Protocol::new(deps, repository) }
    }

    pub async fn send(&self, call: Call, command: Send) -> Reply<Notification> {
        let order = command.order_id.clone();
        self.notifications
            .create(call, order, move |work| {
                work.post(Posting::Notified);
                Notification {
                    id: NotificationId::mint(work.new_id()),
                    channel: command.channel,
                    recipient: command.recipient,
                    order_id: command.order_id,
                    sent_at: work.now,
                }
            })
            .await
    }

    /// Finds a resource by its id.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn find(&self, id: String) -> Result<Option<Snapshot<Notification>>, StoreError> {
        self.notifications.find(id).await
    }
}
