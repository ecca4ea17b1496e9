//! The bodies of shipping.

use serde::Serialize;
use serde_json::{Value, json};
use service_kit::{
    json::{Faults, FromJson, Node, Object},
    time::from_millis,
};
use utoipa::ToSchema;

use crate::{
    shared::{
        ids::{Key, OrderId},
        presentation::{order_id, target, text},
        protocol::Target,
        resource::Snapshot,
    },
    shipping::{
        application::{Cancel, CreateLabel},
        domain::{Carrier, Label, Progress},
    },
};

const DEFAULT_CARRIER: &str = "UPS";

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct CreateLabelRequest {
    #[allow(dead_code, reason = "required, but personal, so it is checked and dropped")]
    shipping_address: AddressRequest,
    /// The default is `UPS`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "UPS")]
    carrier: Carrier,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1")]
    order_id: Option<OrderId>,
}

/// The destination. It is checked, but not stored.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "x")]
pub struct AddressRequest {
    #[schema(min_length = 1, max_length = 255, example = "1 Example Street")]
    street: String,
    #[schema(min_length = 1, max_length = 255, example = "Springfield")]
    city: String,
    /// State, province or the like; absent if the country has none.
    #[schema(min_length = 1, max_length = 255, example = "IL")]
    state: Option<String>,
    /// Postal code; absent if the country has none.
    #[schema(min_length = 1, max_length = 255, example = "62701")]
    zip: Option<String>,
    #[schema(min_length = 1, max_length = 255, example = "US")]
    country: String,
}

impl FromJson for AddressRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        fn part(object: &Object<'_>, name: &str, faults: &mut Faults) -> Option<String> {
            object.required_with(name, faults, |node, faults| text(node, 255, faults))
        }
        let object = node.object(&["street", "city", "state", "zip", "country"], faults)?;
        let street = part(&object, "street", faults);
        let city = part(&object, "city", faults);
        let state = object.optional_with("state", faults, |node, faults| text(node, 255, faults));
        let zip = object.optional_with("zip", faults, |node, faults| text(node, 255, faults));
        let country = part(&object, "country", faults);
        Some(Self { street: street?, city: city?, state: state?, zip: zip?, country: country? })
    }
}

impl FromJson for CreateLabelRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["shippingAddress", "carrier", "orderId"], faults)?;
        let shipping_address = object.required("shippingAddress", faults);
        let carrier = match object.optional_with("carrier", faults, Node::parse) {
            Some(None) => DEFAULT_CARRIER.parse().ok(),
            given => given.flatten(),
        };
        let order_id = order_id(&object, faults);
        Some(Self { shipping_address: shipping_address?, carrier: carrier?, order_id: order_id? })
    }
}

impl CreateLabelRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({
            "carrier": self.carrier.as_str(),
            "orderId": self.order_id.as_ref().map(OrderId::as_str),
        })
    }

    /// Returns the command. `order` is from the header, for a body without one.
    pub fn into_command(self, order: Option<&OrderId>) -> CreateLabel {
        CreateLabel { carrier: self.carrier, order_id: self.order_id.or_else(|| order.cloned()) }
    }
}

/// By `labelId`, or by the `key` of the request that created the label.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct CancelRequest {
    #[schema(min_length = 1, max_length = 255)]
    label_id: Option<String>,
    /// The idempotency key of the request to undo.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1/label")]
    key: Option<Key>,
    #[schema(ignore)]
    target: Target,
}

impl FromJson for CancelRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["labelId", "key"], faults)?;
        let target = target(&object, "labelId", faults)?;
        let (label_id, key) = target.into_parts();
        Some(Self { label_id, key, target })
    }
}

impl CancelRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({ "labelId": self.label_id, "key": self.key })
    }

    pub fn into_command(self) -> Cancel {
        Cancel { target: self.target }
    }
}

/// Returns a URL under a reserved name (RFC 2606), so that no label is fetched from a real host.
fn label_url(label: &Label) -> String {
    format!("https://labels.example.com/{}.pdf", label.terms().id)
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateLabelResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "lbl_0197a5c0f3d27e0f8b1c2d3e4f506172")]
    label_id: String,
    #[schema(example = "1Z0197A5C0F3D27E0F")]
    tracking_number: String,
    #[schema(example = "UPS")]
    carrier: String,
    #[schema(example = "generated")]
    status: &'static str,
    label_url: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
}

impl CreateLabelResponse {
    pub fn of(label: &Label) -> Self {
        let terms = label.terms();
        Self {
            success: true,
            label_id: terms.id.to_string(),
            tracking_number: terms.tracking_number.clone(),
            carrier: terms.carrier.to_string(),
            status: "generated",
            label_url: label_url(label),
            created_at: from_millis(terms.created_at.millis()),
            order_id: terms.order_id.as_ref().map(ToString::to_string),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelResponse {
    #[schema(example = true)]
    success: bool,
    label_id: String,
    #[schema(example = "cancelled")]
    status: &'static str,
    #[schema(format = DateTime)]
    cancelled_at: String,
}

impl CancelResponse {
    pub fn of(label: &Label) -> Option<Self> {
        Some(Self {
            success: true,
            label_id: label.terms().id.to_string(),
            status: "cancelled",
            cancelled_at: from_millis(label.cancelled_at()?.millis()),
        })
    }
}

/// The progress of the label that was requested with a key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressResponse {
    #[schema(example = true)]
    success: bool,
    key: String,
    /// `generating`, `generated`, `cancelled` or `unknown`.
    #[schema(example = "generating")]
    status: &'static str,
    /// In percent; 100 only after the label is generated.
    #[schema(minimum = 0, maximum = 100, example = 45)]
    progress: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_id: Option<String>,
}

impl ProgressResponse {
    pub fn of(key: &Key, progress: &Progress) -> Self {
        let label_id = match progress {
            Progress::Generated(label) => Some(label.terms().id.to_string()),
            _ => None,
        };
        Self {
            success: true,
            key: key.to_string(),
            status: progress.status(),
            progress: progress.percent(),
            label_id,
        }
    }
}

/// The current state of a label.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelView {
    label_id: String,
    tracking_number: String,
    carrier: String,
    /// `generated` or `cancelled`.
    #[schema(example = "generated")]
    status: &'static str,
    label_url: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    cancelled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
}

impl From<&Snapshot<Label>> for LabelView {
    fn from(Snapshot { resource: label, .. }: &Snapshot<Label>) -> Self {
        let terms = label.terms();
        Self {
            label_id: terms.id.to_string(),
            tracking_number: terms.tracking_number.clone(),
            carrier: terms.carrier.to_string(),
            status: label.status(),
            label_url: label_url(label),
            created_at: from_millis(terms.created_at.millis()),
            cancelled_at: label.cancelled_at().map(|at| from_millis(at.millis())),
            order_id: terms.order_id.as_ref().map(ToString::to_string),
        }
    }
}
