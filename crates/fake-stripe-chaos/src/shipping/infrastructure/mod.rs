//! How labels are kept, how long they take, and what goes wrong with them.

pub mod chaos;
mod records;

pub use records::LabelRecords;
