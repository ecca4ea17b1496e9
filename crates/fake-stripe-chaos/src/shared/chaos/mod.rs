//! Chaos: what can go wrong with an operation, how often, and which of it happens now.
//!
//! Every decision has two sides: the [`Effect`] on the ledger and the [`Response`] to the caller.

mod audit;
mod catalogue;
mod decision;
mod delay;
mod draw;
mod engine;
mod parse;
mod profile;
mod profiles;
mod scenario;
mod script;

pub use audit::{AuditResult, AuditVerdict, ObservedDraws, chi_square_test};
pub use catalogue::{Catalogue, OperationChaos};
pub use decision::{Decision, DecisionSource};
pub use delay::{TimeoutDelay, delay_answer};
pub use draw::{draw, random_seed, seed_of_run};
pub use engine::{Attempts, Chaos, ChaosKey, DecisionRequest, KeyedChaos, PlannedScript, Plans};
pub use parse::{ProfileParser, TomlError, toml_as_json};
pub use profile::{Profile, ProfileName, Share, UnknownProfile, Weight};
pub use profiles::{ActiveProfile, Profiles, tables_as_json};
pub use scenario::{
    Effect, INTERNAL_ERROR, RATE_LIMITED, Response, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT,
    WireFault,
};
pub use script::{Script, UnknownScenario, scenario};
