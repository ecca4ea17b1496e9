//! The use cases of shipping, and their ports.

mod commands;
mod ports;
mod service;

pub use commands::{CANCEL, CONTEXT, CREATE_LABEL, CREATE_RETURN_LABEL, Cancel, CreateLabel};
pub use ports::LabelPrinter;
pub use service::ShippingService;
