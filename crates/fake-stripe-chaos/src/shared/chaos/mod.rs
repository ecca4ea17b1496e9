//! Chaos: what can go wrong with an operation, how often, and which of it happens now.
//!
//! Every decision has two sides: the [`Effect`] on the ledger and the [`Response`] to the caller.

mod audit;
mod catalogue;
mod decision;
mod delay;
mod draw;
mod engine;
mod profile;
mod profiles;
mod scenario;
mod script;
mod written;

pub use audit::{AuditVerdict, Audited, Observed, audit};
pub use catalogue::{Catalogue, OperationChaos};
pub use decision::{Decision, Source};
pub use delay::{TimeoutDelay, hold_back};
pub use draw::{draw, random_seed, seed_of_run};
pub use engine::{About, Attempts, Chaos, ChaosKey, KeyedChaos, PlannedScript, Plans};
pub use profile::{Profile, ProfileName, Share, UnknownProfile, Weight};
pub use profiles::{InForce, Profiles, tables_as_json};
pub use scenario::{
    Effect, INTERNAL_ERROR, RATE_LIMITED, Response, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT,
    WireFault,
};
pub use script::{Script, UnknownScenario, scenario};
pub use written::{NotToml, Reading, toml_as_json};
