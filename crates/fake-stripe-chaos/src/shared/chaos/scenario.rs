//! A scenario: one way an operation can go, as data.

/// What happens to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The operation is executed.
    Apply,
    /// Nothing is executed.
    Skip,
}

impl Effect {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Skip => "skip",
        }
    }
}

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Response {
    /// The answer of the domain.
    Real,
    /// A refusal whose code is the scenario's name.
    Refusal,
    /// That the provider failed.
    Failure,
    /// After a wait, that there was no answer in time.
    Timeout,
}

/// One way an operation can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scenario {
    pub name: &'static str,
    pub effect: Effect,
    pub response: Response,
}

pub const SUCCESS: Scenario = Scenario { name: "success", effect: Effect::Apply, response: Response::Real };
pub const TIMEOUT: Scenario = Scenario { name: "timeout", effect: Effect::Skip, response: Response::Timeout };
/// The answer is lost although the operation was executed.
pub const TIMEOUT_AFTER_COMMIT: Scenario =
    Scenario { name: "timeout_after_commit", effect: Effect::Apply, response: Response::Timeout };
pub const INTERNAL_ERROR: Scenario =
    Scenario { name: "internal_error", effect: Effect::Skip, response: Response::Failure };

impl Scenario {
    /// A definitive refusal: nothing is executed, and the caller learns exactly that.
    #[must_use]
    pub const fn refusal(name: &'static str) -> Self {
        Self { name, effect: Effect::Skip, response: Response::Refusal }
    }

    /// An earlier answer was lost: the operation is executed, and the caller hears that it was before.
    #[must_use]
    pub const fn already(name: &'static str) -> Self {
        Self { name, effect: Effect::Apply, response: Response::Refusal }
    }

    /// Whether the answer is definitive though nothing was executed, so that the idempotency key keeps it.
    #[must_use]
    pub fn is_definitive_refusal(self) -> bool {
        self.effect == Effect::Skip && self.response == Response::Refusal
    }
}
