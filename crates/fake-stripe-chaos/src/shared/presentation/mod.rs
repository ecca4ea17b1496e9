//! HTTP as all contexts speak it: what a request's headers say, and how an answer is written.

mod distribution;
mod headers;
pub mod problems;
mod read;
mod respond;
mod wire;

pub use distribution::{Distribution, distribution, percent};
pub use headers::{Asked, CallHeaders};
pub use read::{order_id, target, text};
pub use respond::{NothingToUndo, Presented, Shown, Undone, created, done, found};
pub use wire::break_on_the_wire;
