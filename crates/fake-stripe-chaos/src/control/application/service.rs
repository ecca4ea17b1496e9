//! The use cases of control.

use std::{collections::BTreeMap, sync::Arc};

use super::commands::Plan;
use crate::shared::{
    chaos::PlannedScript,
    deps::Deps,
    store::{Store, StoreError},
};

pub struct ControlService {
    store: Arc<dyn Store>,
}

impl ControlService {
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { store: Arc::clone(&deps.store) }
    }

    /// Replaces the order's plan; it begins with the next attempt of each operation.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plan(&self, plan: Plan) -> Result<(), StoreError> {
        self.store
            .transact(move |tx| {
                let Plan { order_id, scripts } = plan;
                let mut planned = BTreeMap::new();
                for (operation, scenarios) in scripts {
                    let made_after = tx.attempts(operation, order_id.as_str())?;
                    planned.insert(operation, PlannedScript { made_after, scenarios });
                }
                tx.set_plan(&order_id, planned)
            })
            .await
    }
}
