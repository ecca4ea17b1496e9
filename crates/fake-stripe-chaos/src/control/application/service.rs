//! The use cases of control.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::commands::Plan;
use crate::shared::{
    chaos::{Audited, InForce, Observed, PlannedScript, Profile, Profiles, audit},
    deps::Deps,
    operation::Operation,
    store::StoreError,
};

pub struct ControlService {
    deps: Deps,
}

/// What was drawn for one operation from a profile, by scenario, and whether that fits.
#[derive(Debug, Clone)]
pub struct OperationAudit {
    pub scenarios: BTreeMap<&'static str, Observed>,
    pub audited: Audited,
}

impl ControlService {
    #[must_use]
    pub fn new(deps: &Deps) -> Self {
        Self { deps: deps.clone() }
    }

    /// Replaces the order's plan; it begins with the next attempt of each operation.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn plan(&self, plan: Plan) -> Result<(), StoreError> {
        self.deps
            .store
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

    #[must_use]
    pub fn profiles(&self) -> &Profiles {
        &self.deps.profiles
    }

    /// # Errors
    /// When the store fails.
    pub async fn profile_in_force(&self) -> Result<InForce, StoreError> {
        self.deps.profile_in_force().await
    }

    /// Puts a profile in force, for good or for a while.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_profile(
        &self,
        profile: Arc<Profile>,
        ttl: Option<Duration>,
    ) -> Result<InForce, StoreError> {
        let until = ttl.map(|ttl| self.deps.clock.now().plus(ttl));
        let profiles = Arc::clone(&self.deps.profiles);
        self.deps
            .store
            .transact(move |tx| {
                profiles.put(tx, profile, until)?;
                profiles.in_force(tx)
            })
            .await
    }

    /// Brings the configured profile back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_profile_back(&self) -> Result<InForce, StoreError> {
        let profiles = Arc::clone(&self.deps.profiles);
        self.deps
            .store
            .transact(move |tx| {
                profiles.take_back(tx)?;
                profiles.in_force(tx)
            })
            .await
    }

    /// Compares what was drawn from the profile in force with its weights.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self) -> Result<(Arc<Profile>, BTreeMap<Operation, OperationAudit>), StoreError> {
        let profile = self.profile_in_force().await?.profile;
        let audits = profile.tables().map(|(operation, shares)| {
            let drawn = self.deps.tally.draws(operation, profile.told());
            let mut scenarios: BTreeMap<_, _> =
                drawn.into_iter().map(|(name, drawn)| (name, Observed { drawn, weight: 0 })).collect();
            for share in shares {
                let place = scenarios.entry(share.scenario.name).or_insert(Observed { drawn: 0, weight: 0 });
                place.weight += share.weight.in_millionths();
            }
            let audited = audit(&scenarios.values().copied().collect::<Vec<_>>());
            (operation, OperationAudit { scenarios, audited })
        });
        let audits = audits.collect();
        Ok((profile, audits))
    }
}
