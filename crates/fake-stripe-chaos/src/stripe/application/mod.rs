//! The use cases of Stripe's API, and their ports.

mod commands;
mod ports;
mod service;
mod webhooks;

pub use commands::{
    ATTACH_METHOD, CANCEL_INTENT, CAPTURE_INTENT, CONFIRM_INTENT, CONTEXT, CREATE_CUSTOMER, CREATE_ENDPOINT,
    CREATE_INTENT, CREATE_METHOD, CREATE_REFUND, CancelIntent, CaptureIntent, ChangeAttributes,
    ConfirmIntent, CreateDocument, CreateIntent, CreateRefund, DELETE_CUSTOMER, DELETE_ENDPOINT,
    DELIVER_WEBHOOK, DETACH_METHOD, UPDATE_CUSTOMER, UPDATE_ENDPOINT, UPDATE_INTENT, UPDATE_METHOD,
    UPDATE_REFUND, UpdateRefund,
};
pub use ports::{DueDelivery, Library, Objects};
pub use service::StripeService;
pub use webhooks::{Attempt, Deliveries, Due, Sender, SignedEvent, Webhooks};
