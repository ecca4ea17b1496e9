//! The HTTP of all contexts: the headers of a request and the writing of an answer.

mod admin;
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

pub use admin::AdminToken;
pub use body_members::{order_id, target, text};
pub use distribution::{Distribution, distribution, percent};
pub use headers::{CallHeaders, RequestHeaders, header};
pub use journal::LineView;
pub use openapi_examples::with_scenario_examples;
pub use params::Params;
pub use respond::{NothingToUndo, Present, Shown, Undone, created, done, found};
pub use stats::{RecentParams, RecentRequests, Stats, StatsReset, limit, recent, reset_stats, stats};
pub use wire::{apply_wire_fault, connection_of};
