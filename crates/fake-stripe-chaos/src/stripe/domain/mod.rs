//! Payment intents with their charges and refunds, the test cards, and the documents around them.

mod card;
mod delivery;
mod document;
mod error;
mod event;
mod intent;

pub use card::{Decline, TestCard};
pub use delivery::{Delivery, DeliveryFault, DeliveryState};
pub use document::{Document, DocumentId, Fields, Kind};
pub use error::StripeError;
pub use event::EventRecord;
pub use intent::{
    AUTHORIZATION_TTL, Attributes, CancellationReason, CaptureMethod, Changing, ChargeState, Intent,
    IntentState, Method, NewIds, Refund, RefundId,
};
