//! Notifications as JSON records in the store.

use serde::{Deserialize, Serialize};

use crate::{
    notification::domain::{Channel, Notification, NotificationId},
    shared::{
        clock::Timestamp,
        ids::OrderId,
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
};

const KIND: &str = "notification";

#[derive(Debug, Clone, Copy)]
pub struct NotificationRecords;

impl Repository<Notification> for NotificationRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Notification>, StoreError> {
        let record =
            tx.get(KIND, id)?.map(|text| decode::<NotificationRecord>(KIND, id, &text)).transpose()?;
        Ok(record.map(Notification::from))
    }

    fn save(&self, tx: &mut dyn Transaction, notification: &Notification) -> Result<(), StoreError> {
        let text = encode(KIND, notification.id(), &NotificationRecord::from(notification))?;
        tx.put(KIND, notification.id(), text)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct NotificationRecord {
    id: NotificationId,
    channel: ChannelRecord,
    recipient: String,
    order_id: Option<OrderId>,
    sent_at: Timestamp,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChannelRecord {
    Email,
    Sms,
    Push,
}

impl From<&Notification> for NotificationRecord {
    fn from(notification: &Notification) -> Self {
        let Notification { id, channel, recipient, order_id, sent_at } = notification.clone();
        let channel = match channel {
            Channel::Email => ChannelRecord::Email,
            Channel::Sms => ChannelRecord::Sms,
            Channel::Push => ChannelRecord::Push,
        };
        Self { id, channel, recipient, order_id, sent_at }
    }
}

impl From<NotificationRecord> for Notification {
    fn from(record: NotificationRecord) -> Self {
        let NotificationRecord { id, channel, recipient, order_id, sent_at } = record;
        let channel = match channel {
            ChannelRecord::Email => Channel::Email,
            ChannelRecord::Sms => Channel::Sms,
            ChannelRecord::Push => Channel::Push,
        };
        Self { id, channel, recipient, order_id, sent_at }
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
        assert_golden(NotificationRecords, KIND, golden, notifications);
    }
}
