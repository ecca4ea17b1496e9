//! The use cases of notification, and their ports.

mod commands;
mod ports;
mod service;

pub use commands::{CONTEXT, SEND, Send};
pub use service::NotificationService;
