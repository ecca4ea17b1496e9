//! The label, its states and its changes.

mod error;
mod label;

pub use error::ShippingError;
pub use label::{Carrier, Label, LabelId, Progress, Terms, tracking_number};
