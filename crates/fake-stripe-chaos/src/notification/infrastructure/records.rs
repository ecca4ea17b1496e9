//! Notifications as JSON records in the store.

use crate::{
    notification::domain::Notification,
    shared::{
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
};

const KIND: &str = "notification";

#[derive(Debug, Clone, Copy)]
pub struct NotificationRecords;

impl Repository<Notification> for NotificationRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Notification>, StoreError> {
        tx.get(KIND, id)?.map(|text| decode(KIND, id, &text)).transpose()
    }

    fn save(&self, tx: &mut dyn Transaction, notification: &Notification) -> Result<(), StoreError> {
        tx.put(KIND, notification.id(), encode(KIND, notification.id(), notification)?)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        notification::domain::{Channel, NotificationId},
        shared::{clock::Timestamp, store::golden::assert_golden},
    };

    #[test]
    fn every_channel_of_a_notification_is_stored_as_the_golden_file_says() {
        let notification = |channel, order: &str| Notification {
            id: NotificationId::mint(Uuid::nil()),
            channel,
            recipient: "ada@example.com".to_owned(),
            order_id: order.parse().ok(),
            sent_at: Timestamp::from_millis(1),
        };
        let mut notifications = [Channel::Email, Channel::Sms, Channel::Push]
            .map(|channel| notification(channel, "order-1"))
            .to_vec();
        notifications.push(notification(Channel::Email, ""));
        let golden = include_str!("../../../tests/store/golden/notification.jsonl");
        assert_golden(&NotificationRecords, KIND, golden, &notifications);
    }
}
