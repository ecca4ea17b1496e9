//! A scenario: one way an operation can end, as data.

/// The effect of a scenario on the ledger.
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

/// The HTTP answer of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Response {
    /// The answer of the domain.
    Real,
    /// A refusal whose code is the scenario's name.
    Refusal,
    /// A failure of the provider.
    Failure,
    /// A timeout, after a delay.
    Timeout,
    /// A rate limit, with the time of the next attempt.
    RateLimited,
    /// The answer of the domain or a failure, broken on the connection.
    WireFault(WireFault),
}

/// A fault of the connection that breaks an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFault {
    /// The connection is reset before the first byte.
    ConnectionReset,
    /// The connection ends in the middle of a body that was declared longer.
    TruncatedBody,
    /// The body is complete, but not JSON.
    MalformedJson,
}

impl WireFault {
    /// Returns the visible effect for the caller.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::ConnectionReset => "the connection is reset before the first byte of an answer",
            Self::TruncatedBody => "the connection ends in the middle of the body",
            Self::MalformedJson => "the body is not JSON",
        }
    }

    /// Returns its name in journal and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectionReset => CONNECTION_RESET.name,
            Self::TruncatedBody => TRUNCATED_BODY.name,
            Self::MalformedJson => MALFORMED_JSON.name,
        }
    }
}

/// One way an operation can end.
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

    /// Returns a variant of the execution, such as a charge that the card's issuer declines.
    #[must_use]
    pub const fn variant(name: &'static str) -> Self {
        Self::apply(name, Response::Real)
    }

    /// Returns a definitive refusal: nothing is executed, and the answer says so.
    #[must_use]
    pub const fn refusal(name: &'static str) -> Self {
        Self::skip(name, Response::Refusal)
    }

    /// Returns the scenario of a lost earlier answer. The operation is executed, and the answer says that it
    /// was executed before.
    #[must_use]
    pub const fn already_done(name: &'static str) -> Self {
        Self::apply(name, Response::Refusal)
    }

    /// Returns true if the answer is definitive and nothing is executed. The idempotency key stores such an answer.
    #[must_use]
    pub fn is_definitive_refusal(self) -> bool {
        self.effect == Effect::Skip && self.response == Response::Refusal
    }

    /// Returns the wire fault of the answer, if it has one.
    #[must_use]
    pub const fn wire_fault(self) -> Option<WireFault> {
        match self.response {
            Response::WireFault(fault) => Some(fault),
            _ => None,
        }
    }
}
