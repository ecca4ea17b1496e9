//! `/v1/payment_intents`, and the charges of intents.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use serde_json::Value;
use service_kit::problem::Problem;

use super::{
    expand,
    handlers::{Changed, Stripe},
    lists::Page,
    objects,
    params::{Metadata, Params},
    problems::{self, StripeCode},
    request::StripeRequest,
};
use crate::{
    shared::{
        ids::Key,
        money::{Currency, Money},
    },
    stripe::{
        application::{
            CANCEL_INTENT, CAPTURE_INTENT, CONFIRM_INTENT, CREATE_INTENT, CancelIntent, CaptureIntent,
            ChangeAttributes, ConfirmIntent, CreateIntent, UPDATE_INTENT,
        },
        domain::{Attributes, CancellationReason, CaptureMethod, Kind, Method, TestCard},
    },
};

/// The parameters of Stripe that have no meaning here.
const IGNORED: [&str; 22] = [
    "application_fee_amount",
    "confirmation_method",
    "confirmation_token",
    "error_on_requires_action",
    "final_capture",
    "mandate_data",
    "off_session",
    "on_behalf_of",
    "payment_method_configuration",
    "payment_method_data",
    "payment_method_options",
    "payment_method_types",
    "radar_options",
    "return_url",
    "shipping",
    "statement_descriptor_suffix",
    "automatic_payment_methods",
    "transfer_data",
    "transfer_group",
    "use_stripe_sdk",
    "amount_details",
    "payment_details",
];

/// The attributes that a request changes. An empty text removes its attribute.
#[derive(Default)]
struct AttributeChanges {
    customer: Option<String>,
    description: Option<String>,
    receipt_email: Option<String>,
    statement_descriptor: Option<String>,
    setup_future_usage: Option<String>,
    capture_method: Option<CaptureMethod>,
    metadata: Metadata,
    method: Option<Method>,
}

impl AttributeChanges {
    /// Reads the attributes that a confirmation can change.
    fn of_confirmation(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self {
            receipt_email: params.take("receipt_email"),
            setup_future_usage: params.take("setup_future_usage"),
            capture_method: capture_method(params)?,
            ..Self::default()
        })
    }

    fn apply(self, mut attributes: Attributes) -> Attributes {
        let replace = |text: &mut Option<String>, value: Option<String>| {
            if let Some(value) = value {
                *text = Some(value).filter(|value| !value.is_empty());
            }
        };
        replace(&mut attributes.customer, self.customer);
        replace(&mut attributes.description, self.description);
        replace(&mut attributes.receipt_email, self.receipt_email);
        replace(&mut attributes.statement_descriptor, self.statement_descriptor);
        replace(&mut attributes.setup_future_usage, self.setup_future_usage);
        attributes.capture_method = self.capture_method.unwrap_or(attributes.capture_method);
        attributes.metadata = self.metadata.apply(attributes.metadata);
        attributes.method = self.method.or(attributes.method);
        attributes
    }
}

fn capture_method(params: &mut Params) -> Result<Option<CaptureMethod>, Problem> {
    params.one_of("capture_method", "automatic, automatic_async, or manual")
}

/// Creates a payment intent, and confirms it if `confirm` is true.
pub async fn create(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let key = request.key();
    let params = &mut request.params;
    let amount = params.amount("amount")?.ok_or_else(|| problems::parameter_missing("amount"))?;
    let currency = currency(params)?.ok_or_else(|| problems::parameter_missing("currency"))?;
    let confirm = params.boolean("confirm")?.unwrap_or(false);
    let automatic_methods =
        params.peek("payment_method_types[]").or(params.peek("payment_method_types[0]")).is_none();
    let changes = attribute_changes(&stripe, params, key).await?;
    let attributes = changes.apply(Attributes {
        money: Money { amount, currency },
        capture_method: CaptureMethod::AutomaticAsync,
        customer: None,
        description: None,
        receipt_email: None,
        statement_descriptor: None,
        setup_future_usage: None,
        metadata: std::collections::BTreeMap::new(),
        method: None,
        automatic_methods,
    });
    if confirm && attributes.method.is_none() {
        let why = "You cannot confirm with `confirm=true` without a payment method.".to_owned();
        return Err(problems::invalid(StripeCode::ParameterMissing, "payment_method", why));
    }
    std::mem::take(params).finish(&IGNORED)?;
    let (order, expand) = (request.order(), std::mem::take(&mut request.expand));
    let call = request.into_call(CREATE_INTENT, &stripe.deps.catalogue)?;
    let reply = stripe.service.create_intent(call, CreateIntent { attributes, confirm, order }).await;
    Ok(stripe.answer_intent(reply, expand, Changed::charged).await)
}

/// Changes the attributes of a payment intent.
pub async fn update(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let key = request.key();
    let params = &mut request.params;
    let (amount, currency) = (params.amount("amount")?, currency(params)?);
    let changes = attribute_changes(&stripe, params, key).await?;
    std::mem::take(params).finish(&IGNORED)?;
    let expand = std::mem::take(&mut request.expand);
    let call = request.into_call(UPDATE_INTENT, &stripe.deps.catalogue)?;
    let change = move |attributes: &Attributes| {
        let money = Money {
            amount: amount.unwrap_or(attributes.money.amount),
            currency: currency.unwrap_or(attributes.money.currency),
        };
        changes.apply(Attributes { money, ..attributes.clone() })
    };
    let reply = stripe.service.update_intent(call, id, Box::new(change)).await;
    Ok(stripe.answer_intent(reply, expand, |changed| Ok(changed.shown())).await)
}

/// Confirms a payment intent: charges its card.
pub async fn confirm(
    State(stripe): State<Arc<Stripe>>,
    Path(intent): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let key = request.key();
    let params = &mut request.params;
    let method = method(&stripe, params, key).await?;
    let changeable = ["receipt_email", "setup_future_usage", "capture_method"];
    let is_changed = changeable.iter().any(|name| params.peek(name).is_some());
    let changes = AttributeChanges::of_confirmation(params)?;
    let change = is_changed
        .then(|| -> ChangeAttributes { Box::new(move |attributes| changes.apply(attributes.clone())) });
    std::mem::take(params).finish(&IGNORED)?;
    let expand = std::mem::take(&mut request.expand);
    let call = request.into_call(CONFIRM_INTENT, &stripe.deps.catalogue)?;
    let reply = stripe.service.confirm_intent(call, ConfirmIntent { intent, method, change }).await;
    Ok(stripe.answer_intent(reply, expand, Changed::charged).await)
}

/// Captures the amount of a payment intent, or a part of it.
pub async fn capture(
    State(stripe): State<Arc<Stripe>>,
    Path(intent): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let params = &mut request.params;
    let amount = params.amount("amount_to_capture")?;
    // Metadata of a capture are those of the intent; here they name the order only.
    params.metadata()?;
    params.take("statement_descriptor");
    std::mem::take(params).finish(&IGNORED)?;
    let expand = std::mem::take(&mut request.expand);
    let call = request.into_call(CAPTURE_INTENT, &stripe.deps.catalogue)?;
    let reply = stripe.service.capture_intent(call, CaptureIntent { intent, amount }).await;
    Ok(stripe.answer_intent(reply, expand, |changed| Ok(changed.shown())).await)
}

/// Cancels a payment intent, and voids its authorization.
pub async fn cancel(
    State(stripe): State<Arc<Stripe>>,
    Path(intent): Path<String>,
    mut request: StripeRequest,
) -> Result<Response, Problem> {
    expand::check(&request.expand, false)?;
    let known = "duplicate, fraudulent, requested_by_customer, or abandoned";
    let reason = request.params.one_of::<CancellationReason>("cancellation_reason", known)?;
    std::mem::take(&mut request.params).finish(&[])?;
    let expand = std::mem::take(&mut request.expand);
    let call = request.into_call(CANCEL_INTENT, &stripe.deps.catalogue)?;
    let reply = stripe.service.cancel_intent(call, CancelIntent { intent, reason }).await;
    Ok(stripe.answer_intent(reply, expand, |changed| Ok(changed.shown())).await)
}

/// Shows a payment intent.
pub async fn show(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.take("client_secret");
    request.params.finish(&[])?;
    let missing = problems::not_found("payment_intent", &id);
    stripe
        .show(request.expand, missing, move |found, tx, now| {
            let intent = found.intent(tx, &id)?;
            Ok(intent.map(|intent| objects::intent(&intent, intent.version(), now)))
        })
        .await
}

/// Lists payment intents, the newest first.
pub async fn list(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let page = Page::read(&mut request.params)?;
    let customer = request.params.text("customer");
    request.params.finish(&[])?;
    stripe
        .list(page, "/v1/payment_intents", request.expand, move |found, tx, now| {
            let intents = found.intents(tx)?.into_iter();
            let shown = intents.map(|intent| objects::intent(&intent, intent.version(), now));
            Ok(shown.filter(|intent| is(intent, "customer", customer.as_ref())).collect())
        })
        .await
}

/// Shows a charge.
pub async fn show_charge(
    State(stripe): State<Arc<Stripe>>,
    Path(id): Path<String>,
    request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    request.params.finish(&[])?;
    let missing = problems::not_found("charge", &id);
    stripe
        .show(request.expand, missing, move |found, tx, now| {
            let Some(intent) = found.intent_of(tx, &id)? else { return Ok(None) };
            let state = intent.state(now);
            let charge = state.charges.iter().find(|charge| charge.id.as_str() == id);
            Ok(charge.map(|charge| objects::charge(&intent, &state, charge)))
        })
        .await
}

/// Lists charges, the newest first.
pub async fn list_charges(
    State(stripe): State<Arc<Stripe>>,
    mut request: StripeRequest,
) -> Result<Json<Value>, Problem> {
    let page = Page::read(&mut request.params)?;
    let (customer, of) = (request.params.text("customer"), request.params.text("payment_intent"));
    request.params.take("transfer_group");
    request.params.finish(&[])?;
    stripe
        .list(page, "/v1/charges", request.expand, move |found, tx, now| {
            let mut charges = Vec::new();
            for intent in found.intents(tx)? {
                let state = intent.state(now);
                charges.extend(state.charges.iter().map(|charge| objects::charge(&intent, &state, charge)));
            }
            charges.retain(|charge| {
                is(charge, "customer", customer.as_ref()) && is(charge, "payment_intent", of.as_ref())
            });
            // A later charge can belong to an earlier intent.
            charges.sort_by(|one, other| other["id"].as_str().cmp(&one["id"].as_str()));
            Ok(charges)
        })
        .await
}

/// Returns true if the member has this value, or if any value will do.
pub(super) fn is(object: &Value, member: &str, wanted: Option<&String>) -> bool {
    wanted.is_none_or(|wanted| object[member] == wanted.as_str())
}

fn currency(params: &mut Params) -> Result<Option<Currency>, Problem> {
    let Some(text) = params.text("currency") else { return Ok(None) };
    let invalid = |error| {
        problems::invalid(
            StripeCode::ParameterInvalid,
            "currency",
            format!("Invalid currency: {text}, which {error}"),
        )
    };
    text.parse().map(Some).map_err(invalid)
}

async fn attribute_changes(
    stripe: &Stripe,
    params: &mut Params,
    key: Option<Key>,
) -> Result<AttributeChanges, Problem> {
    let customer = params.take("customer");
    if let Some(id) = customer.clone().filter(|id| !id.is_empty()) {
        require_customer(stripe, id, key.clone()).await?;
    }
    Ok(AttributeChanges {
        customer,
        description: params.take("description"),
        receipt_email: params.take("receipt_email"),
        statement_descriptor: params.take("statement_descriptor"),
        setup_future_usage: params.take("setup_future_usage"),
        capture_method: capture_method(params)?,
        metadata: params.metadata()?,
        method: method(stripe, params, key).await?,
    })
}

/// Fails unless there is this customer.
async fn require_customer(stripe: &Stripe, id: String, key: Option<Key>) -> Result<(), Problem> {
    let missing = problems::no_such("customer", &id, "customer");
    let customer = stripe.existing(Kind::Customer, &id).await?;
    if customer.is_some() || stripe.service.has_answer(key).await? { Ok(()) } else { Err(missing) }
}

/// Reads the payment method: a name such as `pm_card_visa`, the id of one, or the data of a card.
async fn method(stripe: &Stripe, params: &mut Params, key: Option<Key>) -> Result<Option<Method>, Problem> {
    let data = params.members("payment_method_data");
    if !data.is_empty() {
        let card = super::documents::card_of(&data, "payment_method_data[card]")?;
        return Ok(Some(Method { id: String::new(), card: card.name.to_owned(), is_new: true }));
    }
    let Some(id) = params.text("payment_method") else { return Ok(None) };
    if let Some(card) = TestCard::of_token(&id) {
        return Ok(Some(Method { id: String::new(), card: card.name.to_owned(), is_new: true }));
    }
    let missing = problems::no_such("PaymentMethod", &id, "payment_method");
    let card = match stripe.existing(Kind::PaymentMethod, &id).await? {
        Some(found) => found.field("card").unwrap_or_default().to_owned(),
        None if stripe.service.has_answer(key).await? => String::new(),
        None => return Err(missing),
    };
    Ok(Some(Method { id, card, is_new: false }))
}
