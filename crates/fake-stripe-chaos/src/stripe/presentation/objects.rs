//! The JSON of Stripe's objects.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    shared::{clock::Timestamp, ledger::Totals, money::Amount},
    stripe::domain::{
        ChargeState, Decline, Document, EventRecord, Fields, Intent, IntentState, Kind, Method, Refund,
        TestCard,
    },
};

/// The version of the events' objects.
const API_VERSION: &str = "2025-03-31.basil";

fn seconds(at: Timestamp) -> i64 {
    at.millis() / 1000
}

const fn units(amount: Amount) -> u64 {
    amount.minor_units()
}

/// Adds the members that are always null here.
fn with_nulls(mut object: Value, names: &[&str]) -> Value {
    for name in names {
        object[*name] = Value::Null;
    }
    object
}

/// Returns a payment intent as it was at a version.
#[must_use]
pub fn intent(intent: &Intent, version: usize, now: Timestamp) -> Value {
    let state = intent.state_at(version, now);
    intent_of(intent, &state)
}

fn intent_of(intent: &Intent, state: &IntentState) -> Value {
    let attributes = &state.attributes;
    let id = intent.id.as_str();
    let automatic =
        attributes.automatic_methods.then(|| json!({ "allow_redirects": "always", "enabled": true }));
    let last_error = state.last_decline().map(|(charge, decline)| last_payment_error(charge, decline));
    let given = json!({
        "id": id,
        "object": "payment_intent",
        "amount": units(attributes.money.amount),
        "amount_capturable": units(state.capturable()),
        "amount_details": { "tip": {} },
        "amount_received": units(state.received()),
        "automatic_payment_methods": automatic,
        "canceled_at": state.canceled.map(|(at, _)| seconds(at)),
        "cancellation_reason": state.canceled.and_then(|(_, reason)| reason.map(<&str>::from)),
        "capture_method": <&str>::from(attributes.capture_method),
        "client_secret": format!("{id}_secret_{}", id.trim_start_matches("pi_")),
        "confirmation_method": "automatic",
        "created": seconds(state.created_at),
        "currency": attributes.money.currency.code(),
        "customer": attributes.customer,
        "description": attributes.description,
        "last_payment_error": last_error,
        "latest_charge": state.latest_charge().map(|charge| charge.id.as_str().to_owned()),
        "livemode": false,
        "metadata": attributes.metadata,
        "payment_method": attributes.method.as_ref().map(|method| method.id.clone()),
        "payment_method_options": { "card": {
            "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic"
        } },
        "payment_method_types": ["card"],
        "receipt_email": attributes.receipt_email,
        "setup_future_usage": attributes.setup_future_usage,
        "statement_descriptor": attributes.statement_descriptor,
        "status": state.status.name(),
    });
    with_nulls(
        given,
        &[
            "application",
            "application_fee_amount",
            "next_action",
            "on_behalf_of",
            "payment_method_configuration_details",
            "processing",
            "review",
            "shipping",
            "source",
            "statement_descriptor_suffix",
            "transfer_data",
            "transfer_group",
        ],
    )
}

fn last_payment_error(charge: &ChargeState, decline: Decline) -> Value {
    json!({
        "charge": charge.id.as_str(),
        "code": decline.code,
        "decline_code": decline.issuer_code,
        "doc_url": format!("https://stripe.com/docs/error-codes/{}", decline.code.replace('_', "-")),
        "message": decline.message,
        "payment_method": method_of(&charge.method, charge.at, None),
        "type": "card_error",
    })
}

/// Returns a charge of an intent.
#[must_use]
pub fn charge(intent: &Intent, state: &IntentState, charge: &ChargeState) -> Value {
    let (attributes, id) = (&state.attributes, charge.id.as_str());
    let captured = charge.captured.unwrap_or(Amount::ZERO);
    let outcome = match charge.decline {
        None => json!({
            "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 1,
            "seller_message": "Payment complete.", "type": "authorized"
        }),
        Some(decline) => json!({
            "network_status": "declined_by_network", "reason": decline.issuer_code, "risk_level": "normal",
            "risk_score": 1, "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined"
        }),
    };
    let given = json!({
        "id": id,
        "object": "charge",
        "amount": units(attributes.money.amount),
        "amount_captured": units(captured),
        "amount_refunded": units(charge.refunded()),
        "billing_details": billing_details(&Fields::new()),
        "calculated_statement_descriptor": "FAKE STRIPE CHAOS",
        "captured": charge.captured.is_some(),
        "created": seconds(charge.at),
        "currency": attributes.money.currency.code(),
        "customer": attributes.customer,
        "description": attributes.description,
        "disputed": false,
        "failure_code": charge.decline.map(|decline| decline.code),
        "failure_message": charge.decline.map(|decline| decline.message),
        "fraud_details": {},
        "livemode": false,
        "metadata": attributes.metadata,
        "outcome": outcome,
        "paid": charge.decline.is_none(),
        "payment_intent": intent.id.as_str(),
        "payment_method": charge.method.id,
        "payment_method_details": { "card": charge_card(&charge.method, attributes.money.amount), "type": "card" },
        "receipt_email": attributes.receipt_email,
        "refunded": charge.captured.is_some() && charge.refunded() == captured || charge.is_voided,
        "statement_descriptor": attributes.statement_descriptor,
        "status": if charge.decline.is_some() { "failed" } else { "succeeded" },
    });
    with_nulls(
        given,
        &[
            "application",
            "application_fee",
            "application_fee_amount",
            "balance_transaction",
            "destination",
            "dispute",
            "failure_balance_transaction",
            "on_behalf_of",
            "receipt_number",
            "receipt_url",
            "review",
            "shipping",
            "source",
            "source_transfer",
            "statement_descriptor_suffix",
            "transfer_data",
            "transfer_group",
        ],
    )
}

/// Returns a refund of an intent's charge.
#[must_use]
pub fn refund(intent: &Intent, state: &IntentState, refund: &Refund) -> Value {
    json!({
        "id": refund.id.as_str(),
        "object": "refund",
        "amount": units(refund.amount),
        "balance_transaction": null,
        "charge": refund.charge.as_str(),
        "created": seconds(refund.at),
        "currency": state.attributes.money.currency.code(),
        "destination_details": {
            "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" },
            "type": "card"
        },
        "metadata": refund.metadata,
        "payment_intent": intent.id.as_str(),
        "reason": refund.reason,
        "receipt_number": null,
        "source_transfer_reversal": null,
        "status": "succeeded",
        "transfer_reversal": null,
    })
}

/// Returns an event with its object.
#[must_use]
pub fn event(event: &EventRecord, pending: usize, intent: &Intent) -> Value {
    let state = intent.state_at(event.version, event.at);
    let object = match (event.kind.name().split('.').next(), &event.refund) {
        (Some("refund"), Some(id)) => state
            .charges
            .iter()
            .flat_map(|charge| &charge.refunds)
            .find(|known| known.id == *id)
            .map(|found| refund(intent, &state, found)),
        (Some("charge"), _) => state.latest_charge().map(|latest| charge(intent, &state, latest)),
        _ => Some(intent_of(intent, &state)),
    };
    json!({
        "id": event.id.as_str(),
        "object": "event",
        "api_version": API_VERSION,
        "created": seconds(event.at),
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": pending,
        "request": { "id": null, "idempotency_key": event.key.as_ref().map(|key| key.as_str().to_owned()) },
        "type": event.kind.name(),
    })
}

/// Returns a document as it was at a version.
#[must_use]
pub fn document(document: &Document, version: usize) -> Value {
    let fields = document.at(version);
    match document.kind {
        Kind::Customer => customer(document, fields),
        Kind::PaymentMethod => payment_method(document, fields),
        Kind::WebhookEndpoint => endpoint(document, fields),
    }
}

/// Returns the answer of a deletion.
#[must_use]
pub fn deleted(document: &Document) -> Value {
    json!({ "id": document.id.as_str(), "object": document.kind.object(), "deleted": true })
}

fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.get(name).map(String::as_str)
}

/// Returns the members under `name[…]`, as deep as they are.
fn members(fields: &Fields, name: &str) -> Option<Value> {
    let open = format!("{name}[");
    let mut object = Map::new();
    for (field, value) in fields.iter().filter(|(field, _)| field.starts_with(&open)) {
        let mut path = field[open.len()..].split("][").map(|part| part.trim_end_matches(']')).peekable();
        let mut place = &mut object;
        while let Some(part) = path.next() {
            if path.peek().is_none() {
                place.insert(part.to_owned(), value.as_str().into());
                break;
            }
            let member = place.entry(part).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = member else { break };
            place = inner;
        }
    }
    (!object.is_empty()).then_some(Value::Object(object))
}

fn metadata(fields: &Fields) -> Value {
    members(fields, "metadata").unwrap_or_else(|| json!({}))
}

/// Returns an address with all its members.
fn address(given: Option<Value>) -> Value {
    let mut address = json!({ "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null });
    if let (Some(all), Some(Value::Object(given))) = (address.as_object_mut(), given) {
        all.extend(given);
    }
    address
}

fn customer(document: &Document, fields: &Fields) -> Value {
    json!({
        "id": document.id.as_str(),
        "object": "customer",
        "address": members(fields, "address").map(|given| address(Some(given))),
        "balance": 0,
        "created": seconds(document.created_at),
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": text(fields, "description"),
        "discount": null,
        "email": text(fields, "email"),
        "invoice_prefix": document.id.as_str().get(4..12).unwrap_or("FAKE").to_uppercase(),
        "invoice_settings": {
            "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null
        },
        "livemode": false,
        "metadata": metadata(fields),
        "name": text(fields, "name"),
        "next_invoice_sequence": 1,
        "phone": text(fields, "phone"),
        "preferred_locales": [],
        "shipping": members(fields, "shipping"),
        "tax_exempt": "none",
        "test_clock": null,
    })
}

fn payment_method(document: &Document, fields: &Fields) -> Value {
    json!({
        "id": document.id.as_str(),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(fields),
        "card": card(text(fields, "card").unwrap_or_default()),
        "created": seconds(document.created_at),
        "customer": text(fields, "customer"),
        "livemode": false,
        "metadata": metadata(fields),
        "type": "card",
    })
}

/// Returns the payment method of a charge.
fn method_of(method: &Method, at: Timestamp, customer: Option<&str>) -> Value {
    json!({
        "id": method.id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(&Fields::new()),
        "card": card(&method.card),
        "created": seconds(at),
        "customer": customer,
        "livemode": false,
        "metadata": {},
        "type": "card",
    })
}

fn billing_details(fields: &Fields) -> Value {
    let given = members(fields, "billing_details").unwrap_or_default();
    json!({
        "address": address(given.get("address").cloned()),
        "email": given.get("email"),
        "name": given.get("name"),
        "phone": given.get("phone"),
        "tax_id": given.get("tax_id"),
    })
}

fn card(name: &str) -> Value {
    let Some(card) = TestCard::named(name) else { return Value::Null };
    json!({
        "brand": card.brand,
        "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": format!("fake{}", card.name),
        "funding": card.funding,
        "generated_from": null,
        "last4": card.last4(),
        "networks": { "available": [card.brand], "preferred": null },
        "regulated_status": "unregulated",
        "three_d_secure_usage": { "supported": true },
        "wallet": null,
    })
}

fn charge_card(method: &Method, amount: Amount) -> Value {
    let Some(card) = TestCard::named(&method.card) else { return Value::Null };
    json!({
        "amount_authorized": units(amount),
        "authorization_code": null,
        "brand": card.brand,
        "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "extended_authorization": { "status": "disabled" },
        "fingerprint": format!("fake{}", card.name),
        "funding": card.funding,
        "incremental_authorization": { "status": "unavailable" },
        "installments": null,
        "last4": card.last4(),
        "mandate": null,
        "multicapture": { "status": "unavailable" },
        "network": card.brand,
        "network_token": { "used": false },
        "overcapture": { "maximum_amount_capturable": units(amount), "status": "unavailable" },
        "regulated_status": "unregulated",
        "three_d_secure": null,
        "wallet": null,
    })
}

/// Returns the events that a webhook endpoint takes.
#[must_use]
pub fn enabled_events(fields: &Fields) -> Vec<&str> {
    let mut events: Vec<_> = fields.iter().filter(|(name, _)| name.starts_with("enabled_events[")).collect();
    let index =
        |name: &str| name.trim_end_matches(']').rsplit('[').next().and_then(|text| text.parse::<u32>().ok());
    events.sort_by_key(|(name, _)| index(name));
    events.into_iter().map(|(_, value)| value.as_str()).collect()
}

fn endpoint(document: &Document, fields: &Fields) -> Value {
    json!({
        "id": document.id.as_str(),
        "object": "webhook_endpoint",
        "api_version": text(fields, "api_version"),
        "application": null,
        "created": seconds(document.created_at),
        "description": text(fields, "description"),
        "enabled_events": enabled_events(fields),
        "livemode": false,
        "metadata": metadata(fields),
        "status": if text(fields, "disabled") == Some("true") { "disabled" } else { "enabled" },
        "url": text(fields, "url"),
    })
}

/// Returns the captured money that is not refunded, for each currency.
#[must_use]
pub fn balance(totals: &Totals) -> Value {
    let sums: BTreeMap<_, _> = totals
        .money
        .iter()
        .map(|(currency, sums)| (currency.code(), sums.captured - sums.refunded))
        .collect();
    let funds = |amount: i64, currency: &str| json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } });
    let mut available: Vec<_> = sums
        .iter()
        .map(|(currency, amount)| funds(i64::try_from(*amount).unwrap_or(i64::MAX), currency))
        .collect();
    if available.is_empty() {
        available.push(funds(0, "usd"));
    }
    let pending: Vec<_> =
        available.iter().map(|sum| funds(0, sum["currency"].as_str().unwrap_or_default())).collect();
    json!({ "object": "balance", "available": available, "livemode": false, "pending": pending })
}
