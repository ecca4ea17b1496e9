//! The use cases of payments, and their ports.

mod commands;
mod ports;
mod service;

pub use commands::{
    AUTHORIZE, Authorize, CAPTURE, CHARGE, CONTEXT, Capture, ChargeCard, REFUND, RELEASE, RefundPayment,
    Release,
};
pub use service::PaymentService;
