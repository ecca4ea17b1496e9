//! What the truth is asked and told.

use crate::shared::{ids::OrderId, orders::Outcome};

#[derive(Debug, Clone)]
pub struct TellOutcome {
    pub order_id: OrderId,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Default)]
pub struct VerdictQuery {
    /// Only this order.
    pub order_id: Option<OrderId>,
    /// Everything is over, so that no order may be open.
    pub everything_is_over: bool,
}

/// Which lines of the journal; each part that is there must fit.
#[derive(Debug, Clone)]
pub struct JournalQuery {
    pub limit: usize,
    pub operation: Option<String>,
    pub order_id: Option<String>,
    pub scenario: Option<String>,
}
