//! Chaos: what can go wrong with an operation, how often, and which of it happens now.
//!
//! Every decision has two sides: the [`Effect`] on the ledger and the [`Response`] to the caller.

mod catalogue;
mod decision;
mod delay;
mod draw;
mod engine;
mod profile;
mod scenario;
mod script;

pub use catalogue::{Catalogue, OperationChaos};
pub use decision::{Decision, Source};
pub use delay::TimeoutDelay;
pub use draw::draw;
pub use engine::{About, Attempts, Chaos, ChaosKey, KeyedChaos, PlannedScript, Plans};
pub use profile::{Profile, ProfileName, Share};
pub use scenario::{Effect, INTERNAL_ERROR, Response, SUCCESS, Scenario, TIMEOUT, TIMEOUT_AFTER_COMMIT};
pub use script::{Script, UnknownScenario, scenario};
