//! The use cases of control.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::commands::Plan;
use crate::shared::{
    chaos::{ActiveProfile, AuditResult, ObservedDraws, PlannedScript, Profile, Profiles, chi_square_test},
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
    pub scenarios: BTreeMap<&'static str, ObservedDraws>,
    pub audited: AuditResult,
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
                    let after_attempt = tx.attempts(operation, order_id.as_str())?;
                    planned.insert(operation, PlannedScript { after_attempt, scenarios });
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
    pub async fn active_profile(&self) -> Result<ActiveProfile, StoreError> {
        self.deps.active_profile().await
    }

    /// Puts a profile in force, for good or for a while.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_profile(
        &self,
        profile: Arc<Profile>,
        ttl: Option<Duration>,
    ) -> Result<ActiveProfile, StoreError> {
        let until = ttl.map(|ttl| self.deps.clock.now().saturating_add(ttl));
        let profiles = Arc::clone(&self.deps.profiles);
        self.deps
            .store
            .transact(move |tx| {
                profiles.set_override(tx, profile, until)?;
                profiles.active(tx)
            })
            .await
    }

    /// Brings the configured profile back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_profile_back(&self) -> Result<ActiveProfile, StoreError> {
        let profiles = Arc::clone(&self.deps.profiles);
        self.deps
            .store
            .transact(move |tx| {
                profiles.clear_override(tx)?;
                profiles.active(tx)
            })
            .await
    }

    /// Compares what was drawn from the profile in force with its weights.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn audit(&self) -> Result<(Arc<Profile>, BTreeMap<Operation, OperationAudit>), StoreError> {
        let profile = self.active_profile().await?.profile;
        let audits = profile.tables().map(|(operation, shares)| {
            let drawn = self.deps.request_counts.draws(operation, profile.version());
            let mut scenarios: BTreeMap<_, _> =
                drawn.into_iter().map(|(name, drawn)| (name, ObservedDraws { drawn, weight: 0 })).collect();
            for share in shares {
                let place =
                    scenarios.entry(share.scenario.name).or_insert(ObservedDraws { drawn: 0, weight: 0 });
                place.weight += share.weight.as_millionths();
            }
            let audited = chi_square_test(&scenarios.values().copied().collect::<Vec<_>>());
            (operation, OperationAudit { scenarios, audited })
        });
        let audits = audits.collect();
        Ok((profile, audits))
    }
}
