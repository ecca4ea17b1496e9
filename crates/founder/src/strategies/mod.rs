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

    /// Another name that it goes by.
    const fn alias(self) -> Option<&'static str> {
        match self {
            Self::AllSettled => None,
            Self::Sequential => Some("sequential"),
            Self::Reactive => Some("stream"),
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
    let names = Strategy::ALL.map(|strategy| match strategy.alias() {
        None => strategy.name().to_owned(),
        Some(alias) => format!("{} (or {alias})", strategy.name()),
    });
    names.join(", ")
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name || strategy.alias() == Some(name))
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
        assert_eq!("sequential".parse(), Ok(Strategy::Sequential));
        assert_eq!("stream".parse(), Ok(Strategy::Reactive));
        for name in ["", "RXJS", "parallel", " rxjs"] {
            assert_eq!(name.parse::<Strategy>(), Err(UnknownStrategy), "{name:?}");
        }
        assert_eq!(
            UnknownStrategy.to_string(),
            "must be one of promise-allsettled, async-sequential (or sequential), rxjs (or stream)"
        );
    }
}
