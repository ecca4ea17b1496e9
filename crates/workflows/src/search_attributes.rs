//! The search attributes of an order: what lists and the Temporal UI filter by.

use temporalio_common::{
    protos::temporal::api::enums::v1::IndexedValueType, search_attributes::SearchAttributeKey,
};

pub const ORDER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("orderId");
pub const CUSTOMER_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("customerId");
pub const ORDER_STATUS: SearchAttributeKey<String> = SearchAttributeKey::keyword("orderStatus");
/// In major units, for display and range queries only; never calculated with.
pub const TOTAL_AMOUNT: SearchAttributeKey<f64> = SearchAttributeKey::float("totalAmount");

/// All of them, as the namespace must know them.
#[must_use]
pub fn all() -> [(&'static str, IndexedValueType); 4] {
    [
        (ORDER_ID.name(), IndexedValueType::Keyword),
        (CUSTOMER_ID.name(), IndexedValueType::Keyword),
        (ORDER_STATUS.name(), IndexedValueType::Keyword),
        (TOTAL_AMOUNT.name(), IndexedValueType::Double),
    ]
}
