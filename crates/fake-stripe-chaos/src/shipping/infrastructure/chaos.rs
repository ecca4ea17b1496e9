//! What goes wrong with shipping, how often by default, and how slow it is when all goes well.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    shared::chaos::{OperationChaos, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT},
    shipping::application::{CANCEL, CREATE_LABEL, LabelPrinter},
};

const ADDRESS_ERROR: Scenario = Scenario::refusal("address_error");

/// Percent. The two kinds of timeout share each operation's timeout share evenly.
pub const TABLES: &[OperationChaos] = &[
    OperationChaos {
        operation: CREATE_LABEL,
        seed: &[(SUCCESS, 60), (ADDRESS_ERROR, 20), (TIMEOUT, 10), (TIMEOUT_AFTER_COMMIT, 10)],
    },
    OperationChaos { operation: CANCEL, seed: &[(SUCCESS, 90), (TIMEOUT, 5), (TIMEOUT_AFTER_COMMIT, 5)] },
];

/// A printer that takes the same time for every label.
#[derive(Debug, Clone, Copy)]
pub struct SlowPrinter {
    takes: Duration,
}

impl SlowPrinter {
    #[must_use]
    pub const fn new(takes: Duration) -> Self {
        Self { takes }
    }
}

#[expect(clippy::disallowed_methods, reason = "chaos delays a label")]
#[async_trait]
impl LabelPrinter for SlowPrinter {
    fn takes(&self) -> Duration {
        self.takes
    }

    async fn print(&self) {
        tokio::time::sleep(self.takes).await;
    }
}
