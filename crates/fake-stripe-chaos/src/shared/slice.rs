//! The parts that a slice adds to the application.

use service_kit::service::Service;

use crate::shared::{chaos::OperationChaos, deps::Deps};

pub struct Slice {
    /// Its operations with their scenarios.
    pub chaos: &'static [OperationChaos],
    /// Adds its routes and error codes.
    pub install: fn(Service, &Deps) -> Service,
}
