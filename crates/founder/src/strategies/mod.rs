//! The strategies: each fetches the parts in its own order, as a stream. Each request can name one.

mod all_settled;
mod reactive;
mod sequential;

use std::str::FromStr;

use futures::stream::BoxStream;
use user_context::Sources;

use crate::parts::Part;

/// Returns a stream of every part once. No source is called before the stream is polled.
type StrategyFn = fn(Sources) -> BoxStream<'static, Part>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Calls sources at once as far as possible, and returns all parts together.
    AllSettled,
    /// Calls one source after another.
    Sequential,
    /// Returns each part when it arrives.
    Reactive,
}

impl Strategy {
    pub const ALL: [Self; 3] = [Self::AllSettled, Self::Sequential, Self::Reactive];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllSettled => "promise-allsettled",
            Self::Sequential => "async-sequential",
            Self::Reactive => "rxjs",
        }
    }

    /// Returns the second name. The workflow `userContextWorkflow` uses `parallel` and `sequential`.
    const fn alias(self) -> &'static str {
        match self {
            Self::AllSettled => "parallel",
            Self::Sequential => "sequential",
            Self::Reactive => "stream",
        }
    }

    fn stream_fn(self) -> StrategyFn {
        match self {
            Self::AllSettled => all_settled::part_stream,
            Self::Sequential => sequential::part_stream,
            Self::Reactive => reactive::part_stream,
        }
    }

    /// Fetches every part from the sources.
    pub fn parts(self, sources: Sources) -> BoxStream<'static, Part> {
        self.stream_fn()(sources)
    }
}

/// A name that no strategy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", valid_names())]
pub struct UnknownStrategy;

fn valid_names() -> String {
    let names = Strategy::ALL.map(|strategy| format!("{} (or {})", strategy.name(), strategy.alias()));
    names.join(", ")
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    /// Parses either name, in upper or lower case.
    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        let is_name = |known: &str| known.eq_ignore_ascii_case(name);
        Self::ALL
            .into_iter()
            .find(|strategy| is_name(strategy.name()) || is_name(strategy.alias()))
            .ok_or(UnknownStrategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_has_a_name_and_an_alias() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.name().parse(), Ok(strategy));
        }
        assert_eq!("parallel".parse(), Ok(Strategy::AllSettled));
        assert_eq!("sequential".parse(), Ok(Strategy::Sequential));
        assert_eq!("stream".parse(), Ok(Strategy::Reactive));
        for name in ["", "zip", " rxjs", "promise_allsettled", "rxj\u{17f}"] {
            assert_eq!(name.parse::<Strategy>(), Err(UnknownStrategy), "{name:?}");
        }
        assert_eq!(
            UnknownStrategy.to_string(),
            "must be one of promise-allsettled (or parallel), async-sequential (or sequential), rxjs (or stream)"
        );
    }

    #[test]
    fn the_case_of_a_strategy_name_does_not_matter() {
        for (name, strategy) in [
            ("Promise-AllSettled", Strategy::AllSettled),
            ("PARALLEL", Strategy::AllSettled),
            ("Async-Sequential", Strategy::Sequential),
            ("Sequential", Strategy::Sequential),
            ("RxJS", Strategy::Reactive),
            ("Stream", Strategy::Reactive),
        ] {
            assert_eq!(name.parse(), Ok(strategy), "{name}");
        }
    }
}
