//! Stripe's API: payment intents, refunds, and the objects around them. It keeps money in the same ledger as payments.

mod application;
mod domain;
mod infrastructure;
mod presentation;

use std::sync::Arc;

use self::{
    application::{StripeService, Webhooks},
    infrastructure::{Deliverer, HttpSender, StripeRecords, chaos},
    presentation::StripeCode,
};
use crate::shared::slice::Slice;

pub use presentation::layer;

/// Registers Stripe's API in the application.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| {
        let webhooks = Webhooks::new(deps, Arc::new(StripeRecords), presentation::event_body);
        let deliveries = Arc::new(Deliverer::start(webhooks, Arc::new(HttpSender::new())));
        let stripe = StripeService::new(deps, Arc::new(StripeRecords));
        service.codes(StripeCode::ALL).routes(presentation::routes(stripe, deliveries, deps))
    },
};
