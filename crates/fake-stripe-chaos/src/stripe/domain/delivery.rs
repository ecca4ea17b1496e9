//! Deliveries of events to webhook endpoints: their faults, their times and their end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{document::DocumentId, event::EventId};
use crate::shared::clock::Timestamp;

/// The most attempts of a delivery.
pub const MAX_ATTEMPTS: u32 = 8;
/// The time in which an attempt must end. After a crash, the attempt is repeated.
pub const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);
/// The age of an old timestamp. The SDKs accept five minutes.
const OLD: Duration = Duration::from_mins(10);
/// An event is sent after the answer of the request that caused it.
const AFTER_ANSWER: Duration = Duration::from_millis(100);

/// A fault of a delivery.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DeliveryFault {
    /// The event is sent twice.
    Duplicated,
    /// Later events are sent first.
    Reordered,
    Late,
    /// The event is never sent. `GET /v1/events` still has it.
    Dropped,
    /// The first attempt has the signature of another secret.
    BadSignature,
    /// The first attempt has a signature of ten minutes ago.
    OldTimestamp,
    /// The event is sent before the answer of the request that caused it.
    DeliveredBeforeAnswer,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Chaos has not decided yet.
    New,
    Pending,
    Delivered,
    Failed,
}

/// One event for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub event: EventId,
    pub endpoint: DocumentId,
    pub state: DeliveryState,
    pub fault: Option<DeliveryFault>,
    /// The number of ended attempts.
    pub attempts: u32,
    pub due: Timestamp,
}

impl Delivery {
    #[must_use]
    pub fn new(event: EventId, endpoint: DocumentId, now: Timestamp) -> Self {
        let due = now.saturating_add(AFTER_ANSWER);
        Self { event, endpoint, state: DeliveryState::New, fault: None, attempts: 0, due }
    }

    #[must_use]
    pub fn id(&self) -> String {
        format!("{}.{}", self.event, self.endpoint)
    }

    #[cfg(test)]
    const fn is_open(&self) -> bool {
        matches!(self.state, DeliveryState::New | DeliveryState::Pending)
    }

    /// Applies the decision of chaos. `pause` is the pause before the first retry.
    pub fn decide(&mut self, fault: Option<DeliveryFault>, pause: Duration, now: Timestamp) {
        self.fault = fault;
        self.state = DeliveryState::Pending;
        match fault {
            Some(DeliveryFault::Dropped) => self.state = DeliveryState::Failed,
            Some(DeliveryFault::DeliveredBeforeAnswer) => self.due = now,
            Some(DeliveryFault::Reordered) => self.due = self.due.saturating_add(pause),
            Some(DeliveryFault::Late) => self.due = self.due.saturating_add(pause * 5),
            _ => {}
        }
    }

    /// Returns true if an attempt is due. The attempt then has until the new time.
    pub fn begin(&mut self, now: Timestamp) -> bool {
        let is_due = self.state == DeliveryState::Pending && now >= self.due;
        if is_due {
            self.due = now.saturating_add(ATTEMPT_LIMIT);
        }
        is_due
    }

    /// Ends an attempt. A failed one is repeated after a pause that doubles each time.
    pub fn end(&mut self, succeeded: bool, pause: Duration, now: Timestamp) {
        self.attempts += 1;
        if succeeded {
            self.state = DeliveryState::Delivered;
        } else if self.attempts >= MAX_ATTEMPTS {
            self.state = DeliveryState::Failed;
        } else {
            self.due = now.saturating_add(pause.saturating_mul(1 << (self.attempts - 1)));
        }
    }

    /// Returns the number of requests of the next attempt.
    #[must_use]
    pub fn copies(&self) -> usize {
        if self.fault == Some(DeliveryFault::Duplicated) && self.attempts == 0 { 2 } else { 1 }
    }

    /// Returns true if the next attempt has the signature of another secret.
    #[must_use]
    pub fn has_bad_signature(&self) -> bool {
        self.fault == Some(DeliveryFault::BadSignature) && self.attempts == 0
    }

    /// Returns the time in the signature of the next attempt.
    #[must_use]
    pub fn signed_at(&self, now: Timestamp) -> Timestamp {
        let is_old = self.fault == Some(DeliveryFault::OldTimestamp) && self.attempts == 0;
        if is_old {
            Timestamp::from_millis(now.millis() - i64::try_from(OLD.as_millis()).unwrap_or(0))
        } else {
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const PAUSE: Duration = Duration::from_secs(1);

    fn decided(fault: Option<DeliveryFault>) -> Delivery {
        let mut delivery = Delivery::new("evt_1".parse().unwrap(), "we_1".parse().unwrap(), NOW);
        delivery.decide(fault, PAUSE, NOW);
        delivery
    }

    fn later(millis: u64) -> Timestamp {
        NOW.saturating_add(Duration::from_millis(millis))
    }

    #[test]
    fn an_event_is_due_shortly_after_its_answer_and_a_fault_moves_that_time() {
        let due = |fault| decided(fault).due;
        assert_eq!(due(None), later(100));
        assert_eq!(due(Some(DeliveryFault::DeliveredBeforeAnswer)), NOW);
        assert_eq!(due(Some(DeliveryFault::Reordered)), later(1100));
        assert_eq!(due(Some(DeliveryFault::Late)), later(5100));
        assert!(!decided(Some(DeliveryFault::Dropped)).is_open());
    }

    #[test]
    fn a_failed_attempt_is_repeated_after_doubling_pauses_until_the_last() {
        let mut delivery = decided(None);
        let mut pauses = Vec::new();
        while delivery.is_open() {
            assert!(delivery.begin(delivery.due));
            delivery.end(false, PAUSE, NOW);
            pauses.push(delivery.due.duration_since(NOW).as_secs());
        }
        assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!((delivery.attempts, delivery.state), (MAX_ATTEMPTS, DeliveryState::Failed));
    }

    #[test]
    fn only_the_first_attempt_is_duplicated_or_signed_wrongly() {
        let mut twice = decided(Some(DeliveryFault::Duplicated));
        let mut unsigned = decided(Some(DeliveryFault::BadSignature));
        let mut old = decided(Some(DeliveryFault::OldTimestamp));
        assert_eq!(
            (twice.copies(), unsigned.has_bad_signature(), old.signed_at(NOW)),
            (2, true, Timestamp::from_millis(400_000))
        );
        for delivery in [&mut twice, &mut unsigned, &mut old] {
            delivery.end(false, PAUSE, NOW);
        }
        assert_eq!((twice.copies(), unsigned.has_bad_signature(), old.signed_at(NOW)), (1, false, NOW));
    }

    #[test]
    fn an_attempt_that_has_begun_is_not_due_again_until_its_limit() {
        let mut delivery = decided(None);
        assert!(!delivery.begin(NOW));
        assert!(delivery.begin(later(100)));
        assert!(!delivery.begin(later(200)));
        assert!(delivery.begin(later(31_000)));
    }
}
