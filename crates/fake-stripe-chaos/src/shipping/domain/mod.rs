//! What a label is and what can happen to it.

mod error;
mod label;

pub use error::ShippingError;
pub use label::{Carrier, Label, LabelId, Progress, Terms, tracking_number};
