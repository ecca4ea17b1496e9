//! The scenarios of inventory, with the weights of profile `seed`.

use crate::{
    inventory::application::{RELEASE, RESERVE, RESTOCK},
    shared::chaos::{OperationChaos, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT},
};

const OUT_OF_STOCK: Scenario = Scenario::refusal("out_of_stock");

/// In percent. Each of the two kinds of timeout has half of an operation's share of timeouts.
pub const TABLES: &[OperationChaos] = &[
    OperationChaos {
        is_delivery: false,
        operation: RESERVE,
        seed: &[(SUCCESS, 50), (OUT_OF_STOCK, 30), (TIMEOUT, 10), (TIMEOUT_AFTER_COMMIT, 10)],
    },
    OperationChaos {
        is_delivery: false,
        operation: RESTOCK,
        seed: &[(SUCCESS, 90), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
    OperationChaos {
        is_delivery: false,
        operation: RELEASE,
        seed: &[(SUCCESS, 90), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
];
