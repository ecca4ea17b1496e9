//! Stripe's API: payment intents, refunds, and the objects around them. It keeps money in the same ledger as payments.

mod application;
mod domain;
mod infrastructure;
mod presentation;

use std::sync::Arc;

use self::{
    application::{StripeService, Webhooks},
    infrastructure::{Deliverer, HttpSender, NewDeliveries, StripeRecords, chaos},
    presentation::StripeCode,
};
use crate::shared::slice::Slice;

pub use presentation::layer;

/// Registers Stripe's API in the application.
pub const SLICE: Slice = Slice {
    chaos: chaos::TABLES,
    install: |service, deps| {
        let new = Arc::new(NewDeliveries::default());
        let records = Arc::new(StripeRecords::new(Arc::clone(&new)));
        let webhooks = Webhooks::new(deps, records.clone(), presentation::event_body);
        let deliveries = Arc::new(Deliverer::start(webhooks, Arc::new(HttpSender::new()), &new));
        let stripe = StripeService::new(deps, records);
        service.codes(StripeCode::ALL).routes(presentation::routes(stripe, deliveries, deps))
    },
};
