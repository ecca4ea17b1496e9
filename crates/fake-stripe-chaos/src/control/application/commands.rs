//! What chaos is told.

use std::collections::BTreeMap;

use crate::shared::{chaos::Scenario, ids::OrderId, operation::Operation};

/// What the next attempts of an order's operations are to meet.
#[derive(Debug, Clone)]
pub struct Plan {
    pub order_id: OrderId,
    pub scripts: BTreeMap<Operation, Vec<Scenario>>,
}
