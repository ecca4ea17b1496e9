//! What goes wrong with payments, and how often by default.

use crate::{
    payment::application::{AUTHORIZE, CAPTURE, CHARGE, REFUND, RELEASE},
    shared::chaos::{INTERNAL_ERROR, OperationChaos, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT},
};

const INSUFFICIENT_FUNDS: Scenario = Scenario::refusal("insufficient_funds");
const ALREADY_CAPTURED: Scenario = Scenario::already_done("already_captured");
const ALREADY_REFUNDED: Scenario = Scenario::already_done("already_refunded");

/// Percent. The two kinds of timeout share each operation's timeout share evenly.
pub const TABLES: &[OperationChaos] = &[
    OperationChaos {
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
        operation: CAPTURE,
        seed: &[(SUCCESS, 70), (ALREADY_CAPTURED, 20), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
    OperationChaos { operation: RELEASE, seed: &[(SUCCESS, 90), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)] },
    OperationChaos {
        operation: REFUND,
        seed: &[(SUCCESS, 80), (ALREADY_REFUNDED, 10), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
    OperationChaos {
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
