//! The bodies of inventory.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use service_kit::{
    json::{Faults, FromJson, Node},
    time::from_millis,
};
use utoipa::ToSchema;

use crate::{
    inventory::{
        application::{Release, Reserve, Restock},
        domain::{Item, Reservation},
    },
    shared::{
        ids::{Key, OrderId},
        presentation::{order_id, target, text},
        protocol::Target,
        resource::Snapshot,
    },
};

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ReserveRequest {
    #[schema(min_items = 1, max_items = 100)]
    items: Vec<ItemRequest>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1")]
    order_id: Option<OrderId>,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ItemRequest {
    #[schema(min_length = 1, max_length = 255, example = "SKU-1")]
    sku: String,
    #[schema(minimum = 1, maximum = 1_000_000, example = 2)]
    quantity: u32,
    #[schema(min_length = 1, max_length = 255, example = "north")]
    warehouse_id: Option<String>,
}

impl FromJson for ItemRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["sku", "quantity", "warehouseId"], faults)?;
        let sku = object.required_with("sku", faults, |node, faults| text(node, 255, faults));
        let quantity = object.required_with("quantity", faults, |node, faults| {
            node.integer(1..=1_000_000, faults).and_then(|quantity| u32::try_from(quantity).ok())
        });
        let warehouse_id =
            object.optional_with("warehouseId", faults, |node, faults| text(node, 255, faults));
        Some(Self { sku: sku?, quantity: quantity?, warehouse_id: warehouse_id? })
    }
}

impl FromJson for ReserveRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["items", "orderId"], faults)?;
        let items = object.required_with("items", faults, |node, faults| node.list(1..=100, faults));
        let order_id = order_id(&object, faults);
        Some(Self { items: items?, order_id: order_id? })
    }
}

impl ReserveRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({ "items": redacted_items(&self.items), "orderId": self.order_id.as_ref().map(OrderId::as_str) })
    }

    /// Returns the command. `order` is from the header, for a body without one.
    pub fn into_command(self, order: Option<&OrderId>) -> Reserve {
        let items = self.items.into_iter().map(Item::from).collect();
        Reserve { items, order_id: self.order_id.or_else(|| order.cloned()) }
    }
}

/// By `reservationId`, or by the `key` of the request that reserved.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ReleaseReservationRequest {
    #[schema(min_length = 1, max_length = 255)]
    reservation_id: Option<String>,
    /// The idempotency key of the request to undo.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1/reserve")]
    key: Option<Key>,
    #[schema(ignore)]
    target: Target,
}

impl FromJson for ReleaseReservationRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["reservationId", "key"], faults)?;
        let target = target(&object, "reservationId", faults)?;
        let (reservation_id, key) = target.into_parts();
        Some(Self { reservation_id, key, target })
    }
}

impl ReleaseReservationRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({ "reservationId": self.reservation_id, "key": self.key })
    }

    pub fn into_command(self) -> Release {
        Release { target: self.target }
    }
}

/// By `reservationId`, or by the `key` of the request that reserved.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RestockRequest {
    #[schema(min_length = 1, max_length = 255)]
    reservation_id: Option<String>,
    /// The idempotency key of the request that reserved.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1/reserve")]
    key: Option<Key>,
    /// The stock that comes back; without it, all that has not come back yet.
    #[schema(min_items = 1, max_items = 100)]
    items: Option<Vec<ItemRequest>>,
    #[schema(ignore)]
    target: Target,
}

impl FromJson for RestockRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["reservationId", "key", "items"], faults)?;
        let target = target(&object, "reservationId", faults);
        let items = object.optional_with("items", faults, |node, faults| node.list(1..=100, faults));
        let (target, items) = (target?, items?);
        let (reservation_id, key) = target.into_parts();
        Some(Self { reservation_id, key, items, target })
    }
}

impl RestockRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        let items = self.items.as_deref().map(redacted_items);
        json!({ "reservationId": self.reservation_id, "key": self.key, "items": items })
    }

    pub fn into_command(self) -> Restock {
        Restock {
            target: self.target,
            items: self.items.map(|items| items.into_iter().map(Item::from).collect()),
        }
    }
}

fn redacted_items(items: &[ItemRequest]) -> Vec<Value> {
    let one = |item: &ItemRequest| json!({"sku": item.sku, "quantity": item.quantity, "warehouseId": item.warehouse_id});
    items.iter().map(one).collect()
}

impl From<ItemRequest> for Item {
    fn from(ItemRequest { sku, quantity, warehouse_id }: ItemRequest) -> Self {
        Self { sku, quantity, warehouse_id }
    }
}

/// The stock that came back, and what is still outstanding.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestockResponse {
    #[schema(example = true)]
    success: bool,
    reservation_id: String,
    /// The quantity of each SKU that has not come back.
    #[schema(example = json!({"SKU-1": 1}))]
    outstanding: BTreeMap<String, u64>,
}

impl RestockResponse {
    pub fn of(reservation: &Reservation) -> Self {
        Self {
            success: true,
            reservation_id: reservation.terms().id.to_string(),
            outstanding: reservation.outstanding(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemView {
    #[schema(example = "SKU-1")]
    sku: String,
    #[schema(example = 2)]
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    warehouse_id: Option<String>,
}

fn items(reservation: &Reservation) -> Vec<ItemView> {
    let items = reservation.terms().items.iter().cloned();
    items.map(|Item { sku, quantity, warehouse_id }| ItemView { sku, quantity, warehouse_id }).collect()
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReserveResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "res_0197a5c0f3d27e0f8b1c2d3e4f506172")]
    reservation_id: String,
    items: Vec<ItemView>,
    #[schema(example = "reserved")]
    status: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
}

impl ReserveResponse {
    pub fn of(reservation: &Reservation) -> Self {
        let terms = reservation.terms();
        Self {
            success: true,
            reservation_id: terms.id.to_string(),
            items: items(reservation),
            status: "reserved",
            created_at: from_millis(terms.created_at.millis()),
            expires_at: from_millis(terms.expires_at.millis()),
            order_id: terms.order_id.as_ref().map(ToString::to_string),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseReservationResponse {
    #[schema(example = true)]
    success: bool,
    reservation_id: String,
    #[schema(example = "released")]
    status: &'static str,
    #[schema(format = DateTime)]
    released_at: String,
}

impl ReleaseReservationResponse {
    pub fn of(reservation: &Reservation) -> Option<Self> {
        Some(Self {
            success: true,
            reservation_id: reservation.terms().id.to_string(),
            status: "released",
            released_at: from_millis(reservation.released_at()?.millis()),
        })
    }
}

/// The current state of a reservation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationView {
    reservation_id: String,
    items: Vec<ItemView>,
    /// `reserved`, `released`, `fulfilled` or `expired`.
    #[schema(example = "reserved")]
    status: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    released_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
}

impl From<&Snapshot<Reservation>> for ReservationView {
    fn from(Snapshot { resource, now, shipped_at }: &Snapshot<Reservation>) -> Self {
        let terms = resource.terms();
        Self {
            reservation_id: terms.id.to_string(),
            items: items(resource),
            status: resource.status(*now, *shipped_at).into(),
            created_at: from_millis(terms.created_at.millis()),
            expires_at: from_millis(terms.expires_at.millis()),
            released_at: resource.released_at().map(|at| from_millis(at.millis())),
            order_id: terms.order_id.as_ref().map(ToString::to_string),
        }
    }
}
