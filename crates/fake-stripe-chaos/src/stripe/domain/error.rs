//! The refusals of Stripe's operations.

use crate::shared::money::Amount;

/// The name that `strum` gives an error is its code in journal and metrics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StripeError {
    #[error("No such {kind}: '{id}'")]
    ResourceMissing { kind: &'static str, id: String },
    #[error(
        "You cannot {action} this PaymentIntent because it has a status of {status}. Only a PaymentIntent with one of the following statuses may be {done}: {allowed}."
    )]
    PaymentIntentUnexpectedState {
        action: &'static str,
        done: &'static str,
        status: &'static str,
        allowed: &'static str,
    },
    #[error(
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method."
    )]
    PaymentMethodMissing,
    #[error("The amount to capture ({requested}) is greater than the capturable amount ({capturable}).")]
    AmountTooLarge { requested: Amount, capturable: Amount },
    #[error("Charge {0} has already been refunded.")]
    ChargeAlreadyRefunded(String),
    #[error("Refund amount ({requested}) is greater than unrefunded amount on charge ({remaining}).")]
    RefundTooLarge { requested: Amount, remaining: Amount },
    #[error(
        "This PaymentIntent ({0}) has no captured charge, so there is nothing to refund. Cancel it instead."
    )]
    ChargeNotCaptured(String),
    #[error("Charge {0} failed or was not captured, so it can't be refunded.")]
    ChargeFailed(String),
    #[error("This payment method is not attached to a customer, so it can't be detached.")]
    NotAttached,
    #[error("This payment method is attached to another customer already.")]
    AttachedToAnother,
}
