//! The payment workflow charges a card in one call. It refunds the charge after a cancellation in time, and
//! if the outcome of the charge is unclear.

pub mod messages;
pub mod state;
mod workflow;

pub use workflow::PaymentWorkflow;
