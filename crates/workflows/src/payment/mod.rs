//! The payment workflow: charges a card in one call, and gives the money back where that is asked for in
//! time, or where nobody knows whether it was charged.

pub mod messages;
pub mod state;
mod workflow;

pub use workflow::PaymentWorkflow;
