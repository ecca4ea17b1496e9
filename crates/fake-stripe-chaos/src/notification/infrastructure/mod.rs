//! How notifications are kept, and what goes wrong with them.

pub mod chaos;
mod records;

pub use records::NotificationRecords;
