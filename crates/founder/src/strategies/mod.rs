//! In which order the sources are asked. A strategy turns sources into a stream of parts; which one does it
//! is chosen with each request.

mod all_settled;
mod reactive;
mod sequential;

use std::str::FromStr;

use futures::stream::BoxStream;
use user_context::Sources;

use crate::parts::Part;

/// The port: every part once, each as soon as the strategy has it. Nothing is asked before the stream is.
type Gather = fn(Sources) -> BoxStream<'static, Part>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// All that can be asked at once is, and the answer waits for the last.
    AllSettled,
    /// One after another.
    Sequential,
    /// A stream of parts, merged as they arrive.
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

    /// Another name that it goes by. `parallel` and `sequential` are those of the workflow `userContextWorkflow`.
    const fn alias(self) -> &'static str {
        match self {
            Self::AllSettled => "parallel",
            Self::Sequential => "sequential",
            Self::Reactive => "stream",
        }
    }

    fn gather(self) -> Gather {
        match self {
            Self::AllSettled => all_settled::gather,
            Self::Sequential => sequential::gather,
            Self::Reactive => reactive::gather,
        }
    }

    /// Asks the sources for every part.
    pub fn parts(self, sources: Sources) -> BoxStream<'static, Part> {
        self.gather()(sources)
    }
}

/// No strategy has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", valid())]
pub struct UnknownStrategy;

fn valid() -> String {
    let names = Strategy::ALL.map(|strategy| format!("{} (or {})", strategy.name(), strategy.alias()));
    names.join(", ")
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    /// Reads either name, in upper or lower case.
    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        let goes_by = |known: &str| known.eq_ignore_ascii_case(name);
        Self::ALL
            .into_iter()
            .find(|strategy| goes_by(strategy.name()) || goes_by(strategy.alias()))
            .ok_or(UnknownStrategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_goes_by_its_name_and_its_alias_and_no_other() {
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
    fn upper_case_and_lower_case_name_the_same_strategy() {
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
