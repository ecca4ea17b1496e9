//! Events: the changes of objects that webhooks report.

use serde::{Deserialize, Serialize};

use super::intent::{IntentId, RefundId};
use crate::shared::{clock::Timestamp, ids::Key, ids::OrderId, ids::id};

id! { EventId, "evt_" }

/// The type of an event, as Stripe names it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumIter,
)]
pub enum EventType {
    #[strum(serialize = "payment_intent.created")]
    IntentCreated,
    #[strum(serialize = "payment_intent.amount_capturable_updated")]
    IntentCapturable,
    #[strum(serialize = "payment_intent.succeeded")]
    IntentSucceeded,
    #[strum(serialize = "payment_intent.payment_failed")]
    IntentFailed,
    #[strum(serialize = "payment_intent.canceled")]
    IntentCanceled,
    #[strum(serialize = "charge.succeeded")]
    ChargeSucceeded,
    #[strum(serialize = "charge.captured")]
    ChargeCaptured,
    #[strum(serialize = "charge.failed")]
    ChargeFailed,
    #[strum(serialize = "charge.refunded")]
    ChargeRefunded,
    #[strum(serialize = "refund.created")]
    RefundCreated,
}

impl EventType {
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// An event. Its object is the intent, its charge or its refund, as it was at a version of the intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    pub id: EventId,
    pub kind: EventType,
    pub at: Timestamp,
    pub intent: IntentId,
    /// The number of the intent's changes up to the event.
    pub version: usize,
    pub refund: Option<RefundId>,
    pub order: Option<OrderId>,
    /// The idempotency key of the request that caused it.
    pub key: Option<Key>,
}
