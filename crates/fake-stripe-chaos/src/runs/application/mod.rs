//! Which runs there are.

mod registry;

pub use registry::{Registry, RunError, RunInfo};
