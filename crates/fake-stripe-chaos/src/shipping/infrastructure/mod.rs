//! The storage of labels, their duration, and their chaos.

pub mod chaos;
mod records;

pub use records::LabelRecords;
