//! The saga, as every workflow has it that moves money or goods: what it owes, what became of each
//! undo, and the rounds in which it undoes.

mod compensations;
mod records;
mod rounds;

pub use compensations::{Compensation, Saga};
pub use records::{CompensationOutcome, CompensationRecord, CompensationRecords, CompensationStatus};
pub(crate) use rounds::{
    Compensating, CompensationRounds, call_context, compensate, run_step, update_state, workflow_time,
};
pub use rounds::{Reason, Resolution};
