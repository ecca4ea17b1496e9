//! HTTP as all contexts speak it: what a request's headers say, and how an answer is written.

mod distribution;
mod headers;
pub mod problems;
mod read;
mod respond;

pub use distribution::{Distribution, distribution};
pub use headers::{Asked, CallHeaders};
pub use read::{order_id, target, text};
pub use respond::{NothingToUndo, Presented, Shown, Undone, created, done, found};
