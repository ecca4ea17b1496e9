//! The chaos of Stripe's operations.

use crate::{
    shared::chaos::{INTERNAL_ERROR, OperationChaos, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT},
    shared::operation::Operation,
    stripe::application::{
        ATTACH_METHOD, CANCEL_INTENT, CAPTURE_INTENT, CONFIRM_INTENT, CREATE_CUSTOMER, CREATE_ENDPOINT,
        CREATE_INTENT, CREATE_METHOD, CREATE_REFUND, DELETE_CUSTOMER, DELETE_ENDPOINT, DETACH_METHOD,
        UPDATE_CUSTOMER, UPDATE_ENDPOINT, UPDATE_INTENT, UPDATE_METHOD, UPDATE_REFUND,
    },
};

/// The issuer's declines. The intent is created or confirmed, and its charge fails.
const CARD_DECLINED: Scenario = Scenario::variant("card_declined");
const INSUFFICIENT_FUNDS: Scenario = Scenario::variant("insufficient_funds");
const EXPIRED_CARD: Scenario = Scenario::variant("expired_card");
const PROCESSING_ERROR: Scenario = Scenario::variant("processing_error");

const CHARGING: &[(Scenario, u32)] = &[
    (SUCCESS, 55),
    (CARD_DECLINED, 5),
    (INSUFFICIENT_FUNDS, 10),
    (EXPIRED_CARD, 3),
    (PROCESSING_ERROR, 2),
    (TIMEOUT, 8),
    (TIMEOUT_AFTER_COMMIT, 9),
    (INTERNAL_ERROR, 8),
];
const CHANGING: &[(Scenario, u32)] =
    &[(SUCCESS, 85), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5), (INTERNAL_ERROR, 5)];
const PREPARING: &[(Scenario, u32)] = &[(SUCCESS, 100)];

const fn table(operation: Operation, seed: &'static [(Scenario, u32)]) -> OperationChaos {
    OperationChaos { operation, seed }
}

/// In percent. Customers, payment methods and webhook endpoints have no faults in profile `seed`.
pub const TABLES: &[OperationChaos] = &[
    table(CREATE_INTENT, CHARGING),
    table(CONFIRM_INTENT, CHARGING),
    table(CAPTURE_INTENT, CHANGING),
    table(CANCEL_INTENT, CHANGING),
    table(UPDATE_INTENT, CHANGING),
    table(CREATE_REFUND, CHANGING),
    table(UPDATE_REFUND, CHANGING),
    table(CREATE_CUSTOMER, PREPARING),
    table(UPDATE_CUSTOMER, PREPARING),
    table(DELETE_CUSTOMER, PREPARING),
    table(CREATE_METHOD, PREPARING),
    table(UPDATE_METHOD, PREPARING),
    table(ATTACH_METHOD, PREPARING),
    table(DETACH_METHOD, PREPARING),
    table(CREATE_ENDPOINT, PREPARING),
    table(UPDATE_ENDPOINT, PREPARING),
    table(DELETE_ENDPOINT, PREPARING),
];
