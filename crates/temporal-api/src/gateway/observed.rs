//! Describes a workflow by its execution: the run, its state, and an end from outside.

use std::time::SystemTime;

use workflows::{
    failure::StateError,
    order_batch::{chunk::OrderEnd, state::BatchStatus},
    order_fulfillment::state::OrderStatus,
    order_return::state::ReturnStatus,
    payment::state::PaymentStatus,
    reconciliation::report::ReconciliationStatus,
    subscription::state::SubscriptionStatus,
    user_context::state::UserContextStatus,
};

/// Identifies one execution of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "a run id is called so everywhere")]
pub struct Run {
    pub run_id: String,
    /// Holds the id of the first run. It stays the same when a workflow continues as a new run. A new
    /// start of the same id changes it.
    pub first_run_id: String,
    pub started_at: Option<SystemTime>,
    pub closed_at: Option<SystemTime>,
}

/// Names the ways in which Temporal closes a workflow without the workflow's own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    Terminated,
    TimedOut,
}

impl Outside {
    pub const ALL: [Self; 2] = [Self::Terminated, Self::TimedOut];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminated => "terminated",
            Self::TimedOut => "timed_out",
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Terminated => "TERMINATED",
            Self::TimedOut => "TIMED_OUT",
        }
    }

    /// Returns the error of the state, with the reason if somebody gave one.
    pub fn error(self, reason: &str) -> StateError {
        let what = match self {
            Self::Terminated => "the workflow was terminated",
            Self::TimedOut => "the workflow ran out of time",
        };
        let message = if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") };
        StateError::new(self.code(), message)
    }
}

/// Holds the state of a workflow, and the run of that state.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed<S> {
    pub run: Run,
    /// Holds the last state that the workflow reached.
    pub state: S,
    pub outside: Option<Outside>,
}

impl<S> Observed<S> {
    /// Reports whether the execution is closed, so that nothing changes any more.
    pub fn is_closed(&self) -> bool {
        self.run.closed_at.is_some() || self.outside.is_some()
    }

    /// Returns the name of the status. The status of the execution itself has priority.
    pub fn status(&self, own: impl FnOnce(&S) -> &'static str) -> &'static str {
        self.outside.map_or_else(|| own(&self.state), Outside::name)
    }
}

/// Holds a status as the API shows it: the workflow's own status, or the end from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Own(OrderStatus),
    Outside(Outside),
}

impl Shown {
    pub fn all() -> impl Iterator<Item = Self> {
        let own = OrderStatus::ALL.iter().copied().map(Self::Own);
        own.chain(Outside::ALL.into_iter().map(Self::Outside))
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Own(status) => status.name(),
            Self::Outside(outside) => outside.name(),
        }
    }
}

/// Describes a state that reports whether the workflow reached its goal.
pub trait Wanted {
    /// Reports whether the workflow reached its goal.
    fn succeeded(&self) -> bool;
}

impl Wanted for workflows::order_fulfillment::state::OrderState {
    fn succeeded(&self) -> bool {
        self.status == OrderStatus::Shipped
    }
}

impl Wanted for workflows::order_return::state::ReturnState {
    fn succeeded(&self) -> bool {
        self.status == ReturnStatus::Completed
    }
}

impl Wanted for workflows::payment::state::PaymentState {
    fn succeeded(&self) -> bool {
        self.status == PaymentStatus::Succeeded
    }
}

impl Wanted for workflows::user_context::state::UserContextState {
    fn succeeded(&self) -> bool {
        self.status == UserContextStatus::Completed
    }
}

impl Wanted for workflows::subscription::state::SubscriptionState {
    fn succeeded(&self) -> bool {
        self.status == SubscriptionStatus::Completed
    }
}

impl Wanted for workflows::order_batch::state::BatchState {
    /// Every order shipped.
    fn succeeded(&self) -> bool {
        self.status == BatchStatus::Completed && self.ends.keys().all(|end| *end == OrderEnd::Shipped)
    }
}

impl Wanted for workflows::reconciliation::report::Report {
    fn succeeded(&self) -> bool {
        self.status == ReconciliationStatus::Completed
    }
}

impl<S: Wanted> Observed<S> {
    /// Reports whether the workflow reached its goal. A workflow that was ended from outside never
    /// reached it.
    pub fn succeeded(&self) -> bool {
        self.outside.is_none() && self.state.succeeded()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_from_outside_is_reported_with_its_reason() {
        let error = Outside::Terminated.error("stuck");
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("TERMINATED", "the workflow was terminated: stuck")
        );
        assert_eq!(Outside::TimedOut.error("").message, "the workflow ran out of time");
    }
}
