//! The scenarios of payments, with the weights of profile `seed`.

use crate::{
    payment::application::{AUTHORIZE, CAPTURE, CHARGE, REFUND, RELEASE},
    shared::chaos::{INTERNAL_ERROR, OperationChaos, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT},
};

const INSUFFICIENT_FUNDS: Scenario = Scenario::refusal("insufficient_funds");
const ALREADY_CAPTURED: Scenario = Scenario::already_done("already_captured");
const ALREADY_REFUNDED: Scenario = Scenario::already_done("already_refunded");

/// In percent. Each of the two kinds of timeout has half of an operation's share of timeouts.
pub const TABLES: &[OperationChaos] = &[
    OperationChaos {
        is_delivery: false,
        operation: AUTHORIZE,
        seed: &[
            (SUCCESS, 40),
            (INSUFFICIENT_FUNDS, 30),
            (TIMEOUT, 10),
            (TIMEOUT_AFTER_COMMIT, 10),
            (INTERNAL_ERROR, 10),
        ],
    },
    OperationChaos {
        is_delivery: false,
        operation: CAPTURE,
        seed: &[(SUCCESS, 70), (ALREADY_CAPTURED, 20), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
    OperationChaos {
        is_delivery: false,
        operation: RELEASE,
        seed: &[(SUCCESS, 90), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
    OperationChaos {
        is_delivery: false,
        operation: REFUND,
        seed: &[(SUCCESS, 80), (ALREADY_REFUNDED, 10), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
    OperationChaos {
        is_delivery: false,
        operation: CHARGE,
        seed: &[
            (SUCCESS, 40),
            (TIMEOUT, 15),
            (TIMEOUT_AFTER_COMMIT, 15),
            (INTERNAL_ERROR, 20),
            (INSUFFICIENT_FUNDS, 10),
        ],
    },
];
