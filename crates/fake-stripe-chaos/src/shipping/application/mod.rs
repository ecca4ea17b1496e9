//! What can be asked of shipping, and what that needs.

mod commands;
mod ports;
mod service;

pub use commands::{CANCEL, CONTEXT, CREATE_LABEL, Cancel, CreateLabel};
pub use ports::LabelPrinter;
pub use service::ShippingService;
