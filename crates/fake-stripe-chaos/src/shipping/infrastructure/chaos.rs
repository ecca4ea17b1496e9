//! The scenarios of shipping, with the weights of profile `seed`, and the duration of a label.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    shared::chaos::{OperationChaos, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT},
    shipping::application::{CANCEL, CREATE_LABEL, CREATE_RETURN_LABEL, LabelPrinter},
};

const ADDRESS_ERROR: Scenario = Scenario::refusal("address_error");

/// In percent. Each of the two kinds of timeout has half of an operation's share of timeouts.
pub const TABLES: &[OperationChaos] = &[
    OperationChaos {
        is_delivery: false,
        operation: CREATE_LABEL,
        seed: &[(SUCCESS, 60), (ADDRESS_ERROR, 20), (TIMEOUT, 10), (TIMEOUT_AFTER_COMMIT, 10)],
    },
    OperationChaos {
        is_delivery: false,
        operation: CREATE_RETURN_LABEL,
        seed: &[(SUCCESS, 80), (TIMEOUT, 10), (TIMEOUT_AFTER_COMMIT, 10)],
    },
    OperationChaos {
        is_delivery: false,
        operation: CANCEL,
        seed: &[(SUCCESS, 90), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)],
    },
];

/// A printer that needs the same time for every label.
#[derive(Debug, Clone, Copy)]
pub struct FixedDurationPrinter {
    duration: Duration,
}

impl FixedDurationPrinter {
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self { duration }
    }
}

#[expect(clippy::disallowed_methods, reason = "chaos delays a label")]
#[async_trait]
impl LabelPrinter for FixedDurationPrinter {
    fn duration(&self) -> Duration {
        self.duration
    }

    async fn print(&self) {
        tokio::time::sleep(self.duration).await;
    }
}
