//! Reads and checks the orders of a batch, and reports all faults at once.

use std::collections::HashMap;

use axum::{RequestExt as _, extract::Request};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use service_kit::{
    json::{self, Faults, FromJson, Node},
    problem::{HttpCode, Problem},
};

use crate::{fields::Id, idempotency::Fingerprint, order::OrderRequest};

/// The maximum number of orders in a batch.
pub const MAX_ORDERS: usize = 10_000;
/// Limits a line of NDJSON in bytes. The largest order has fewer.
const MAX_LINE: usize = 128 * 1024;
/// Leaves room for the number of the chunk in the ids of its workflows.
const ID_LENGTH: usize = 100;

/// Holds a batch that may be started. Its serialized form is its fingerprint.
#[derive(Serialize)]
pub struct BatchRequest {
    pub batch_id: String,
    pub orders: Vec<OrderRequest>,
}

impl BatchRequest {
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("order-batch", self)
    }
}

impl FromJson for BatchRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["batchId", "orders"], faults)?;
        let batch_id = object.required_with("batchId", faults, batch_id);
        let orders = object.required_with("orders", faults, |node, faults| {
            let nodes = node.array(faults)?;
            if !(1..=MAX_ORDERS).contains(&nodes.len()) {
                let message = format!("must have 1 to {MAX_ORDERS} elements, not {}", nodes.len());
                return node.fault(faults, message);
            }
            let mut ids = Ids::default();
            let mut orders = Vec::new();
            for node in &nodes {
                let order = OrderRequest::from_json(node, faults);
                orders.extend(order.filter(|order| ids.add(order, node.pointer(), faults)));
            }
            (orders.len() == nodes.len()).then_some(orders)
        });
        Some(Self { batch_id: batch_id?, orders: orders? })
    }
}

fn batch_id(node: &Node<'_>, faults: &mut Faults) -> Option<String> {
    let id = Id::from_json(node, faults)?.0;
    if id.len() > ID_LENGTH {
        return node.fault(faults, format!("must be at most {ID_LENGTH} characters"));
    }
    Some(id)
}

/// The ids of the orders so far, with their places.
#[derive(Default)]
struct Ids(HashMap<String, String>);

impl Ids {
    /// Returns false if another order has the same id.
    fn add(&mut self, order: &OrderRequest, pointer: &str, faults: &mut Faults) -> bool {
        match self.0.insert(order.order_id().to_owned(), pointer.to_owned()) {
            None => true,
            Some(first) => {
                faults.add(format!("{pointer}/orderId"), format!("is the id of {first}, too"));
                self.0.insert(order.order_id().to_owned(), first);
                false
            }
        }
    }
}

/// The parameter of a batch in lines.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinesQuery {
    pub batch_id: Option<String>,
}

/// Reads a batch from lines, one order each. It keeps the checked orders and one line, but not the text of the body.
pub async fn read_lines(request: Request, query: LinesQuery) -> Result<BatchRequest, Problem> {
    let mut lines = Lines::default();
    let batch_id = query.batch_id.and_then(|id| match id.parse::<Id>() {
        Ok(id) if id.0.len() <= ID_LENGTH => Some(id.0),
        Ok(_) => {
            lines.faults.add("?batchId", format!("must be at most {ID_LENGTH} characters"));
            None
        }
        Err(why) => {
            lines.faults.add("?batchId", why);
            None
        }
    });
    if batch_id.is_none() && lines.faults.is_empty() {
        lines.faults.add("?batchId", "is required");
    }
    let mut body = request.into_limited_body().into_data_stream();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| json::unreadable_body(&error))?;
        for piece in part.split_inclusive(|byte| *byte == b'\n') {
            lines.push(piece)?;
        }
    }
    lines.end_line();
    if lines.count == 0 {
        lines.faults.add("", "has no order");
    }
    let Lines { orders, faults, .. } = lines;
    faults.into_result(batch_id.map(|batch_id| BatchRequest { batch_id, orders }))
}

/// The lines read so far.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// The number of the present line, from 1.
    number: usize,
    /// The number of lines with an order.
    count: usize,
    orders: Vec<OrderRequest>,
    ids: Ids,
    faults: Faults,
}

impl Lines {
    /// Adds a part of the body without line breaks, except at its end.
    fn push(&mut self, piece: &[u8]) -> Result<(), Problem> {
        if self.line.len() + piece.len() > MAX_LINE {
            let line = self.number + 1;
            let why = format!("line {line} has more than {MAX_LINE} bytes");
            return Err(Problem::new(HttpCode::PayloadTooLarge, why));
        }
        self.line.extend_from_slice(piece);
        if piece.ends_with(b"\n") {
            self.end_line();
        }
        if self.count > MAX_ORDERS {
            let why = format!("the batch has more than {MAX_ORDERS} orders");
            return Err(Problem::new(HttpCode::PayloadTooLarge, why));
        }
        Ok(())
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        self.count += 1;
        let pointer = format!("/lines/{}", self.number);
        let order = json::read_part(&line, pointer.clone(), &mut self.faults, OrderRequest::from_json);
        if let Some(order) = order
            && self.ids.add(&order, &pointer, &mut self.faults)
        {
            self.orders.push(order);
        }
    }
}
