//! What the contexts share: the machinery of chaos, idempotency and ledger, and the values they speak in.
//! It knows none of them.

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
pub mod protocol;
pub mod request_counts;
pub mod resource;
pub mod run;
pub mod slice;
pub mod store;
pub mod telemetry;
