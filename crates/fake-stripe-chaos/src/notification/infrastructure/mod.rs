//! The storage of notifications, and their chaos.

pub mod chaos;
mod records;

pub use records::NotificationRecords;
