//! The HTTP endpoints of shipping.

mod dto;
mod handlers;
mod problems;

pub use handlers::routes;
pub use problems::ShippingCode;
