//! A user context as it is asked for: read and checked whole, with all faults at once.

use service_kit::{
    correlation::CorrelationId,
    json::{Faults, FromJson, Node},
};
use workflows::{
    policies::Timing,
    user_context::messages::{Strategy, UserContextInput},
};

use crate::fields::{Correlation, Id};

/// A context that may be asked for.
#[derive(Debug, Default)]
pub struct UserContextRequest {
    user_id: Option<String>,
    strategy: Strategy,
    pub correlation: Option<CorrelationId>,
}

impl UserContextRequest {
    /// What names the context: the user, else the work it is part of.
    pub fn reference(&self, correlation: &CorrelationId) -> String {
        self.user_id.clone().unwrap_or_else(|| correlation.to_string())
    }

    /// The input of the context's workflow.
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
            Strategy::ALL.into_iter().find(|strategy| strategy.name() == name).or_else(|| {
                let names = Strategy::ALL.map(Strategy::name).join(", ");
                node.fault(faults, format!("must be one of {names}"))
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
