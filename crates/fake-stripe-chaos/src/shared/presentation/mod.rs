//! HTTP as all contexts speak it: what a request's headers say, and how an answer is written.

mod distribution;
mod documented;
mod headers;
mod journal;
mod params;
pub mod problems;
mod read;
mod respond;
mod stats;
mod wire;

pub use distribution::{Distribution, distribution, percent};
pub use documented::documented;
pub use headers::{Asked, CallHeaders, header};
pub use journal::LineView;
pub use params::Params;
pub use read::{order_id, target, text};
pub use respond::{NothingToUndo, Presented, Shown, Undone, created, done, found};
pub use stats::{RecentParams, RecentRequests, Stats, StatsReset, limit, recent, reset_stats, stats};
pub use wire::{break_on_the_wire, connection_of};
