//! The parts of a user's context, each as its source gave it, or with why it is missing.

use std::time::Duration;

use user_context::{CatFact, Location, SourceFault, Weather};

/// What a context is made of. The names are those of its members in the answer.
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

/// Why a part is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Its source was asked, and gave nothing.
    #[error("failed: {0}")]
    Failed(SourceFault),
    /// There is no weather of an unknown place.
    #[error("skipped: location unavailable")]
    NoLocation,
    /// The deadline had passed before its source could be asked.
    #[error("skipped: no time left")]
    NoTime,
}

/// How asking a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    Failed,
    /// It was not asked.
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

/// A part that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<T> {
    pub result: Result<T, Missing>,
    /// From the first try's beginning to the last one's end, the waits between them included.
    pub latency: Duration,
    /// How often the source was asked.
    pub attempts: u32,
}

impl<T> Asked<T> {
    /// A part whose source was not asked.
    #[must_use]
    pub const fn skipped(why: Missing) -> Self {
        Self { result: Err(why), latency: Duration::ZERO, attempts: 0 }
    }

    #[must_use]
    pub const fn status(&self) -> Status {
        match self.result {
            Ok(_) => Status::Ok,
            Err(Missing::Failed(_)) => Status::Failed,
            Err(Missing::NoLocation | Missing::NoTime) => Status::Skipped,
        }
    }

    fn ended(&self, name: PartName) -> Ended<'_> {
        Ended {
            name,
            status: self.status(),
            latency: self.latency,
            attempts: self.attempts,
            missing: self.result.as_ref().err(),
        }
    }
}

/// How one part ended, without the part.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended<'a> {
    pub name: PartName,
    pub status: Status,
    pub latency: Duration,
    pub attempts: u32,
    pub missing: Option<&'a Missing>,
}

impl Ended<'_> {
    /// For people: which part is missing, and why.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.missing.map(|missing| format!("{} {missing}", self.name.as_str()))
    }
}

/// One part, as it arrives.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Location(Asked<Location>),
    Weather(Asked<Weather>),
    Entertainment(Asked<CatFact>),
}

impl Part {
    #[must_use]
    pub fn ended(&self) -> Ended<'_> {
        match self {
            Self::Location(asked) => asked.ended(PartName::Location),
            Self::Weather(asked) => asked.ended(PartName::Weather),
            Self::Entertainment(asked) => asked.ended(PartName::Entertainment),
        }
    }
}

/// The parts that have arrived.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    pub location: Option<Asked<Location>>,
    pub weather: Option<Asked<Weather>>,
    pub entertainment: Option<Asked<CatFact>>,
}

impl Context {
    pub fn add(&mut self, part: Part) {
        match part {
            Part::Location(asked) => self.location = Some(asked),
            Part::Weather(asked) => self.weather = Some(asked),
            Part::Entertainment(asked) => self.entertainment = Some(asked),
        }
    }

    /// How each part ended, always in the same order.
    pub fn ended(&self) -> impl Iterator<Item = Ended<'_>> {
        let location = self.location.as_ref().map(|asked| asked.ended(PartName::Location));
        let weather = self.weather.as_ref().map(|asked| asked.ended(PartName::Weather));
        let entertainment = self.entertainment.as_ref().map(|asked| asked.ended(PartName::Entertainment));
        [location, weather, entertainment].into_iter().flatten()
    }

    /// Whether no source gave anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ended().all(|ended| ended.status != Status::Ok)
    }

    /// The first moment at which a source that was asked too often wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.ended()
            .filter_map(|ended| match ended.missing? {
                Missing::Failed(
                    SourceFault::RateLimited { retry_after } | SourceFault::Status { retry_after, .. },
                ) => *retry_after,
                _ => None,
            })
            .min()
    }
}

impl Extend<Part> for Context {
    fn extend<I: IntoIterator<Item = Part>>(&mut self, parts: I) {
        parts.into_iter().for_each(|part| self.add(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing<T>(why: Missing) -> Asked<T> {
        Asked { result: Err(why), latency: Duration::from_millis(7), attempts: 2 }
    }

    #[test]
    fn each_missing_part_is_named_with_why_in_the_order_of_the_answer() {
        let mut context = Context::default();
        context.add(Part::Entertainment(missing(Missing::Failed(SourceFault::Timeout))));
        context.add(Part::Location(missing(Missing::Failed(SourceFault::RateLimited { retry_after: None }))));
        context.add(Part::Weather(Asked::skipped(Missing::NoLocation)));
        let errors: Vec<_> = context.ended().filter_map(|ended| ended.error()).collect();
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
    fn the_first_source_that_can_be_asked_again_tells_when() {
        let limited = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            Missing::Failed(SourceFault::RateLimited { retry_after })
        };
        let mut context = Context::default();
        assert_eq!(context.retry_after(), None);
        context.add(Part::Location(missing(limited(60))));
        context.add(Part::Entertainment(missing(limited(30))));
        assert_eq!(context.retry_after(), Some(Duration::from_secs(30)));
    }
}
