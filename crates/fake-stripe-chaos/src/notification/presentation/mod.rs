//! The HTTP endpoints of notification.

mod dto;
mod handlers;
mod problems;

pub use handlers::routes;
pub use problems::NotificationCode;
