//! The shared parts of the contexts: chaos, idempotency, ledger and value types. No context is known here.

pub mod chaos;
pub mod clock;
pub mod deps;
pub mod gate;
pub mod idempotency;
pub mod ids;
pub mod journal;
pub mod ledger;
pub mod money;
pub mod operation;
pub mod orders;
pub mod presentation;
pub mod profiles;
pub mod protocol;
pub mod request_counts;
pub mod resource;
pub mod run;
pub mod slice;
pub mod store;
pub mod telemetry;
