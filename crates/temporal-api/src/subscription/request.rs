//! Reads and checks the requests for subscriptions, and reports all faults at once.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use service_kit::{
    config,
    json::{Faults, FromJson, Node, Object},
    time,
};
use workflows::{
    activities::shipping::Address,
    subscription::{
        messages::{SubscriptionInput, Terms},
        recurrence::Recurrence,
    },
};

use super::Subscriptions;
use crate::{
    fields::Id,
    idempotency::Fingerprint,
    money::{Currency, MAX_AMOUNT},
    order::{Destination, Email, items, sum},
};

/// Leaves room for the number of the period in the ids of the orders.
const ID_LENGTH: usize = 100;
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(366 * 24);
const ORDERS: std::ops::RangeInclusive<i64> = 1..=1_000_000;

/// Holds a subscription that may be started. Its serialized form is its fingerprint. So a new member must be
/// omitted while it has its default.
#[derive(Debug, Serialize)]
pub struct SubscriptionRequest {
    pub subscription_id: String,
    customer_id: String,
    customer_email: String,
    shipping_address: Address,
    currency: &'static str,
    terms: Terms,
    recurrence: Recurrence,
    start_at_ms: Option<i64>,
    max_orders: Option<u32>,
}

impl SubscriptionRequest {
    /// Returns the value that distinguishes this subscription from others, for any spelling of both.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("subscription", self)
    }

    /// Returns the input of the subscription's workflow.
    pub fn into_input(self, correlation_id: String, subscriptions: &Subscriptions) -> SubscriptionInput {
        SubscriptionInput {
            subscription_id: self.subscription_id,
            customer_id: self.customer_id,
            customer_email: self.customer_email,
            shipping_address: self.shipping_address,
            currency: self.currency.to_owned(),
            terms: self.terms,
            recurrence: self.recurrence,
            start_at_ms: self.start_at_ms,
            max_orders: self.max_orders,
            correlation_id,
            // The gateway knows whether the namespace has them.
            search_attributes: false,
            timing: subscriptions.timing,
            retry_after_ms: u64::try_from(subscriptions.retry_after.as_millis()).unwrap_or(u64::MAX),
            periods_per_run: subscriptions.periods_per_run,
            resumed: None,
        }
    }
}

impl FromJson for SubscriptionRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(
            &[
                "subscriptionId",
                "customerId",
                "customerEmail",
                "items",
                "currency",
                "shippingAddress",
                "every",
                "cron",
                "startAt",
                "maxOrders",
            ],
            faults,
        )?;
        let subscription_id = object.required_with("subscriptionId", faults, |node, faults| {
            let id = Id::from_json(node, faults)?.0;
            if id.len() > ID_LENGTH {
                return node.fault(faults, format!("must be at most {ID_LENGTH} characters"));
            }
            Some(id)
        });
        let customer_id: Option<Id> = object.required("customerId", faults);
        let customer_email: Option<Email> = object.required("customerEmail", faults);
        let currency = object.optional::<Currency>("currency", faults);
        let currency = currency.map(|currency| currency.unwrap_or(Currency::USD));
        let terms = object.required_with("items", faults, |node, faults| terms(node, currency, faults));
        let shipping_address: Option<Destination> = object.required("shippingAddress", faults);
        let recurrence = recurrence(&object, faults);
        let start_at_ms = object.optional_with("startAt", faults, |node, faults| {
            let text = node.string(faults)?;
            time::to_millis(&text).or_else(|| {
                node.fault(faults, "must be a time by RFC 3339, for example 2026-12-01T09:00:00Z")
            })
        });
        let max_orders =
            object.optional_with("maxOrders", faults, |node, faults| node.integer(ORDERS, faults));
        Some(Self {
            subscription_id: subscription_id?,
            customer_id: customer_id?.0,
            customer_email: customer_email?.0,
            shipping_address: shipping_address?.0,
            currency: currency?.code(),
            terms: terms?,
            recurrence: recurrence?,
            start_at_ms: start_at_ms?,
            max_orders: match max_orders? {
                Some(most) => Some(u32::try_from(most).ok()?),
                None => None,
            },
        })
    }
}

/// Reads the body `{"items"}` in the currency of its subscription.
pub fn changed_items(body: &Node<'_>, currency: Currency, faults: &mut Faults) -> Option<Terms> {
    let object = body.object(&["items"], faults)?;
    object.required_with("items", faults, |node, faults| terms(node, Some(currency), faults))
}

/// Holds the body `{"every"}` or `{"cron"}` of a changed interval.
pub struct IntervalRequest(pub Recurrence);

impl FromJson for IntervalRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["every", "cron"], faults)?;
        recurrence(&object, faults).map(Self)
    }
}

fn terms(node: &Node<'_>, currency: Option<Currency>, faults: &mut Faults) -> Option<Terms> {
    let items = items(node, currency, faults)?;
    let currency = currency?;
    let Some(amount) = sum(&items) else {
        return node.fault(faults, format!("add up to more than {}", currency.major(MAX_AMOUNT)));
    };
    Some(Terms { items, amount, total: currency.major(amount).to_string() })
}

fn recurrence(object: &Object<'_>, faults: &mut Faults) -> Option<Recurrence> {
    let every = object.optional_with("every", faults, |node, faults| {
        let text = node.string(faults)?;
        match config::duration(&text) {
            Ok(every) if INTERVALS.contains(&every) => {
                Some(Recurrence::EveryMs(u64::try_from(every.as_millis()).unwrap_or(u64::MAX)))
            }
            Ok(_) => node.fault(faults, "must be from 1s to 366d"),
            Err(_) => node.fault(faults, "must be a duration such as 30d, 12h or 1s"),
        }
    });
    let cron = object.optional_with("cron", faults, |node, faults| {
        let text = node.string(faults)?;
        Recurrence::cron(&text, now()).map_err(|why| node.fault::<()>(faults, why.to_string())).ok()
    });
    match (every?, cron?) {
        (Some(one), None) | (None, Some(one)) => Some(one),
        (Some(_), Some(_)) => {
            faults.add(object.pointer_to("cron"), "must not be there beside every");
            None
        }
        (None, None) => {
            faults.add(object.pointer_to("every"), "is required, or cron");
            None
        }
    }
}

fn now() -> i64 {
    workflows::time::millis(Some(SystemTime::now()))
}
