//! What a slice brings along when the application takes it in.

use service_kit::service::Service;

use crate::shared::{chaos::OperationChaos, deps::Deps};

pub struct Slice {
    /// Its operations and what goes wrong with them.
    pub chaos: &'static [OperationChaos],
    /// Adds its routes and error codes.
    pub install: fn(Service, &Deps) -> Service,
}
