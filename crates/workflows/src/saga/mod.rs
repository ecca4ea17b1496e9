//! The saga, as every workflow has it that moves money or goods: what it owes, what became of each
//! undo, and the rounds in which it undoes.

mod debts;
mod record;
mod rounds;

pub use debts::{Compensation, Saga};
pub use record::{CompensationRecord, CompensationStatus, Compensations, Ran};
pub(crate) use rounds::{Owes, Rounds, call_context, change, compensate, now, step};
pub use rounds::{Reason, Resolution};
