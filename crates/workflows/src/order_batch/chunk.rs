//! The pure state machine of a chunk: which orders start, and how they ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::messages::Allow;
use crate::{child_order::ChildOrder, failure::StateError, order_fulfillment::state::OrderStatus};

/// The end of an order in a batch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum OrderEnd {
    Shipped,
    Rejected,
    Cancelled,
    Failed,
    /// Another order has its id, so it never ran.
    AlreadyExists,
    /// Somebody ended its workflow from outside.
    EndedOutside,
    /// The batch was cancelled before it started.
    NotStarted,
}

impl OrderEnd {
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

impl From<&ChildOrder> for OrderEnd {
    fn from(end: &ChildOrder) -> Self {
        match end {
            ChildOrder::Shipped => Self::Shipped,
            ChildOrder::NotShipped { status: Some(OrderStatus::Rejected), .. } => Self::Rejected,
            ChildOrder::NotShipped { status: Some(OrderStatus::Cancelled), .. } => Self::Cancelled,
            ChildOrder::NotShipped { status: Some(_), .. } => Self::Failed,
            ChildOrder::NotShipped { status: None, error } if error.code == "ORDER_ALREADY_EXISTS" => {
                Self::AlreadyExists
            }
            ChildOrder::NotShipped { status: None, .. } => Self::EndedOutside,
        }
    }
}

/// An order that did not ship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unshipped {
    pub order_id: String,
    pub end: OrderEnd,
    pub error: StateError,
}

/// The progress of a chunk from its start. A later report replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkProgress {
    pub running: u32,
    pub ends: BTreeMap<OrderEnd, u32>,
    pub unshipped: Vec<Unshipped>,
    /// True if no further order will start.
    pub drained: bool,
    pub ended: bool,
}

/// A chunk of a batch.
#[derive(Debug, Clone)]
pub struct Chunk {
    orders: u32,
    started: u32,
    window: u32,
    cancelled: bool,
    progress: ChunkProgress,
    /// The orders that ended since the last report.
    unreported: u32,
    report_every: u32,
    is_drain_reported: bool,
    /// Grows with every signal.
    pub version: u64,
}

impl Chunk {
    #[must_use]
    pub fn new(orders: u32) -> Self {
        Self {
            orders,
            started: 0,
            window: 0,
            cancelled: false,
            progress: ChunkProgress::default(),
            unreported: 0,
            report_every: (orders / 10).max(1),
            is_drain_reported: false,
            version: 0,
        }
    }

    pub fn allow(&mut self, Allow { window }: Allow) {
        self.window = window;
        self.version += 1;
    }

    pub fn cancel(&mut self) {
        self.cancelled = true;
        self.version += 1;
    }

    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Starts the next order and returns its index, if the window has a place.
    pub fn start_next(&mut self) -> Option<u32> {
        let can_start = !self.cancelled && self.started < self.orders && self.progress.running < self.window;
        can_start.then(|| {
            self.progress.running += 1;
            self.started += 1;
            self.started - 1
        })
    }

    /// Records the end of a running order.
    pub(crate) fn finish(&mut self, order_id: String, end: ChildOrder) {
        self.progress.running -= 1;
        self.unreported += 1;
        let name = OrderEnd::from(&end);
        self.count(name, 1);
        if let ChildOrder::NotShipped { error, .. } = end {
            self.progress.unshipped.push(Unshipped { order_id, end: name, error });
        }
    }

    fn count(&mut self, end: OrderEnd, orders: u32) {
        *self.progress.ends.entry(end).or_default() += orders;
    }

    /// Returns true once no order runs and none will start. It counts the orders that never started.
    pub fn has_ended(&mut self) -> bool {
        let ends = self.progress.running == 0 && (self.cancelled || self.started == self.orders);
        if ends && !self.progress.ended {
            self.progress.ended = true;
            let left = self.orders - self.started;
            if left > 0 {
                self.count(OrderEnd::NotStarted, left);
            }
        }
        ends
    }

    /// Returns the progress, if the batch should know it now.
    pub fn take_report(&mut self) -> Option<ChunkProgress> {
        self.progress.drained = self.cancelled || self.started == self.orders;
        let is_drain_new = self.progress.drained && !self.is_drain_reported;
        if !is_drain_new && !self.progress.ended && self.unreported < self.report_every {
            return None;
        }
        self.unreported = 0;
        self.is_drain_reported |= self.progress.drained;
        Some(self.progress.clone())
    }

    #[must_use]
    pub const fn progress(&self) -> &ChunkProgress {
        &self.progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_shipped(status: Option<OrderStatus>, code: &str) -> ChildOrder {
        ChildOrder::NotShipped { status, error: StateError::new(code, "m") }
    }

    #[test]
    fn nothing_starts_before_the_batch_allows_it() {
        let mut chunk = Chunk::new(3);
        assert_eq!(chunk.start_next(), None);
        chunk.allow(Allow { window: 2 });
        assert_eq!([chunk.start_next(), chunk.start_next(), chunk.start_next()], [Some(0), Some(1), None]);
        chunk.finish("a".to_owned(), ChildOrder::Shipped);
        assert_eq!(chunk.start_next(), Some(2));
    }

    #[test]
    fn a_smaller_window_stops_no_running_order() {
        let mut chunk = Chunk::new(5);
        chunk.allow(Allow { window: 3 });
        while chunk.start_next().is_some() {}
        chunk.allow(Allow { window: 0 });
        assert_eq!((chunk.start_next(), chunk.progress().running), (None, 3));
        chunk.finish("a".to_owned(), ChildOrder::Shipped);
        assert_eq!(chunk.start_next(), None);
    }

    #[test]
    fn a_cancelled_chunk_ends_after_its_running_orders_and_counts_the_rest() {
        let mut chunk = Chunk::new(5);
        chunk.allow(Allow { window: 2 });
        while chunk.start_next().is_some() {}
        chunk.cancel();
        assert!(!chunk.has_ended());
        chunk.finish("a".to_owned(), ChildOrder::Shipped);
        chunk.finish("b".to_owned(), not_shipped(Some(OrderStatus::Cancelled), "ORDER_CANCELLED"));
        assert!(chunk.has_ended());
        let ends = [(OrderEnd::Shipped, 1), (OrderEnd::Cancelled, 1), (OrderEnd::NotStarted, 3)];
        assert_eq!(chunk.progress().ends, BTreeMap::from(ends));
        assert_eq!(chunk.progress().unshipped[0].order_id, "b");
    }

    #[test]
    fn the_batch_hears_of_every_tenth_of_the_orders_of_the_last_start_and_of_the_end() {
        let mut chunk = Chunk::new(20);
        chunk.allow(Allow { window: 20 });
        for _ in 0..19 {
            chunk.start_next();
        }
        assert_eq!(chunk.take_report(), None);
        chunk.start_next();
        assert!(chunk.take_report().unwrap().drained);
        assert_eq!(chunk.take_report(), None, "it was reported");
        let mut reports = 0;
        for _ in 0..20 {
            chunk.finish(String::new(), ChildOrder::Shipped);
            chunk.has_ended();
            reports += u32::from(chunk.take_report().is_some());
        }
        assert_eq!(reports, 10);
    }

    #[test]
    fn each_end_of_a_child_has_its_name() {
        let ends = [
            not_shipped(Some(OrderStatus::Rejected), "ORDER_REJECTED"),
            not_shipped(Some(OrderStatus::Failed), "PAYMENT_DECLINED"),
            not_shipped(None, "ORDER_ALREADY_EXISTS"),
            not_shipped(None, "TERMINATED"),
        ]
        .map(|end| OrderEnd::from(&end).name());
        assert_eq!(ends, ["rejected", "failed", "already_exists", "ended_outside"]);
    }
}
