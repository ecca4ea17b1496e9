//! The known orders and the outcomes that an observer recorded.

use std::{fmt, str::FromStr};

use crate::shared::{clock::Timestamp, ids::OrderId, store::StoreError};

/// The end of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Shipped,
    /// It shipped, and the customer sent back a part of it.
    PartlyReturned,
    /// It shipped, and the customer sent back all of it.
    Returned,
    /// Paid, with nothing to ship.
    Paid,
    NotShipped,
}

impl Outcome {
    pub const ALL: [Self; 5] =
        [Self::Shipped, Self::PartlyReturned, Self::Returned, Self::Paid, Self::NotShipped];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::PartlyReturned => "partly_returned",
            Self::Returned => "returned",
            Self::Paid => "paid",
            Self::NotShipped => "not_shipped",
        }
    }

    /// Returns true if the order shipped, whatever came back.
    #[must_use]
    pub const fn has_shipped(self) -> bool {
        matches!(self, Self::Shipped | Self::PartlyReturned | Self::Returned)
    }

    /// Returns true if an order with this outcome can get the other one.
    #[must_use]
    pub const fn can_become(self, other: Self) -> bool {
        match self {
            Self::Paid | Self::NotShipped => true,
            Self::Shipped => matches!(other, Self::PartlyReturned | Self::Returned),
            Self::PartlyReturned => matches!(other, Self::Returned),
            Self::Returned => false,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be `shipped`, `partly_returned`, `returned`, `paid` or `not_shipped`")]
pub struct UnknownOutcome;

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == text).ok_or(UnknownOutcome)
    }
}

/// An outcome and the time of its record; after a return, the time at which the shipping was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedOutcome {
    pub outcome: Outcome,
    pub at: Timestamp,
}

impl RecordedOutcome {
    /// Returns the time of shipping, if the order shipped.
    #[must_use]
    pub fn shipped_at(self) -> Option<Timestamp> {
        self.outcome.has_shipped().then_some(self.at)
    }
}

/// The orders in the store.
pub trait Orders {
    /// Adds an order.
    ///
    /// # Errors
    /// When the store fails.
    fn add_order(&mut self, order: &OrderId) -> Result<(), StoreError>;
    /// # Errors
    /// When the store fails.
    fn has_order(&self, order: &OrderId) -> Result<bool, StoreError>;
    /// Returns every known order, sorted.
    ///
    /// # Errors
    /// When the store fails.
    fn orders(&self) -> Result<Vec<OrderId>, StoreError>;

    /// # Errors
    /// When the store fails.
    fn outcome(&self, order: &OrderId) -> Result<Option<RecordedOutcome>, StoreError>;
    /// # Errors
    /// When the store fails.
    fn set_outcome(&mut self, order: &OrderId, outcome: RecordedOutcome) -> Result<(), StoreError>;
}

/// Returns true if the order shipped while a reservation of this period was live.
#[must_use]
pub fn was_live_at_shipping(shipped_at: Option<Timestamp>, from: Timestamp, until: Timestamp) -> bool {
    shipped_at.is_some_and(|at| from <= at && at < until)
}
