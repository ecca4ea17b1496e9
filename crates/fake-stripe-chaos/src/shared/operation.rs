//! The names of operations, `context.action`: one spelling for plans, profiles, journal, metrics and
//! headers.

use std::fmt;

/// An operation of one of the contexts. Each context declares its own as constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation(&'static str);

impl Operation {
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// `payment.capture`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// The part before the dot: `payment`.
    #[must_use]
    pub fn context(self) -> &'static str {
        self.0.split_once('.').map_or(self.0, |(context, _)| context)
    }

    /// The part after the dot: `capture`.
    #[must_use]
    pub fn action(self) -> &'static str {
        self.0.split_once('.').map_or(self.0, |(_, action)| action)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
