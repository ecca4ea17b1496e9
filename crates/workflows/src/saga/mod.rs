//! The saga of every workflow that moves money or goods: its compensations, their records, and the rounds in
//! which they run.

mod compensations;
mod records;
mod rounds;

pub use compensations::{Compensation, Saga};
pub use records::{
    CompensationOutcome, CompensationRecord, CompensationRecords, CompensationStatus, RecordsCompensations,
};
pub(crate) use rounds::{
    Compensating, CompensationRounds, UndoableStep, call_context, compensate, step, update_state,
    workflow_time,
};
pub use rounds::{Reason, Resolution};
