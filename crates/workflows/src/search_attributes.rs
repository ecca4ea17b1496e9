//! The search attributes: what lists and the Temporal UI filter by.

use temporalio_common::{
    protos::temporal::api::enums::v1::IndexedValueType, search_attributes::SearchAttributeKey,
};

pub const ORDER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("orderId");
pub const CUSTOMER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("customerId");
pub const ORDER_STATUS: SearchAttributeKey<String> = SearchAttributeKey::keyword("orderStatus");
/// In major units, for display and range queries only; never calculated with.
pub const TOTAL_AMOUNT: SearchAttributeKey<f64> = SearchAttributeKey::float("totalAmount");
/// The digest of the idempotency key that a workflow was started with.
pub const IDEMPOTENCY_KEY: SearchAttributeKey<String> = SearchAttributeKey::keyword("idempotencyKey");

/// All of them, as the namespace must know them.
#[must_use]
pub fn all() -> [(&'static str, IndexedValueType); 5] {
    [
        (ORDER_ID.name(), IndexedValueType::Keyword),
        (CUSTOMER_ID.name(), IndexedValueType::Keyword),
        (ORDER_STATUS.name(), IndexedValueType::Keyword),
        (TOTAL_AMOUNT.name(), IndexedValueType::Double),
        (IDEMPOTENCY_KEY.name(), IndexedValueType::Keyword),
    ]
}
