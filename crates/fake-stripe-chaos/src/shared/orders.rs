//! The orders the provider was ever asked about, and how each ended, as told by who watches from outside.

use std::{fmt, str::FromStr};

use crate::shared::{clock::Timestamp, ids::OrderId, store::StoreError};

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Shipped,
    /// Paid for, and there is nothing to ship.
    Paid,
    NotShipped,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Shipped, Self::Paid, Self::NotShipped];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Paid => "paid",
            Self::NotShipped => "not_shipped",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `shipped`, `paid` or `not_shipped`")]
pub struct UnknownOutcome;

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == text).ok_or(UnknownOutcome)
    }
}

/// An outcome and when it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedOutcome {
    pub outcome: Outcome,
    pub at: Timestamp,
}

impl RecordedOutcome {
    /// When the order shipped, if it did.
    #[must_use]
    pub fn shipped_at(self) -> Option<Timestamp> {
        (self.outcome == Outcome::Shipped).then_some(self.at)
    }
}

/// The orders in the store.
pub trait Orders {
    /// Notes that there is such an order.
    ///
    /// # Errors
    /// When the store fails.
    fn add_order(&mut self, order: &OrderId) -> Result<(), StoreError>;
    /// # Errors
    /// When the store fails.
    fn has_order(&self, order: &OrderId) -> Result<bool, StoreError>;
    /// Every order that was ever seen, sorted.
    ///
    /// # Errors
    /// When the store fails.
    fn orders(&self) -> Result<Vec<OrderId>, StoreError>;

    /// # Errors
    /// When the store fails.
    fn outcome(&self, order: &OrderId) -> Result<Option<RecordedOutcome>, StoreError>;
    /// # Errors
    /// When the store fails.
    fn set_outcome(&mut self, order: &OrderId, told: RecordedOutcome) -> Result<(), StoreError>;
}

/// Whether an order that shipped at a time used what was reserved for it from one time until another.
#[must_use]
pub fn was_live_at_shipping(shipped_at: Option<Timestamp>, from: Timestamp, until: Timestamp) -> bool {
    shipped_at.is_some_and(|at| from <= at && at < until)
}
