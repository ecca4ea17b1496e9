//! The groups of roles that endpoints and pages name.

use super::Role;

/// Everyone who looks after orders.
pub const READERS: &[Role] = &[Role::Viewer, Role::Manager, Role::Operator];
/// The same people, and customers for their own orders.
pub const READERS_AND_CUSTOMERS: &[Role] = &Role::ALL;
/// Those who place and cancel orders: operators, and customers for their own.
pub const OPERATORS_AND_CUSTOMERS: &[Role] = &[Role::Operator, Role::Customer];
/// Those who decide about orders that wait for approval.
pub const MANAGERS: &[Role] = &[Role::Manager];
/// Those who start, stop and repair everything else.
pub const OPERATORS: &[Role] = &[Role::Operator];
