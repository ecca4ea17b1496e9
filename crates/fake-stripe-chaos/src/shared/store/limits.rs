//! The bounds of a run, its size, and the count of the records that it dropped to stay within its bounds.
//!
//! The verdict and an undo by key read nothing that is dropped. Entries, resources, orders, tombstones and the
//! keys that led to an effect stay for good, and grow with the effects that callers ask for.

use std::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering},
};

/// The bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most chaos keys of no order whose attempts are remembered, the most refusals that are given again,
    /// and the most orders that have a plan.
    pub keys: usize,
    /// The most bytes that the journal's lines take.
    pub journal_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keys: 100_000, journal_bytes: 16 * 1024 * 1024 }
    }
}

/// How much the runs hold in memory, all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    pub resources: usize,
    pub entries: usize,
    pub orders: usize,
    pub tombstones: usize,
    /// Keys that led to an effect, or to nothing that could be undone.
    pub effects: usize,
    /// Keys that led to a definitive refusal.
    pub refusals: usize,
    pub in_flight: usize,
    pub attempts_of_orders: usize,
    pub attempts_of_requests: usize,
    pub plans: usize,
    pub journal_lines: usize,
    pub journal_bytes: usize,
}

impl AddAssign for Sizes {
    fn add_assign(&mut self, other: Self) {
        self.resources += other.resources;
        self.entries += other.entries;
        self.orders += other.orders;
        self.tombstones += other.tombstones;
        self.effects += other.effects;
        self.refusals += other.refusals;
        self.in_flight += other.in_flight;
        self.attempts_of_orders += other.attempts_of_orders;
        self.attempts_of_requests += other.attempts_of_requests;
        self.plans += other.plans;
        self.journal_lines += other.journal_lines;
        self.journal_bytes += other.journal_bytes;
    }
}

/// Counts the records that the runs have dropped since the process started.
#[derive(Debug, Default)]
pub struct Dropped {
    pub(super) attempts: AtomicU64,
    pub(super) refusals: AtomicU64,
    pub(super) journal_lines: AtomicU64,
}

/// [`Dropped`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DroppedCounts {
    pub attempts: u64,
    pub refusals: u64,
    pub journal_lines: u64,
}

impl Dropped {
    pub(super) fn counts(&self) -> DroppedCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DroppedCounts {
            attempts: count(&self.attempts),
            refusals: count(&self.refusals),
            journal_lines: count(&self.journal_lines),
        }
    }
}

/// The sums over all runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many runs there are, the default one included.
    pub runs: usize,
    pub sizes: Sizes,
    pub dropped: DroppedCounts,
}
