//! The state of a user context: a pure state machine. Query, status endpoint and result show this state.

use serde::{Deserialize, Serialize};

use super::messages::{Progress, Strategy};
use crate::{
    activities::user_context::{CatFact, Location, Weather},
    failure::{StateError, with_reason},
};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum UserContextStatus {
    Running,
    /// At least one part is available. The others are null and named in `errors`.
    Completed,
    Cancelled,
    /// No part is available.
    Failed,
}

impl UserContextStatus {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// The reason that there is no context, and the type of the workflow's failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum UserContextFailure {
    UserContextCancelled,
    UserContextUnavailable,
}

impl UserContextFailure {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Returns true for a user's decision, as opposed to an error of a system.
    #[must_use]
    pub const fn is_benign(self) -> bool {
        matches!(self, Self::UserContextCancelled)
    }
}

/// A part of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Location,
    Weather,
    CatFact,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::Weather => "weather",
            Self::CatFact => "catFact",
        }
    }
}

/// The state that the query, the status endpoint and the result show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserContextState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    pub strategy: Strategy,
    pub status: UserContextStatus,
    pub location: Option<Location>,
    pub weather: Option<Weather>,
    pub cat_fact: Option<CatFact>,
    /// One line with the reason for each missing part.
    pub errors: Vec<String>,
    /// The reason that there is no context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StateError>,
    /// True after a cancellation in time.
    pub cancelled: bool,
    /// Grows by one with every change that a caller can see.
    pub version: u64,
}

impl UserContextState {
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            location: self.location.is_some(),
            weather: self.weather.is_some(),
            cat_fact: self.cat_fact.is_some(),
            completed: self.status != UserContextStatus::Running,
        }
    }
}

/// A user context.
#[derive(Debug, Clone, PartialEq)]
pub struct UserContext {
    state: UserContextState,
    cancelled_because: Option<String>,
}

impl UserContext {
    #[must_use]
    pub fn new(user_id: Option<String>, strategy: Strategy) -> Self {
        Self {
            state: UserContextState {
                user_id,
                strategy,
                status: UserContextStatus::Running,
                location: None,
                weather: None,
                cat_fact: None,
                errors: Vec::new(),
                error: None,
                cancelled: false,
                version: 0,
            },
            cancelled_because: None,
        }
    }

    #[must_use]
    pub fn state(&self) -> &UserContextState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut UserContextState {
        self.state.version += 1;
        &mut self.state
    }

    pub fn record_location(&mut self, location: Location) {
        self.state_mut().location = Some(location);
    }

    pub fn record_weather(&mut self, weather: Weather) {
        self.state_mut().weather = Some(weather);
    }

    pub fn record_cat_fact(&mut self, fact: CatFact) {
        self.state_mut().cat_fact = Some(fact);
    }

    /// Records a part whose source failed.
    pub fn record_failure(&mut self, part: Part, reason: &str) {
        self.state_mut().errors.push(format!("{} failed: {reason}", part.name()));
    }

    /// Records a part whose source was not called.
    pub fn record_skip(&mut self, part: Part, reason: &str) {
        self.state_mut().errors.push(format!("{} skipped: {reason}", part.name()));
    }

    /// Handles signal `cancel` and Temporal's own cancellation. Returns false if it has ended, or was
    /// cancelled before.
    pub fn cancel(&mut self, reason: Option<String>) -> bool {
        if self.state.cancelled || self.state.status != UserContextStatus::Running {
            return false;
        }
        self.cancelled_because = reason;
        self.state_mut().cancelled = true;
        true
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.cancelled
    }

    /// Ends the context.
    ///
    /// # Errors
    /// Returns the reason that there is no context.
    pub fn finish(&mut self) -> Result<(), (UserContextFailure, String)> {
        let got = self.state.progress();
        let failure = if self.state.cancelled {
            let message = with_reason("it was cancelled", self.cancelled_because.take());
            Some((UserContextStatus::Cancelled, UserContextFailure::UserContextCancelled, message))
        } else if got.location || got.weather || got.cat_fact {
            None
        } else {
            let message = "no source gave anything".to_owned();
            Some((UserContextStatus::Failed, UserContextFailure::UserContextUnavailable, message))
        };
        let state = self.state_mut();
        match failure {
            None => {
                state.status = UserContextStatus::Completed;
                Ok(())
            }
            Some((status, code, message)) => {
                state.status = status;
                state.error = Some(StateError::new(code.name(), message.clone()));
                Err((code, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> UserContext {
        UserContext::new(Some("ada".to_owned()), Strategy::Parallel)
    }

    fn fact() -> CatFact {
        CatFact { fact: "Cats sleep a lot.".to_owned(), source: "catfact.ninja".to_owned() }
    }

    #[test]
    fn a_missing_part_is_named_and_the_others_are_kept() {
        let mut context = context();
        assert!(!context.state().progress().completed);
        context.record_failure(Part::Location, "rate limited");
        context.record_skip(Part::Weather, "location unavailable");
        context.record_cat_fact(fact());
        assert_eq!(context.finish(), Ok(()));
        let state = context.state();
        assert_eq!(state.status, UserContextStatus::Completed);
        assert_eq!(state.errors, ["location failed: rate limited", "weather skipped: location unavailable"]);
        let progress = Progress { location: false, weather: false, cat_fact: true, completed: true };
        assert_eq!(context.state().progress(), progress);
    }

    #[test]
    fn a_context_without_any_part_fails() {
        let mut context = context();
        context.record_failure(Part::Location, "no answer in time");
        context.record_failure(Part::CatFact, "no answer in time");
        let (code, _) = context.finish().unwrap_err();
        assert_eq!(code, UserContextFailure::UserContextUnavailable);
        assert_eq!(context.state().status, UserContextStatus::Failed);
    }

    #[test]
    fn a_cancelled_context_keeps_what_it_had() {
        let mut context = context();
        context.record_cat_fact(fact());
        assert!(context.cancel(Some("not needed".to_owned())));
        assert!(!context.cancel(None), "it is cancelled already");
        let (code, message) = context.finish().unwrap_err();
        assert_eq!(code, UserContextFailure::UserContextCancelled);
        assert_eq!(message, "it was cancelled: not needed");
        assert_eq!(context.state().status, UserContextStatus::Cancelled);
        assert!(context.state().cat_fact.is_some());
    }

    #[test]
    fn a_cancellation_after_the_end_changes_nothing() {
        let mut context = context();
        context.record_cat_fact(fact());
        assert_eq!(context.finish(), Ok(()));
        let before = context.clone();
        assert!(!context.cancel(None));
        assert_eq!(context, before);
    }

    #[test]
    fn each_name_matches_its_serialized_form() {
        for code in UserContextFailure::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
        for status in UserContextStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
        for strategy in Strategy::ALL {
            assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.name());
        }
    }
}
