//! A label: generated → cancelled. Before it is generated, there is only its progress.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::ShippingError;
use crate::shared::{
    clock::Timestamp,
    ids::{OrderId, id},
};

id! { LabelId, "lbl_" }
id! {
    /// A carrier's name.
    Carrier
}

/// The facts of a label that never change. The address is personal data, so it is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub id: LabelId,
    pub tracking_number: String,
    pub carrier: Carrier,
    pub order_id: Option<OrderId>,
    /// True for the way back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_return: bool,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    #[serde(flatten)]
    terms: Terms,
    cancelled_at: Option<Timestamp>,
}

/// Returns a number in the form of UPS: `1Z` and 16 characters.
#[must_use]
pub fn tracking_number(uuid: Uuid) -> String {
    let (high, low) = uuid.as_u64_pair();
    format!("1Z{:016X}", high ^ low)
}

impl Label {
    #[must_use]
    pub const fn generated(terms: Terms) -> Self {
        Self { terms, cancelled_at: None }
    }

    /// Returns a label with a stored cancellation.
    #[cfg(test)]
    #[must_use]
    pub const fn restored(terms: Terms, cancelled_at: Option<Timestamp>) -> Self {
        Self { terms, cancelled_at }
    }

    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    #[must_use]
    pub const fn cancelled_at(&self) -> Option<Timestamp> {
        self.cancelled_at
    }

    #[must_use]
    pub const fn status(&self) -> &'static str {
        if self.cancelled_at.is_some() { "cancelled" } else { "generated" }
    }

    /// Cancels the label.
    ///
    /// # Errors
    /// Fails if the label is already cancelled.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), ShippingError> {
        if self.cancelled_at.is_some() {
            return Err(ShippingError::AlreadyCancelled);
        }
        self.cancelled_at = Some(now);
        Ok(())
    }
}

/// The progress of the label that was requested with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// No request used this key, or the request was refused.
    Unknown,
    /// The label is being generated. The percentage is below 100.
    Generating {
        percent: u8,
    },
    Generated(Label),
    /// The key was undone before the label was generated.
    Cancelled,
}

impl Progress {
    /// Returns the progress of a label after `elapsed` of its `duration`.
    #[must_use]
    pub fn generating(elapsed: Duration, duration: Duration) -> Self {
        let percent = (elapsed.as_millis() * 100).checked_div(duration.as_millis()).unwrap_or(99);
        Self::Generating { percent: u8::try_from(percent.min(99)).unwrap_or(99) }
    }

    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Generating { .. } => "generating",
            Self::Generated(label) => label.status(),
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the percentage, from 0 to 100.
    #[must_use]
    pub const fn percent(&self) -> u8 {
        match self {
            Self::Unknown | Self::Cancelled => 0,
            Self::Generating { percent } => *percent,
            Self::Generated(_) => 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_cancelled_once() {
        let now = Timestamp::from_millis(7);
        let mut label = Label::generated(Terms {
            id: LabelId::mint(Uuid::nil()),
            tracking_number: tracking_number(Uuid::nil()),
            carrier: "UPS".parse().unwrap(),
            order_id: None,
            is_return: false,
            created_at: now,
        });
        assert_eq!(label.cancel(now), Ok(()));
        assert_eq!(label.cancel(now), Err(ShippingError::AlreadyCancelled));
    }

    #[test]
    fn progress_is_the_elapsed_share_and_only_a_generated_label_has_100_percent() {
        let duration = Duration::from_secs(20);
        let percent = |seconds| Progress::generating(Duration::from_secs(seconds), duration).percent();
        assert_eq!([percent(0), percent(5), percent(19), percent(20), percent(500)], [0, 25, 95, 99, 99]);
        assert_eq!(Progress::generating(Duration::ZERO, Duration::ZERO).percent(), 99);
    }

    #[test]
    fn a_tracking_number_has_18_characters() {
        assert_eq!(tracking_number(Uuid::from_u128(1)), "1Z0000000000000001");
        assert_eq!(tracking_number(Uuid::max()).len(), 18);
    }
}
