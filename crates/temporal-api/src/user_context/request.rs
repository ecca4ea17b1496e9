//! Reads and checks the request for a user context as a whole, and reports all faults at once.

use serde::Serialize;
use service_kit::{
    correlation::CorrelationId,
    json::{Faults, FromJson, Node},
};
use workflows::{
    policies::Timing,
    user_context::messages::{Strategy, UserContextInput},
};

use crate::{
    fields::{self, Correlation, Id},
    idempotency::{Fingerprint, KeyDigest},
};

/// Lists the names of strategies, with those that founder knows. The original's stream of parts sends
/// as many requests at once as its promises do.
const STRATEGIES: [(&str, Strategy); 6] = [
    ("parallel", Strategy::Parallel),
    ("sequential", Strategy::Sequential),
    ("rxjs", Strategy::Parallel),
    ("promise-allsettled", Strategy::Parallel),
    ("stream", Strategy::Parallel),
    ("async-sequential", Strategy::Sequential),
];

/// Holds a context that may be requested. Its serialized form is its fingerprint. So a new member must
/// be omitted while it has its default.
#[derive(Debug, Default, Serialize)]
pub struct UserContextRequest {
    user_id: Option<String>,
    strategy: Strategy,
    #[serde(serialize_with = "fields::correlation_text")]
    pub correlation: Option<CorrelationId>,
}

impl UserContextRequest {
    /// Returns the value that distinguishes this request from others, for any spelling of both.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("user-context", self)
    }

    /// Holds the name of the context: the user, else the work around it. If the body names neither, the
    /// caller's key is the name. The key stays the same when the request arrives again.
    pub fn reference(&self, correlation: &CorrelationId, key: Option<&KeyDigest>) -> String {
        fields::reference(self.user_id.as_deref(), self.correlation.as_ref(), key, correlation)
    }

    /// Returns the input of the context's workflow.
    pub fn into_input(self, correlation: &CorrelationId, timing: Timing) -> UserContextInput {
        UserContextInput {
            user_id: self.user_id,
            strategy: self.strategy,
            correlation_id: correlation.to_string(),
            timing,
        }
    }
}

impl FromJson for UserContextRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["userId", "strategy", "correlationId"], faults)?;
        let user_id = object.optional::<Id>("userId", faults);
        let strategy = object.optional_with("strategy", faults, |node, faults| {
            let name = node.string(faults)?;
            let known = STRATEGIES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
            known.map(|(_, strategy)| strategy).or_else(|| {
                node.fault(faults, format!("must be one of {}", STRATEGIES.map(|(name, _)| name).join(", ")))
            })
        });
        let correlation = object.optional::<Correlation>("correlationId", faults);
        Some(Self {
            user_id: user_id?.map(|id| id.0),
            strategy: strategy?.unwrap_or_default(),
            correlation: correlation?.map(|id| id.0),
        })
    }
}
