//! The parts of a user context: each with its value, or with the reason why it is missing.

use std::time::Duration;

use user_context::{CatFact, Location, SourceFault, Weather};

/// Limits a source's `Retry-After`, because a wrong one could keep callers away for ever. Daily quotas fit.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The name of a part, which is also its member in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartName {
    Location,
    Weather,
    Entertainment,
}

impl PartName {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::Weather => "weather",
            Self::Entertainment => "entertainment",
        }
    }
}

/// The reason why a part is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingReason {
    /// The call to its source failed.
    #[error("failed: {0}")]
    Failed(SourceFault),
    /// The weather needs a location.
    #[error("skipped: location unavailable")]
    NoLocation,
    /// The deadline had passed before the call to its source.
    #[error("skipped: no time left")]
    DeadlinePassed,
}

/// The result of the call to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    Failed,
    /// The source was not called.
    Skipped,
}

impl Status {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of fetching one part.
#[derive(Debug, Clone, PartialEq)]
pub struct PartResult<T> {
    pub result: Result<T, MissingReason>,
    /// The time from the start of the first attempt to the end of the last one.
    pub latency: Duration,
    /// The number of calls to the source.
    pub attempts: u32,
}

impl<T> PartResult<T> {
    /// Returns the result of a part whose source was not called.
    #[must_use]
    pub const fn skipped(reason: MissingReason) -> Self {
        Self { result: Err(reason), latency: Duration::ZERO, attempts: 0 }
    }

    #[must_use]
    pub const fn status(&self) -> Status {
        match self.result {
            Ok(_) => Status::Ok,
            Err(MissingReason::Failed(_)) => Status::Failed,
            Err(MissingReason::NoLocation | MissingReason::DeadlinePassed) => Status::Skipped,
        }
    }

    fn outcome(&self, name: PartName) -> PartOutcome<'_> {
        PartOutcome {
            name,
            status: self.status(),
            latency: self.latency,
            attempts: self.attempts,
            missing: self.result.as_ref().err(),
        }
    }
}

/// The outcome of one part, without its value.
#[derive(Debug, Clone, PartialEq)]
pub struct PartOutcome<'a> {
    pub name: PartName,
    pub status: Status,
    pub latency: Duration,
    pub attempts: u32,
    pub missing: Option<&'a MissingReason>,
}

impl PartOutcome<'_> {
    /// Returns the part and the reason as text, if the part is missing.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.missing.map(|missing| format!("{} {missing}", self.name.as_str()))
    }
}

/// One part with its result.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Location(PartResult<Location>),
    Weather(PartResult<Weather>),
    Entertainment(PartResult<CatFact>),
}

impl Part {
    /// Returns the outcome of this part.
    #[must_use]
    pub fn outcome(&self) -> PartOutcome<'_> {
        match self {
            Self::Location(result) => result.outcome(PartName::Location),
            Self::Weather(result) => result.outcome(PartName::Weather),
            Self::Entertainment(result) => result.outcome(PartName::Entertainment),
        }
    }
}

/// The parts that have arrived.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectedParts {
    pub location: Option<PartResult<Location>>,
    pub weather: Option<PartResult<Weather>>,
    pub entertainment: Option<PartResult<CatFact>>,
}

impl CollectedParts {
    pub fn add(&mut self, part: Part) {
        match part {
            Part::Location(result) => self.location = Some(result),
            Part::Weather(result) => self.weather = Some(result),
            Part::Entertainment(result) => self.entertainment = Some(result),
        }
    }

    /// Returns the outcome of each part, always in the same order.
    pub fn outcomes(&self) -> impl Iterator<Item = PartOutcome<'_>> {
        let location = self.location.as_ref().map(|result| result.outcome(PartName::Location));
        let weather = self.weather.as_ref().map(|result| result.outcome(PartName::Weather));
        let entertainment = self.entertainment.as_ref().map(|result| result.outcome(PartName::Entertainment));
        [location, weather, entertainment].into_iter().flatten()
    }

    /// Returns true when no part has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outcomes().all(|outcome| outcome.status != Status::Ok)
    }

    /// Returns the shortest delay that a source asks for before the next call, at most a day.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.outcomes()
            .filter_map(|outcome| match outcome.missing? {
                MissingReason::Failed(
                    SourceFault::RateLimited { retry_after } | SourceFault::Status { retry_after, .. },
                ) => *retry_after,
                _ => None,
            })
            .min()
            .map(|shortest| shortest.min(LONGEST_RETRY_AFTER))
    }
}

impl Extend<Part> for CollectedParts {
    fn extend<I: IntoIterator<Item = Part>>(&mut self, parts: I) {
        parts.into_iter().for_each(|part| self.add(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing<T>(reason: MissingReason) -> PartResult<T> {
        PartResult { result: Err(reason), latency: Duration::from_millis(7), attempts: 2 }
    }

    #[test]
    fn missing_parts_are_named_with_their_reasons_in_a_fixed_order() {
        let mut context = CollectedParts::default();
        context.add(Part::Entertainment(missing(MissingReason::Failed(SourceFault::Timeout))));
        context.add(Part::Location(missing(MissingReason::Failed(SourceFault::RateLimited {
            retry_after: None,
        }))));
        context.add(Part::Weather(PartResult::skipped(MissingReason::NoLocation)));
        let errors: Vec<_> = context.outcomes().filter_map(|outcome| outcome.error()).collect();
        assert_eq!(
            errors,
            [
                "location failed: rate limited",
                "weather skipped: location unavailable",
                "entertainment failed: no answer in time"
            ]
        );
        assert!(context.is_empty());
    }

    #[test]
    fn the_shortest_retry_after_of_all_sources_counts_for_at_most_a_day() {
        let limited = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            MissingReason::Failed(SourceFault::RateLimited { retry_after })
        };
        let mut context = CollectedParts::default();
        assert_eq!(context.retry_after(), None);
        context.add(Part::Weather(missing(limited(u64::MAX))));
        assert_eq!(context.retry_after(), Some(Duration::from_hours(24)));
        context.add(Part::Location(missing(limited(60))));
        context.add(Part::Entertainment(missing(limited(30))));
        assert_eq!(context.retry_after(), Some(Duration::from_secs(30)));
    }
}
