//! The error codes of Stripe's API, and the errors that need more than a code.

use axum::http::StatusCode;
use serde_json::Value;
use service_kit::{
    error_codes,
    problem::{ErrorCode, Problem},
};

use crate::stripe::domain::{Decline, StripeError};

error_codes! {
    /// The error codes of Stripe's API, as Stripe names them.
    pub enum StripeCode {
        ApiKeyMissing = "api_key_missing", 401, "The request has no API key", final;
        ApiKeyInvalid = "api_key_invalid", 401, "The API key is not one of test mode", final;
        UnknownUrl = "url_unknown", 404, "This part of Stripe's API is not implemented", final;
        FormExpected = "form_expected", 400, "The body is not a form", final;
        ParameterMissing = "parameter_missing", 400, "A parameter is missing", final;
        ParameterUnknown = "parameter_unknown", 400, "A parameter is unknown", final;
        ParameterInvalid = "parameter_invalid", 400, "A parameter does not fit", final;
        ParameterInvalidInteger = "parameter_invalid_integer", 400, "A parameter is not an integer", final;
        ParameterInvalidBoolean = "parameter_invalid_boolean", 400, "A parameter is not a boolean", final;
        ResourceMissing = "resource_missing", 404, "There is no such object", final;
        ResourceMissingInParameter = "resource_missing_in_parameter", 400, "A parameter names no object", final;
        UnexpectedState = "payment_intent_unexpected_state", 400, "The payment intent has another status", final;
        PaymentMethodMissing = "payment_method_missing", 400, "The payment intent has no payment method", final;
        PaymentMethodUnexpectedState = "payment_method_unexpected_state", 400, "The payment method has another state", final;
        AmountTooLarge = "amount_too_large", 400, "The amount is too large", final;
        ChargeAlreadyRefunded = "charge_already_refunded", 400, "The charge is already refunded", final;
        RefundTooLarge = "refund_too_large", 400, "The remaining amount is smaller", final;
        ChargeNotCaptured = "charge_not_captured", 400, "The charge is not captured", final;
        CardDeclined = "card_declined", 402, "The card was declined", final;
        ExpiredCard = "expired_card", 402, "The card has expired", final;
        IncorrectCvc = "incorrect_cvc", 402, "The card's security code is incorrect", final;
        IncorrectNumber = "incorrect_number", 402, "The card's number is not a test card", final;
        ProcessingError = "processing_error", 402, "The card could not be processed", final;
    }
}

/// The member of a problem with the members of Stripe's error.
pub const MEMBER: &str = "stripe";

/// Makes an error about a parameter.
#[must_use]
pub fn invalid(code: StripeCode, param: &str, why: String) -> Problem {
    Problem::new(code, why).with(MEMBER, serde_json::json!({ "param": param }))
}

#[must_use]
pub fn parameter_missing(name: &str) -> Problem {
    invalid(StripeCode::ParameterMissing, name, format!("Missing required param: {name}."))
}

/// Makes the error of a parameter that names no object.
#[must_use]
pub fn no_such(kind: &str, id: &str, param: &str) -> Problem {
    invalid(StripeCode::ResourceMissingInParameter, param, format!("No such {kind}: '{id}'"))
}

/// Makes the 404 of a path that names no object.
#[must_use]
pub fn not_found(kind: &'static str, id: &str) -> Problem {
    of(&StripeError::ResourceMissing { kind, id: id.to_owned() })
}

/// Makes the error of a decline.
#[must_use]
pub fn declined(decline: Decline, charge: &str, intent: &Value) -> Problem {
    let code = match decline.code {
        "expired_card" => StripeCode::ExpiredCard,
        "incorrect_cvc" => StripeCode::IncorrectCvc,
        "processing_error" => StripeCode::ProcessingError,
        _ => StripeCode::CardDeclined,
    };
    let payment_method = intent["last_payment_error"]["payment_method"].clone();
    Problem::new(code, decline.message).with(
        MEMBER,
        serde_json::json!({
            "decline_code": decline.issuer_code,
            "charge": charge,
            "payment_intent": intent,
            "payment_method": payment_method,
        }),
    )
}

/// Makes the error of a refusal.
#[must_use]
pub fn of(error: &StripeError) -> Problem {
    let (code, param) = match error {
        StripeError::ResourceMissing { .. } => (StripeCode::ResourceMissing, Some("id")),
        StripeError::PaymentIntentUnexpectedState { .. } => (StripeCode::UnexpectedState, None),
        StripeError::PaymentMethodMissing => (StripeCode::PaymentMethodMissing, None),
        StripeError::AmountTooLarge { .. } => (StripeCode::AmountTooLarge, Some("amount_to_capture")),
        StripeError::ChargeAlreadyRefunded(_) => (StripeCode::ChargeAlreadyRefunded, None),
        StripeError::RefundTooLarge { .. } => (StripeCode::RefundTooLarge, Some("amount")),
        StripeError::ChargeNotCaptured(_) => (StripeCode::ChargeNotCaptured, None),
        StripeError::ChargeFailed(_) => (StripeCode::ChargeNotCaptured, Some("charge")),
        StripeError::NotAttached | StripeError::AttachedToAnother => {
            (StripeCode::PaymentMethodUnexpectedState, None)
        }
    };
    let problem = Problem::new(code, error.to_string());
    match param {
        Some(param) => problem.with(MEMBER, serde_json::json!({ "param": param })),
        None => problem,
    }
}

/// Returns the code of Stripe for a code of ours. None for an error that has no code there.
#[must_use]
pub fn public_code(code: &str) -> Option<&str> {
    match code {
        "api_key_missing"
        | "api_key_invalid"
        | "url_unknown"
        | "form_expected"
        | "parameter_invalid"
        | "refund_too_large"
        | "idempotency_key_reused" => None,
        "resource_missing_in_parameter" => Some("resource_missing"),
        "payment_method_missing" => Some("payment_intent_unexpected_state"),
        "rate_limited" => Some("rate_limit"),
        "idempotency_key_in_use" => Some(code),
        _ => StripeCode::ALL.iter().any(|known| known.info().code == code).then_some(code),
    }
}

/// Returns the status of Stripe for a code.
#[must_use]
pub fn status_of(code: &str, status: StatusCode) -> StatusCode {
    // Ours is 409, Stripe's is 400.
    if code == "idempotency_key_reused" { StatusCode::BAD_REQUEST } else { status }
}

/// Returns the type of an error.
#[must_use]
pub fn error_type(code: &str, status: StatusCode) -> &'static str {
    match code {
        "idempotency_key_reused" | "idempotency_key_in_use" => "idempotency_error",
        _ if status == StatusCode::PAYMENT_REQUIRED => "card_error",
        _ if status.is_server_error() => "api_error",
        _ => "invalid_request_error",
    }
}

/// Returns what the SDKs shall do. Without an answer, they decide by the status.
#[must_use]
pub fn should_retry(code: &str, status: StatusCode) -> Option<bool> {
    match code {
        "idempotency_key_in_use" | "rate_limited" => Some(true),
        _ if status.is_client_error() => Some(false),
        _ => None,
    }
}
