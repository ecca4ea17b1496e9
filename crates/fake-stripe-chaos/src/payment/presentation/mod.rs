//! The HTTP endpoints of payments.

mod dto;
mod handlers;
mod problems;

pub use handlers::routes;
pub use problems::PaymentCode;
