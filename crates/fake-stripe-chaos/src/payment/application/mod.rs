//! What can be asked of payments, and what that needs.

mod commands;
mod ports;
mod service;

pub use commands::{
    AUTHORIZE, Authorize, CAPTURE, CHARGE, CONTEXT, Capture, ChargeCard, REFUND, RELEASE, RefundPayment,
    Release,
};
pub use service::PaymentService;
