//! Chaos: the scenarios of each operation, their weights, and the decision for one request. It knows no store:
//! [`decide`] is a pure function, whose caller reads and writes.
//!
//! Every decision has two sides: the [`Effect`] on the ledger and the [`Response`] to the caller.

mod audit;
mod catalogue;
mod decide;
mod decision;
mod delay;
mod draw;
mod parse;
mod profile;
mod scenario;
mod script;

pub use audit::{AuditResult, AuditVerdict, ObservedDraws, chi_square_test};
pub use catalogue::{Catalogue, OperationChaos};
pub use decide::{Attempt, PlannedScript, decide};
pub use decision::{ChaosKey, Decision, DecisionSource};
pub use delay::{TimeoutDelay, delay_answer};
pub use draw::{draw, random_seed, seed_of_run};
pub use parse::{ProfileParser, TomlError, toml_as_json};
pub use profile::{Profile, ProfileName, Share, UnknownProfile, Weight};
pub use scenario::{
    Effect, INTERNAL_ERROR, RATE_LIMITED, Response, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT,
    WireFault,
};
pub use script::{Script, UnknownScenario, scenario};
