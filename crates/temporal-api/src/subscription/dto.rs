//! Defines the bodies of subscriptions. Histories outlive the bodies, so they have types of their own.

use axum::{
    Json,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use service_kit::time;
use utoipa::{IntoParams, ToSchema};
use workflows::{
    ids,
    subscription::{
        recurrence::Recurrence,
        state::{Period, SubscriptionState},
    },
};

use crate::{
    gateway::{Begun, ListedSubscription, Observed, WorkflowId},
    idempotency::Answered,
    money::Currency,
    order::{AddressBody, ErrorBody, ItemBody, RunBody},
};

/// Documents the body of `POST /api/v1/subscriptions`.
/// [`SubscriptionRequest`](super::request::SubscriptionRequest) reads it.
#[derive(ToSchema)]
#[schema(as = Subscription, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct CreateSubscriptionBody {
    /// 1 to 100 of `A-Z a-z 0-9 . _ -`. An id is used once. The orders are `{subscriptionId}-1`, `-2` and so on.
    #[schema(example = "coffee-7", min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]{1,100}$")]
    subscription_id: String,
    #[schema(example = "customer-7", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]{1,128}$")]
    customer_id: String,
    #[schema(example = "ada@example.com", format = "email")]
    customer_email: String,
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<ItemBody>,
    /// ISO 4217, as for an order.
    #[schema(default = "usd", example = "usd")]
    currency: Option<String>,
    shipping_address: AddressBody,
    /// The time between two orders, from `1s` to `366d`. Either this or `cron` is required.
    #[schema(example = "30d")]
    every: Option<String>,
    /// A cron expression of five fields, in UTC.
    #[schema(example = "0 9 1 * *")]
    cron: Option<String>,
    /// The time of the first order; at once without it.
    #[schema(format = "date-time")]
    start_at: Option<String>,
    /// The number of orders after which the subscription is completed; unlimited without it.
    #[schema(minimum = 1, maximum = 1_000_000)]
    max_orders: Option<u32>,
}

/// Documents the body of changed items.
#[derive(ToSchema)]
#[schema(as = ChangedItems)]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct ItemsBody {
    /// With prices in the currency of the subscription.
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<ItemBody>,
}

/// Documents the body of a changed interval. Exactly one of both is required.
#[derive(ToSchema)]
#[schema(as = Interval)]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct IntervalBody {
    #[schema(example = "30d")]
    every: Option<String>,
    #[schema(example = "0 9 1 * *")]
    cron: Option<String>,
}

/// Describes a subscription that was created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedSubscription)]
pub struct CreatedBody {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "coffee-7")]
    subscription_id: String,
    #[schema(example = "subscription-coffee-7")]
    workflow_id: String,
    run_id: String,
    /// Says that the same request created it before, and that it runs.
    already_created: bool,
}

impl CreatedBody {
    /// Answers 201 with a link, or 200 for a subscription that the same request created before.
    pub fn answer(begun: Begun, subscription_id: String) -> impl IntoResponse + use<> {
        let (started, code, replayed) = match begun {
            Begun::Started(started) => (started, StatusCode::CREATED, false),
            Begun::Replayed { started, .. } => (started, StatusCode::CREATED, true),
            Begun::Running { started, .. } => (started, StatusCode::OK, false),
        };
        let location = format!("/api/v1/subscriptions/{subscription_id}");
        let body = Self {
            success: true,
            workflow_id: started.workflow_id.as_str().to_owned(),
            run_id: started.run_id,
            subscription_id,
            already_created: code == StatusCode::OK,
        };
        Answered { answer: (code, [(LOCATION, location)], Json(body)), replayed }
    }
}

/// Describes the state of a subscription.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SubscriptionState)]
pub struct SubscriptionBody {
    /// Is absent from the 202 of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    #[schema(example = "coffee-7")]
    subscription_id: String,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    customer_id: String,
    /// Is `active`, `paused` or `past_due` (an order failed three times) while it runs. Then it is `cancelled` or
    /// `completed`. After an end from outside it is `terminated` or `timed_out`.
    #[schema(example = "active")]
    status: &'static str,
    /// Is the interval, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "30days")]
    every: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    items: Vec<SubscribedItem>,
    /// Holds the amount of one order.
    #[schema(value_type = f64, example = 59.98)]
    total_amount: Option<serde_json::Number>,
    currency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_orders: Option<u32>,
    /// Is the number of the present period, from 1.
    period: u32,
    /// Counts the periods whose order was placed.
    orders: u32,
    shipped: u32,
    /// Counts the periods whose order failed for good.
    failed: u32,
    skipped: u32,
    /// Is the time of the next order, or of the next attempt at one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    next_order_at: Option<String>,
    /// Is the workflow id of the running order.
    #[serde(skip_serializing_if = "Option::is_none")]
    running_order: Option<String>,
    /// Counts the attempts at the present period's order.
    attempts: u32,
    skips_next: bool,
    /// Says that the running order is the last one.
    cancelling: bool,
    /// Lists the last ten periods, the latest last.
    recent: Vec<PeriodBody>,
    /// Is the error of the present period's last attempt, or of an end from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// Counts the updates and signals that were handled.
    messages: u64,
    /// Grows with every change.
    version: u64,
}

#[derive(Serialize, ToSchema)]
struct SubscribedItem {
    sku: String,
    quantity: u32,
    #[schema(value_type = f64, example = 29.99)]
    price: Option<serde_json::Number>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Period)]
struct PeriodBody {
    period: u32,
    workflow_id: String,
    /// Is `shipped`, `failed` or `skipped`.
    #[schema(example = "shipped")]
    status: &'static str,
    attempts: u32,
    #[schema(format = "date-time")]
    timestamp: String,
}

impl SubscriptionBody {
    pub fn new(id: &WorkflowId, observed: Observed<SubscriptionState>) -> Self {
        let status = observed.status(|state| state.status.name());
        let Observed { run, state, .. } = observed;
        let currency: Currency = state.currency.parse().unwrap_or(Currency::USD);
        let (every, cron) = match state.recurrence {
            Recurrence::EveryMs(every) => (Some(time::duration_text(every)), None),
            Recurrence::Cron(cron) => (None, Some(cron)),
        };
        let period = |period: Period| PeriodBody {
            workflow_id: ids::order_workflow_id(&ids::subscribed_order_id(
                &state.subscription_id,
                period.number,
            )),
            period: period.number,
            status: period.status.name(),
            attempts: period.attempts,
            timestamp: time::from_millis(period.at_ms),
        };
        let recent = state.recent.into_iter().map(period).collect();
        let items = state.terms.items.into_iter();
        let items = items.map(|item| SubscribedItem {
            sku: item.sku,
            quantity: item.quantity,
            price: currency.number(item.price),
        });
        Self {
            success: Some(true),
            subscription_id: state.subscription_id,
            workflow_id: id.as_str().to_owned(),
            run: run.into(),
            customer_id: state.customer_id,
            status,
            every,
            cron,
            items: items.collect(),
            total_amount: currency.number(state.terms.amount),
            currency: state.currency,
            max_orders: state.max_orders,
            period: state.period,
            orders: state.orders,
            shipped: state.shipped,
            failed: state.failed,
            skipped: state.skipped,
            next_order_at: state.next_order_at_ms.map(time::from_millis),
            running_order: state.running_order,
            attempts: state.attempts,
            skips_next: state.skips_next,
            cancelling: state.cancelling,
            recent,
            error: state.error.map(Into::into),
            messages: state.messages,
            version: state.version,
        }
    }

    /// Builds the result: `success` says whether the subscription placed all its orders.
    pub fn of_result(id: &WorkflowId, observed: Observed<SubscriptionState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// Builds the state of a subscription whose result is not available yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<SubscriptionState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}

/// Holds one page of subscriptions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Subscriptions)]
pub struct SubscriptionsBody {
    success: bool,
    subscriptions: Vec<ListedBody>,
    /// Is the `pageToken` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl SubscriptionsBody {
    pub fn new(subscriptions: Vec<ListedSubscription>, next_page_token: Option<String>) -> Self {
        let subscriptions = subscriptions.into_iter().map(Into::into).collect();
        Self { success: true, subscriptions, next_page_token }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ListedSubscription)]
struct ListedBody {
    subscription_id: String,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    /// Is null if the namespace has no search attributes and the subscription still runs.
    #[schema(example = "active")]
    status: Option<&'static str>,
    customer_id: Option<String>,
}

impl From<ListedSubscription> for ListedBody {
    fn from(listed: ListedSubscription) -> Self {
        Self {
            subscription_id: listed.subscription_id,
            workflow_id: listed.workflow_id,
            run: listed.run.into(),
            status: listed.status,
            customer_id: listed.customer_id,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Selects a status, for example `past_due`.
    pub status: Option<String>,
    pub customer_id: Option<String>,
    /// Limits the subscriptions on a page: 1 to 100; 20 if absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    pub limit: Option<String>,
    /// Is the `nextPageToken` of the previous page.
    pub page_token: Option<String>,
}
