//! The scenarios of notification, with the weights of profile `seed`.

use crate::{
    notification::application::SEND,
    shared::chaos::{OperationChaos, SUCCESS, TIMEOUT, TIMEOUT_AFTER_COMMIT},
};

/// In percent. Each of the two kinds of timeout has half of the share of timeouts.
pub const TABLES: &[OperationChaos] = &[OperationChaos {
    is_delivery: false,
    operation: SEND,
    seed: &[(SUCCESS, 80), (TIMEOUT, 10), (TIMEOUT_AFTER_COMMIT, 10)],
}];
