//! The search attributes, by which lists and the Temporal UI filter.

use temporalio_common::{
    protos::temporal::api::enums::v1::IndexedValueType, search_attributes::SearchAttributeKey,
};

pub const ORDER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("orderId");
pub const CUSTOMER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("customerId");
pub const ORDER_STATUS: SearchAttributeKey<String> = SearchAttributeKey::keyword("orderStatus");
/// In major units, for display and range queries only. Nothing calculates with it.
pub const TOTAL_AMOUNT: SearchAttributeKey<f64> = SearchAttributeKey::float("totalAmount");
/// The digest of the idempotency key of a workflow's start.
pub const IDEMPOTENCY_KEY: SearchAttributeKey<String> = SearchAttributeKey::keyword("idempotencyKey");

/// The status of a subscription.
pub const SUBSCRIPTION_STATUS: SearchAttributeKey<String> = SearchAttributeKey::keyword("subscriptionStatus");

/// Returns all search attributes, which the namespace must have.
#[must_use]
pub fn all() -> [(&'static str, IndexedValueType); 6] {
    [
        (ORDER_ID.name(), IndexedValueType::Keyword),
        (CUSTOMER_ID.name(), IndexedValueType::Keyword),
        (ORDER_STATUS.name(), IndexedValueType::Keyword),
        (TOTAL_AMOUNT.name(), IndexedValueType::Double),
        (IDEMPOTENCY_KEY.name(), IndexedValueType::Keyword),
        (SUBSCRIPTION_STATUS.name(), IndexedValueType::Keyword),
    ]
}
