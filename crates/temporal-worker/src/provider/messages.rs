//! The bodies of the provider's API that the worker needs.

use serde::{Deserialize, Serialize};
use workflows::{
    activities::{
        UndoResult,
        inventory::{Reserve, Restock, StockLine},
        notification::Notify,
        shipping::CreateLabel,
    },
    reconciliation::comparison::{OpenEffect, Outcome},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizeRequest<'a> {
    pub amount: u64,
    pub currency: &'a str,
    pub order_id: &'a str,
    pub customer_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaptureRequest<'a> {
    pub auth_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentResponse {
    pub auth_id: String,
    pub amount: u64,
    pub currency: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChargeRequest<'a> {
    pub amount: u64,
    pub currency: &'a str,
    pub source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub order_id: &'a str,
}

/// The answer of a charge.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChargeResponse {
    pub id: String,
    pub auth_id: String,
    /// Holds the amount in minor units.
    pub amount: u64,
    pub currency: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReserveRequest<'a> {
    items: Vec<ReserveItem<'a>>,
    order_id: &'a str,
}

#[derive(Serialize)]
struct ReserveItem<'a> {
    sku: &'a str,
    quantity: u32,
}

impl<'a> ReserveRequest<'a> {
    pub fn new(input: &'a Reserve) -> Self {
        Self { items: items(&input.lines), order_id: &input.call.order_id }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReservationResponse {
    pub reservation_id: String,
}

#[derive(Serialize)]
pub(super) struct RestockRequest<'a> {
    key: &'a str,
    items: Vec<ReserveItem<'a>>,
}

impl<'a> RestockRequest<'a> {
    pub fn new(input: &'a Restock) -> Self {
        Self { key: &input.reserve_key, items: items(&input.lines) }
    }
}

fn items(lines: &[StockLine]) -> Vec<ReserveItem<'_>> {
    lines.iter().map(|line| ReserveItem { sku: &line.sku, quantity: line.quantity }).collect()
}

#[derive(Serialize)]
pub(super) struct RefundPartRequest<'a> {
    pub key: &'a str,
    /// Holds minor units.
    pub amount: u64,
}

/// The answer of a refund or a restock.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartAnswer {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    pub refund_id: Option<String>,
}

impl PartAnswer {
    /// Returns true if the call that it names had no effect.
    pub fn is_nothing(&self) -> bool {
        self.status.as_deref() == Some("nothing_to_undo")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LabelRequest<'a> {
    shipping_address: Address<'a>,
    order_id: &'a str,
}

#[derive(Serialize)]
struct Address<'a> {
    street: &'a str,
    city: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<&'a str>,
    country: &'a str,
}

impl<'a> LabelRequest<'a> {
    pub fn new(input: &'a CreateLabel) -> Self {
        let address = &input.address;
        Self {
            shipping_address: Address {
                street: &address.street,
                city: &address.city,
                state: address.state.as_deref(),
                zip: address.zip.as_deref(),
                country: &address.country,
            },
            order_id: &input.call.order_id,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LabelResponse {
    pub label_id: String,
    pub tracking_number: String,
}

/// The progress of a label.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelProgress {
    pub status: LabelStatus,
    /// Holds a number from 0 to 100.
    #[serde(default)]
    pub progress: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelStatus {
    Generating,
    Generated,
    Cancelled,
    Unknown,
}

#[derive(Serialize)]
pub(super) struct UndoRequest<'a> {
    pub key: &'a str,
}

#[derive(Deserialize)]
pub(super) struct UndoResponse {
    status: String,
}

impl UndoResponse {
    pub fn result(&self) -> UndoResult {
        if self.status == "nothing_to_undo" { UndoResult::NothingToUndo } else { UndoResult::Undone }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotifyRequest<'a> {
    r#type: &'static str,
    recipient: &'a str,
    subject: &'a str,
    message: &'a str,
    order_id: &'a str,
}

impl<'a> NotifyRequest<'a> {
    pub fn email(input: &'a Notify) -> Self {
        Self {
            r#type: "email",
            recipient: &input.recipient,
            subject: &input.subject,
            message: &input.message,
            order_id: &input.call.order_id,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotificationResponse {
    pub notification_id: String,
}

/// An order in the ledger.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenOrder {
    pub order_id: String,
    #[serde(default)]
    pub outcome: Option<Outcome>,
    pub open: Vec<OpenEffect>,
}

#[derive(Deserialize)]
pub(super) struct OpenOrders {
    pub orders: Vec<OpenOrder>,
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct OutcomeRequest<'a> {
    pub outcome: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use workflows::activities::{CallContext, shipping};

    #[test]
    fn a_label_request_has_only_the_present_parts_of_the_address() {
        let call = CallContext {
            order_id: "1".to_owned(),
            idempotency_key: "k".to_owned(),
            correlation_id: "c".to_owned(),
            retry_after_maximum_ms: 60_000,
        };
        let address = shipping::Address {
            street: "1 Queen's Road".to_owned(),
            city: "Hong Kong".to_owned(),
            state: None,
            zip: None,
            country: "HK".to_owned(),
        };
        let body = serde_json::to_value(LabelRequest::new(&CreateLabel { call, address })).unwrap();
        assert_eq!(
            body["shippingAddress"],
            json!({"street": "1 Queen's Road", "city": "Hong Kong", "country": "HK"})
        );
    }
}
