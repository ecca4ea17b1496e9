//! HTTP as all contexts speak it: what a request's headers say, and how an answer is written.

mod body_members;
mod distribution;
mod headers;
mod journal;
mod openapi_examples;
mod params;
pub mod problems;
mod respond;
mod stats;
mod wire;

pub use body_members::{order_id, target, text};
pub use distribution::{Distribution, distribution, percent};
pub use headers::{CallHeaders, RequestHeaders, header};
pub use journal::LineView;
pub use openapi_examples::with_scenario_examples;
pub use params::Params;
pub use respond::{NothingToUndo, Present, Shown, Undone, created, done, found};
pub use stats::{RecentParams, RecentRequests, Stats, StatsReset, limit, recent, reset_stats, stats};
pub use wire::{apply_wire_fault, connection_of};
