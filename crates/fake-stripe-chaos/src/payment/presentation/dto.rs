//! The bodies of payments.

use serde::Serialize;
use serde_json::{Value, json};
use service_kit::{
    json::{Faults, FromJson, Node},
    time::from_millis,
};
use utoipa::ToSchema;

use crate::{
    payment::{
        application::{Authorize, Capture, ChargeCard, RefundPayment, Release},
        domain::{AuthId, Payment, Refund, State},
    },
    shared::{
        ids::{CustomerId, Key, OrderId},
        money::{Amount, Currency, Money},
        presentation::{order_id, target, text},
        protocol::Target,
        resource::{Part, Snapshot},
    },
};

/// Returns a canonical body with the currency in lower case, since `USD` and `usd` are the same request.
///
/// JSON escapes a quote within a text, so the search cannot match inside a value.
fn with_currency(canonical: &str, currency: Currency) -> String {
    const MEMBER: &str = r#""currency":""#;
    let Some((before, rest)) = canonical.split_once(MEMBER) else { return canonical.to_owned() };
    let after = rest.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{MEMBER}{}\"{after}", currency.code())
}

/// The limits of an amount in minor units, as Stripe has them.
const AMOUNTS: std::ops::RangeInclusive<i64> = 1..=99_999_999;

fn amount(node: &Node<'_>, faults: &mut Faults) -> Option<Amount> {
    node.integer(AMOUNTS, faults).and_then(|units| u64::try_from(units).ok()).map(Amount::new)
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AuthorizeRequest {
    /// Minor units, as Stripe has them: 5998 in `usd` is $59.98, 500 in `jpy` is ¥500.
    #[schema(value_type = u64, minimum = 1, maximum = 99_999_999, example = 5998)]
    amount: Amount,
    /// One of the supported ISO 4217 codes, in upper or lower case.
    #[schema(
        value_type = String, example = "usd",
        pattern = "^(usd|eur|gbp|mxn|cad|aud|nzd|chf|sek|nok|dkk|pln|czk|brl|inr|sgd|hkd|jpy|krw)$",
    )]
    currency: Currency,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1")]
    order_id: Option<OrderId>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "customer-1")]
    customer_id: Option<CustomerId>,
}

impl FromJson for AuthorizeRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["amount", "currency", "orderId", "customerId"], faults)?;
        let amount = object.required_with("amount", faults, amount);
        let currency = object.required_with("currency", faults, Node::parse);
        let order_id = order_id(&object, faults);
        let customer_id = object.optional_with("customerId", faults, Node::parse);
        Some(Self { amount: amount?, currency: currency?, order_id: order_id?, customer_id: customer_id? })
    }
}

impl AuthorizeRequest {
    /// Returns the canonical body for the fingerprint.
    pub fn canonical(&self, canonical: &str) -> String {
        with_currency(canonical, self.currency)
    }

    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({
            "amount": self.amount.minor_units(),
            "currency": self.currency.code(),
            "orderId": self.order_id.as_ref().map(OrderId::as_str),
            "customerId": self.customer_id.as_ref().map(CustomerId::as_str),
        })
    }

    /// Returns the command. `order` is from the header, for a body without one.
    pub fn into_command(self, order: Option<&OrderId>) -> Authorize {
        Authorize {
            money: Money { amount: self.amount, currency: self.currency },
            order_id: self.order_id.or_else(|| order.cloned()),
            customer_id: self.customer_id,
        }
    }
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct CaptureRequest {
    #[schema(min_length = 1, max_length = 255, example = "auth_0197a5c0f3d27e0f8b1c2d3e4f506172")]
    auth_id: String,
}

impl FromJson for CaptureRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["authId"], faults)?;
        let auth_id = object.required_with("authId", faults, |node, faults| {
            node.parse::<AuthId>(faults).map(|id| id.to_string())
        });
        Some(Self { auth_id: auth_id? })
    }
}

impl CaptureRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({ "authId": self.auth_id })
    }

    pub fn into_command(self) -> Capture {
        Capture { auth_id: self.auth_id }
    }
}

/// By `authId`, or by the `key` of the request that authorized or charged.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ReleaseRequest {
    #[schema(min_length = 1, max_length = 255)]
    auth_id: Option<String>,
    /// The idempotency key of the request to undo.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1/authorize")]
    key: Option<Key>,
    #[schema(ignore)]
    target: Target,
}

impl FromJson for ReleaseRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["authId", "key"], faults)?;
        let target = target(&object, "authId", faults)?;
        let (auth_id, key) = target.into_parts();
        Some(Self { auth_id, key, target })
    }
}

impl ReleaseRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({ "authId": self.auth_id, "key": self.key })
    }

    pub fn into_command(self) -> Release {
        Release { target: self.target }
    }
}

/// By `authId`, or by the `key` of the request that captured or charged.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RefundRequest {
    #[schema(min_length = 1, max_length = 255)]
    auth_id: Option<String>,
    /// The idempotency key of the request to undo.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1/capture")]
    key: Option<Key>,
    #[schema(ignore)]
    target: Target,
    /// Minor units. Without it, the remaining amount is refunded.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 99_999_999)]
    amount: Option<Amount>,
    #[schema(min_length = 1, max_length = 500, example = "order cancelled")]
    reason: Option<String>,
}

impl FromJson for RefundRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["authId", "key", "amount", "reason"], faults)?;
        let target = target(&object, "authId", faults);
        let amount = object.optional_with("amount", faults, amount);
        let reason = object.optional_with("reason", faults, |node, faults| text(node, 500, faults));
        let target = target?;
        let (auth_id, key) = target.into_parts();
        Some(Self { auth_id, key, target, amount: amount?, reason: reason? })
    }
}

impl RefundRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        let amount = self.amount.map(Amount::minor_units);
        json!({ "authId": self.auth_id, "key": self.key, "amount": amount, "reason": self.reason })
    }

    pub fn into_command(self) -> RefundPayment {
        RefundPayment { target: self.target, amount: self.amount, reason: self.reason }
    }
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ChargeRequest {
    /// Minor units, as Stripe has them: 5998 in `usd` is $59.98, 500 in `jpy` is ¥500.
    #[schema(value_type = u64, minimum = 1, maximum = 99_999_999, example = 5998)]
    amount: Amount,
    /// One of the supported ISO 4217 codes, in upper or lower case.
    #[schema(
        value_type = String, example = "usd",
        pattern = "^(usd|eur|gbp|mxn|cad|aud|nzd|chf|sek|nok|dkk|pln|czk|brl|inr|sgd|hkd|jpy|krw)$",
    )]
    currency: Currency,
    /// A card or a token of one. It is not stored.
    #[schema(min_length = 1, max_length = 255, example = "tok_visa")]
    source: String,
    #[schema(min_length = 1, max_length = 500)]
    description: Option<String>,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1")]
    order_id: Option<OrderId>,
}

impl FromJson for ChargeRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["amount", "currency", "source", "description", "orderId"], faults)?;
        let amount = object.required_with("amount", faults, amount);
        let currency = object.required_with("currency", faults, Node::parse);
        let source = object.required_with("source", faults, |node, faults| text(node, 255, faults));
        let description = object.optional_with("description", faults, |node, faults| text(node, 500, faults));
        let order_id = order_id(&object, faults);
        Some(Self {
            amount: amount?,
            currency: currency?,
            source: source?,
            description: description?,
            order_id: order_id?,
        })
    }
}

impl ChargeRequest {
    /// Returns the canonical body for the fingerprint.
    pub fn canonical(&self, canonical: &str) -> String {
        with_currency(canonical, self.currency)
    }

    /// Returns the body for the journal, without personal data. The description may contain some, too.
    pub fn redacted(&self) -> Value {
        json!({
            "amount": self.amount.minor_units(),
            "currency": self.currency.code(),
            "source": format!("{} characters", self.source.chars().count()),
            "orderId": self.order_id.as_ref().map(OrderId::as_str),
        })
    }

    /// Returns the command. `order` is from the header, for a body without one.
    pub fn into_command(self, order: Option<&OrderId>) -> ChargeCard {
        ChargeCard {
            money: Money { amount: self.amount, currency: self.currency },
            description: self.description,
            order_id: self.order_id.or_else(|| order.cloned()),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizeResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "auth_0197a5c0f3d27e0f8b1c2d3e4f506172")]
    auth_id: String,
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = "usd")]
    currency: &'static str,
    #[schema(example = "authorized")]
    status: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
}

impl AuthorizeResponse {
    pub fn of(payment: &Payment) -> Self {
        let terms = payment.terms();
        Self {
            success: true,
            auth_id: terms.auth_id.to_string(),
            amount: terms.money.amount.minor_units(),
            currency: terms.money.currency.code(),
            status: "authorized",
            created_at: from_millis(terms.created_at.millis()),
            expires_at: from_millis(terms.expires_at.millis()),
            order_id: terms.order_id.as_ref().map(ToString::to_string),
            customer_id: terms.customer_id.as_ref().map(ToString::to_string),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaptureResponse {
    #[schema(example = true)]
    success: bool,
    auth_id: String,
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = "usd")]
    currency: &'static str,
    #[schema(example = "captured")]
    status: &'static str,
    #[schema(format = DateTime)]
    captured_at: String,
}

impl CaptureResponse {
    pub fn of(payment: &Payment) -> Option<Self> {
        let State::Captured { at, .. } = payment.state() else { return None };
        let terms = payment.terms();
        Some(Self {
            success: true,
            auth_id: terms.auth_id.to_string(),
            amount: terms.money.amount.minor_units(),
            currency: terms.money.currency.code(),
            status: "captured",
            captured_at: from_millis(at.millis()),
        })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseResponse {
    #[schema(example = true)]
    success: bool,
    auth_id: String,
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = "usd")]
    currency: &'static str,
    #[schema(example = "released")]
    status: &'static str,
    #[schema(format = DateTime)]
    released_at: String,
}

impl ReleaseResponse {
    pub fn of(payment: &Payment) -> Option<Self> {
        let State::Released { at } = payment.state() else { return None };
        let terms = payment.terms();
        Some(Self {
            success: true,
            auth_id: terms.auth_id.to_string(),
            amount: terms.money.amount.minor_units(),
            currency: terms.money.currency.code(),
            status: "released",
            released_at: from_millis(at.millis()),
        })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "re_0197a5c0f3d27e0f8b1c2d3e4f506172")]
    refund_id: String,
    auth_id: String,
    /// The amount of this refund.
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = "usd")]
    currency: &'static str,
    #[schema(example = "succeeded")]
    status: &'static str,
    reason: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl RefundResponse {
    pub fn of(payment: &Payment, part: Option<&Part>) -> Option<Self> {
        let Part(id) = part?;
        let refund = payment.refunds().iter().find(|refund| refund.id.as_str() == id)?;
        let terms = payment.terms();
        Some(Self {
            success: true,
            refund_id: refund.id.to_string(),
            auth_id: terms.auth_id.to_string(),
            amount: refund.amount.minor_units(),
            currency: terms.money.currency.code(),
            status: "succeeded",
            reason: refund.reason.clone(),
            created_at: from_millis(refund.at.millis()),
        })
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargeResponse {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "ch_0197a5c0f3d27e0f8b1c2d3e4f506172")]
    id: String,
    auth_id: String,
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = "usd")]
    currency: &'static str,
    #[schema(example = "succeeded")]
    status: &'static str,
    /// Unix seconds.
    #[schema(example = 1_764_000_000)]
    created: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl ChargeResponse {
    pub fn of(payment: &Payment) -> Option<Self> {
        let terms = payment.terms();
        let charge = terms.charge.as_ref()?;
        Some(Self {
            success: true,
            id: charge.id.as_str().to_owned(),
            auth_id: terms.auth_id.to_string(),
            amount: terms.money.amount.minor_units(),
            currency: terms.money.currency.code(),
            status: "succeeded",
            created: terms.created_at.seconds(),
            description: charge.description.clone(),
        })
    }
}

/// The current state of a payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    auth_id: String,
    /// Present if the payment was authorized and captured in one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_id: Option<String>,
    #[schema(example = 5998)]
    amount: u64,
    #[schema(example = 0)]
    refunded_amount: u64,
    #[schema(example = "usd")]
    currency: &'static str,
    /// `authorized`, `captured`, `partially_refunded`, `refunded`, `released` or `expired`.
    #[schema(example = "captured")]
    status: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    captured_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    released_at: Option<String>,
    refunds: Vec<RefundView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundView {
    refund_id: String,
    amount: u64,
    reason: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<&Refund> for RefundView {
    fn from(refund: &Refund) -> Self {
        Self {
            refund_id: refund.id.to_string(),
            amount: refund.amount.minor_units(),
            reason: refund.reason.clone(),
            created_at: from_millis(refund.at.millis()),
        }
    }
}

impl From<&Snapshot<Payment>> for PaymentView {
    fn from(Snapshot { resource: payment, now, .. }: &Snapshot<Payment>) -> Self {
        let terms = payment.terms();
        let (captured_at, released_at) = match payment.state() {
            State::Authorized => (None, None),
            State::Released { at } => (None, Some(*at)),
            State::Captured { at, .. } => (Some(*at), None),
        };
        Self {
            auth_id: terms.auth_id.to_string(),
            charge_id: terms.charge.as_ref().map(|charge| charge.id.to_string()),
            amount: terms.money.amount.minor_units(),
            refunded_amount: payment.refunded().minor_units(),
            currency: terms.money.currency.code(),
            status: payment.status(*now).into(),
            created_at: from_millis(terms.created_at.millis()),
            expires_at: from_millis(terms.expires_at.millis()),
            captured_at: captured_at.map(|at| from_millis(at.millis())),
            released_at: released_at.map(|at| from_millis(at.millis())),
            refunds: payment.refunds().iter().map(RefundView::from).collect(),
            order_id: terms.order_id.as_ref().map(ToString::to_string),
            customer_id: terms.customer_id.as_ref().map(ToString::to_string),
        }
    }
}
