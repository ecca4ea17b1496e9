//! Which runs there are.

mod registry;

pub use registry::{Access, Registry, RunError, RunInfo};
