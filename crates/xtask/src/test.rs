//! `cargo xtask test` and `record`: the tests of the workspace, those that need a real Temporal server included.

use std::{
    ffi::OsString,
    fmt,
    io::{self, IsTerminal},
    iter::Sum,
    ops::Add,
};

use crate::{
    cargo::{self, Targets},
    console::Console,
    interrupt::Interrupts,
    temporal_cli::{self, Surroundings},
    up::{self, Error},
    workspace::Workspace,
};

/// Which tests are run, and what for.
#[derive(Debug, Clone)]
pub enum Selection {
    /// Those whose names contain one of these; all of them where there are none.
    Named(Vec<String>),
    /// The one that reaches every end of an order, and then records how: the histories that replay tests need.
    Recording,
}

/// Runs tests, with all that they need.
///
/// # Errors
/// When a test fails, none was run, or there is no running them.
pub async fn run(console: &Console, interrupts: &mut Interrupts, selection: &Selection) -> Result<(), Error> {
    let workspace = Workspace::locate()?;
    let work = async {
        let cli = up::temporal_cli(console, &Surroundings::from_env(workspace.tools())).await?;
        console.say("Building the tests, and the programs that they start");
        cargo::build(&workspace, Targets::ProgramsAndTests).await?;
        console.say("Running the tests");
        let mut environment = vec![(temporal_cli::VARIABLE, cli.path().into())];
        environment.extend(selection.variable());
        let mut counts = Vec::new();
        let status = cargo::test(&workspace, &selection.arguments(), &environment, |line| {
            anstream::println!("{line}");
            counts.extend(Counts::of(line));
        })
        .await?;
        let counts: Counts = counts.into_iter().sum();
        println!("{counts}");
        counts.verdict(status.success())
    };
    interrupts.or(work).await
}

impl Selection {
    fn variable(&self) -> Option<(&'static str, OsString)> {
        matches!(self, Self::Recording).then(|| ("RECORD_HISTORIES", "1".into()))
    }

    fn arguments(&self) -> Vec<String> {
        // The runner writes to us, but in the end to a terminal.
        let colour = if io::stdout().is_terminal() { "always" } else { "never" };
        let (targets, filters) = match self {
            Self::Named(filters) => (vec![], filters.clone()),
            Self::Recording => {
                (vec!["--test", "orders", "--test", "workflows"], vec!["can_be_recorded".to_owned()])
            }
        };
        let before = targets.into_iter().chain(["--color", colour, "--", "--color", colour]);
        before.map(str::to_owned).chain(filters).collect()
    }
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Reads a closing line of the test runner:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s`.
    fn of(line: &str) -> Option<Self> {
        let line = anstream::adapter::strip_str(line).to_string();
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |what: &str| {
            counts.split("; ").find_map(|count| count.strip_suffix(what)?.trim_end().parse::<u64>().ok())
        };
        Some(Self { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
    }

    fn verdict(self, runner_agrees: bool) -> Result<(), Error> {
        if self.failed > 0 || !runner_agrees {
            Err(Error::TestsFailed)
        } else if self.passed == 0 {
            Err(Error::NoTests)
        } else {
            Ok(())
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s";

    #[test]
    fn a_closing_line_is_counted_with_colours_and_without() {
        let counts = Some(Counts { passed: 3, failed: 0, ignored: 1 });
        assert_eq!(Counts::of(LINE), counts);
        assert_eq!(Counts::of(&LINE.replace("ok", "\u{1b}[32mok\u{1b}[m")), counts);
    }

    #[test]
    fn what_a_test_prints_is_not_counted() {
        assert_eq!(Counts::of("test demo::tests::a_result ... ok"), None);
        assert_eq!(Counts::of("the test result: ok. 3 passed; 0 failed; 1 ignored"), None);
    }

    #[test]
    fn the_counts_of_all_runners_are_summed_up_in_one_line() {
        let failed = LINE.replace("ok.", "FAILED.").replace("0 failed", "2 failed");
        let counts: Counts = [LINE, &failed].into_iter().filter_map(Counts::of).sum();
        assert_eq!(counts.to_string(), "6 passed, 2 failed, 2 skipped");
    }

    #[test]
    fn a_run_passes_only_if_tests_ran_and_none_failed_and_the_runner_agrees() {
        let passed = Counts { passed: 1, ..Counts::default() };
        assert!(passed.verdict(true).is_ok());
        assert!(matches!(passed.verdict(false), Err(Error::TestsFailed)));
        assert!(matches!(Counts { failed: 1, ..passed }.verdict(true), Err(Error::TestsFailed)));
        assert!(matches!(Counts::default().verdict(true), Err(Error::NoTests)));
    }
}
