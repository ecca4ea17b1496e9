//! Members that several bodies have, read alike.

use service_kit::json::{Faults, Node, Object};

use crate::shared::{
    ids::{InvalidId, Key, OrderId, parse_visible_ascii},
    protocol::Target,
};

/// `orderId?`.
#[allow(clippy::option_option, reason = "a fault, an absence and a value are three things")]
pub fn order_id(object: &Object<'_>, faults: &mut Faults) -> Option<Option<OrderId>> {
    object.optional_with("orderId", faults, Node::parse)
}

/// Either the member `id`, or `key`: exactly one of them.
pub fn target(object: &Object<'_>, id: &str, faults: &mut Faults) -> Option<Target> {
    let by_id = object.optional_with(id, faults, |node, faults| {
        let text = node.string(faults)?;
        match parse_visible_ascii(&text) {
            Ok(_) => Some(text),
            Err(error @ InvalidId) => node.fault(faults, error.to_string()),
        }
    });
    let by_key = object.optional_with("key", faults, Node::parse::<Key>);
    match (by_id?, by_key?) {
        (Some(id), None) => Some(Target::Id(id)),
        (None, Some(key)) => Some(Target::Key(key)),
        (None, None) => {
            faults.add(format!("{}/{id}", object.pointer()), "is required, or key");
            None
        }
        (Some(_), Some(_)) => {
            faults.add(format!("{}/key", object.pointer()), format!("can't be given together with {id}"));
            None
        }
    }
}

/// Text of 1 to `max_chars` characters, not blank, and without control characters but line breaks and tabs.
pub fn text(node: &Node<'_>, max_chars: usize, faults: &mut Faults) -> Option<String> {
    let text = node.string(faults)?;
    let length = text.chars().count();
    if text.trim().is_empty() || length > max_chars {
        return node.fault(faults, format!("must have 1 to {max_chars} characters, not all blank"));
    }
    if text.chars().any(|char| char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
        return node.fault(faults, "must not have control characters");
    }
    Some(text)
}
