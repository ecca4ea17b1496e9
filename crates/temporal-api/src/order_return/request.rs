//! Reads the request for a return, and reports all faults at once.

use serde::Serialize;
use service_kit::json::{Faults, FromJson, Node};
use workflows::activities::inventory::StockLine;

use crate::{
    fields::Text,
    idempotency::Fingerprint,
    order::{ITEMS, QUANTITY},
};

/// Holds a return that may be started. Its serialized form is its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReturnRequest {
    /// Holds the goods; everything that is left without it.
    pub items: Option<Vec<StockLine>>,
    pub reason: String,
}

impl ReturnRequest {
    /// Returns the value that distinguishes this request from others, also from the same for another order.
    pub fn fingerprint(&self, order: &str) -> Fingerprint {
        Fingerprint::of("return", &(order, self))
    }
}

impl FromJson for ReturnRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["items", "reason"], faults)?;
        let items = object.optional_with("items", faults, |node, faults| node.list(ITEMS, faults));
        let reason: Option<Text> = object.required("reason", faults);
        let lines = |items: Vec<Line>| items.into_iter().map(|line| line.0).collect();
        Some(Self { items: items?.map(lines), reason: reason?.0 })
    }
}

/// Holds one line of goods.
struct Line(StockLine);

impl FromJson for Line {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["sku", "quantity"], faults)?;
        let sku: Option<Text> = object.required("sku", faults);
        let quantity =
            object.required_with("quantity", faults, |node, faults| node.integer(QUANTITY, faults));
        Some(Self(StockLine { sku: sku?.0, quantity: u32::try_from(quantity?).ok()? }))
    }
}
