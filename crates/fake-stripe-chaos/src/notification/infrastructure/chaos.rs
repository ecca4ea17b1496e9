//! What goes wrong with notification, and how often by default.

use crate::{
    notification::application::SEND,
    shared::chaos::{OperationChaos, SUCCESS, TIMEOUT, TIMEOUT_AFTER_COMMIT},
};

/// Percent. The two kinds of timeout share the timeout share evenly.
pub const TABLES: &[OperationChaos] =
    &[OperationChaos { operation: SEND, seed: &[(SUCCESS, 80), (TIMEOUT, 10), (TIMEOUT_AFTER_COMMIT, 10)] }];
