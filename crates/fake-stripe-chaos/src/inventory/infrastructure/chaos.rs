//! What goes wrong with inventory, and how often by default.

use crate::{
    inventory::application::{RELEASE, RESERVE},
    shared::chaos::{OperationChaos, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT},
};

const OUT_OF_STOCK: Scenario = Scenario::refusal("out_of_stock");

/// Percent. The two kinds of timeout share each operation's timeout share evenly.
pub const TABLES: &[OperationChaos] = &[
    OperationChaos {
        operation: RESERVE,
        seed: &[(SUCCESS, 50), (OUT_OF_STOCK, 30), (TIMEOUT, 10), (TIMEOUT_AFTER_COMMIT, 10)],
    },
    OperationChaos { operation: RELEASE, seed: &[(SUCCESS, 90), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)] },
];
