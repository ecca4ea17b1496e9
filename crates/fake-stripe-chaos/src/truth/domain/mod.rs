//! What an order's entries come to, and what they may not come to.

mod error;
mod expiry;
mod facts;
mod rules;
mod verdict;

pub use error::TruthError;
pub use expiry::{Expired, Standing};
pub use facts::Facts;
pub use verdict::{Contradiction, Verdict};
