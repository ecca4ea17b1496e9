//! The rules of the verdict: the facts of an order, and the contradictions in them.

mod expiry;
mod facts;
mod rules;
mod verdict;

pub use expiry::{Expired, OpenResources};
pub use facts::{OpenEffect, OrderFacts};
pub use verdict::{Contradiction, Verdict};
