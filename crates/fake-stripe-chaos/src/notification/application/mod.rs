//! What can be asked of notification, and what that needs.

mod commands;
mod ports;
mod service;

pub use commands::{CONTEXT, SEND, Send};
pub use service::NotificationService;
