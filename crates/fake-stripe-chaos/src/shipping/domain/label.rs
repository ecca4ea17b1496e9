//! A label: generated → cancelled. While it is being made there is none, only progress.

use std::time::Duration;

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

/// What never changes about a label. The address isn't kept: it is the carrier's, and personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub id: LabelId,
    pub tracking_number: String,
    pub carrier: Carrier,
    pub order_id: Option<OrderId>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    terms: Terms,
    cancelled_at: Option<Timestamp>,
}

/// `1Z` and 16 characters, as UPS numbers look.
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

    /// A label as it was left.
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

    /// # Errors
    /// When it is cancelled already.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), ShippingError> {
        if self.cancelled_at.is_some() {
            return Err(ShippingError::AlreadyCancelled);
        }
        self.cancelled_at = Some(now);
        Ok(())
    }
}

/// What became of the label that a key asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nobody asked with this key, or was refused.
    Unknown,
    /// It is being made; so many percent are done, never 100.
    Generating {
        percent: u8,
    },
    Made(Label),
    /// It was undone before it was made.
    Undone,
}

impl Progress {
    /// How far a label is that takes so long in all.
    #[must_use]
    pub fn generating(elapsed: Duration, takes: Duration) -> Self {
        let percent = (elapsed.as_millis() * 100).checked_div(takes.as_millis()).unwrap_or(99);
        Self::Generating { percent: u8::try_from(percent.min(99)).unwrap_or(99) }
    }

    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Generating { .. } => "generating",
            Self::Made(label) => label.status(),
            Self::Undone => "cancelled",
        }
    }

    /// 0 to 100.
    #[must_use]
    pub const fn percent(&self) -> u8 {
        match self {
            Self::Unknown | Self::Undone => 0,
            Self::Generating { percent } => *percent,
            Self::Made(_) => 100,
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
            created_at: now,
        });
        assert_eq!(label.cancel(now), Ok(()));
        assert_eq!(label.cancel(now), Err(ShippingError::AlreadyCancelled));
    }

    #[test]
    fn progress_is_a_share_of_the_time_and_only_a_label_is_complete() {
        let takes = Duration::from_secs(20);
        let percent = |seconds| Progress::generating(Duration::from_secs(seconds), takes).percent();
        assert_eq!([percent(0), percent(5), percent(19), percent(20), percent(500)], [0, 25, 95, 99, 99]);
        assert_eq!(Progress::generating(Duration::ZERO, Duration::ZERO).percent(), 99);
    }

    #[test]
    fn a_tracking_number_has_18_characters() {
        assert_eq!(tracking_number(Uuid::from_u128(1)), "1Z0000000000000001");
        assert_eq!(tracking_number(Uuid::max()).len(), 18);
    }
}
