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
    /// That there were too many requests, and when to come again.
    RateLimited,
    /// Nothing that can be read: the answer of the domain, or that the provider failed, broken on its way.
    WireFault(WireFault),
}

/// How an answer breaks on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFault {
    /// The connection is reset before the first byte.
    ConnectionReset,
    /// The connection ends in the middle of a body that was declared longer.
    TruncatedBody,
    /// The body comes whole, and isn't JSON.
    MalformedJson,
}

impl WireFault {
    /// What the caller sees of it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::ConnectionReset => "the connection is reset before the first byte of an answer",
            Self::TruncatedBody => "the connection ends in the middle of the body",
            Self::MalformedJson => "the body is not JSON",
        }
    }

    /// The word for it in journal and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectionReset => CONNECTION_RESET.name,
            Self::TruncatedBody => TRUNCATED_BODY.name,
            Self::MalformedJson => MALFORMED_JSON.name,
        }
    }
}

/// One way an operation can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scenario {
    pub name: &'static str,
    pub effect: Effect,
    pub response: Response,
}

pub const SUCCESS: Scenario = Scenario::apply("success", Response::Real);
pub const TIMEOUT: Scenario = Scenario::skip("timeout", Response::Timeout);
/// The answer is lost although the operation was executed.
pub const TIMEOUT_AFTER_COMMIT: Scenario = Scenario::apply("timeout_after_commit", Response::Timeout);
pub const INTERNAL_ERROR: Scenario = Scenario::skip("internal_error", Response::Failure);
pub const RATE_LIMITED: Scenario = Scenario::skip("rate_limited", Response::RateLimited);
pub const CONNECTION_RESET: Scenario =
    Scenario::skip("connection_reset", Response::WireFault(WireFault::ConnectionReset));
pub const CONNECTION_RESET_AFTER_COMMIT: Scenario =
    Scenario::apply("connection_reset_after_commit", Response::WireFault(WireFault::ConnectionReset));
pub const TRUNCATED_BODY: Scenario =
    Scenario::skip("truncated_body", Response::WireFault(WireFault::TruncatedBody));
pub const TRUNCATED_BODY_AFTER_COMMIT: Scenario =
    Scenario::apply("truncated_body_after_commit", Response::WireFault(WireFault::TruncatedBody));
pub const MALFORMED_JSON: Scenario =
    Scenario::skip("malformed_json", Response::WireFault(WireFault::MalformedJson));
pub const MALFORMED_JSON_AFTER_COMMIT: Scenario =
    Scenario::apply("malformed_json_after_commit", Response::WireFault(WireFault::MalformedJson));

impl Scenario {
    const fn apply(name: &'static str, response: Response) -> Self {
        Self { name, effect: Effect::Apply, response }
    }

    const fn skip(name: &'static str, response: Response) -> Self {
        Self { name, effect: Effect::Skip, response }
    }

    /// A definitive refusal: nothing is executed, and the caller learns exactly that.
    #[must_use]
    pub const fn refusal(name: &'static str) -> Self {
        Self::skip(name, Response::Refusal)
    }

    /// An earlier answer was lost: the operation is executed, and the caller hears that it was before.
    #[must_use]
    pub const fn already_done(name: &'static str) -> Self {
        Self::apply(name, Response::Refusal)
    }

    /// Whether the answer is definitive though nothing was executed, so that the idempotency key keeps it.
    #[must_use]
    pub fn is_definitive_refusal(self) -> bool {
        self.effect == Effect::Skip && self.response == Response::Refusal
    }

    /// How the answer breaks on its way, if it does.
    #[must_use]
    pub const fn wire_fault(self) -> Option<WireFault> {
        match self.response {
            Response::WireFault(fault) => Some(fault),
            _ => None,
        }
    }
}
