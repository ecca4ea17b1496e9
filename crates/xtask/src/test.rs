//! `cargo xtask test` and `record`: runs the tests of the workspace, including those with a real Temporal server.

use std::{
    ffi::OsString,
    fmt,
    io::{self, IsTerminal},
    iter::Sum,
    ops::Add,
    path::Path,
    thread,
};

use crate::{
    cargo::{self, Targets},
    console::Console,
    interrupt::Interrupts,
    nextest,
    services::{Options, Ports, State, Temporal},
    stack::Stack,
    temporal_cli::{self, SearchPaths, TemporalCli},
    up::{self, Error},
    workspace::Workspace,
};

/// The variable with the address of the Temporal server that the tests share.
pub const TEMPORAL_ADDRESS: &str = "TEST_TEMPORAL_ADDRESS";

/// The tests to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The tests whose names contain one of these. Without names, all tests.
    Named(Vec<String>),
    /// The tests that reach every end of a workflow and record its history for the replay tests.
    RecordHistories,
}

/// Runs tests, with their tools and their Temporal server.
///
/// # Errors
/// Returns an error when a test fails, no test ran, or the tests can't be run.
pub async fn run(console: &Console, interrupts: &mut Interrupts, selection: &Selection) -> Result<(), Error> {
    let workspace = Workspace::locate()?;
    let work = async {
        let cli = up::temporal_cli(console, &SearchPaths::from_env(workspace.tools())).await?;
        console.print("Building the tests, and the programs that they start");
        cargo::build(&workspace, Targets::ProgramsAndTests).await?;
        let mut environment = vec![(temporal_cli::VARIABLE, cli.path().into())];
        environment.extend(selection.variable());
        let mut counts = Vec::new();
        let print = |line: &str| {
            anstream::println!("{line}");
            counts.extend(Counts::of(line));
        };
        let succeeded = match nextest::find_or_install(&workspace.tools()).await {
            Ok(nextest) => {
                with_nextest(console, &workspace, &nextest, selection, cli, environment, print).await?
            }
            Err(reason) => {
                console.print(&format!("cargo-nextest is not available ({reason})"));
                console.print("Running the tests with cargo test, which takes longer");
                cargo::test(&workspace, &selection.arguments(), &environment, print).await?.success()
            }
        };
        let counts: Counts = counts.into_iter().sum();
        println!("{counts}");
        counts.verdict(succeeded)
    };
    interrupts.race(work).await
}

/// Runs the tests in parallel on one shared Temporal server, and then the doctests, which nextest doesn't support.
async fn with_nextest(
    console: &Console,
    workspace: &Workspace,
    nextest: &Path,
    selection: &Selection,
    cli: TemporalCli,
    mut environment: Vec<(&'static str, OsString)>,
    mut print: impl FnMut(&str),
) -> Result<bool, Error> {
    console.print("Starting a Temporal server for the tests");
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path().to_owned(), Ports::free()?, Temporal::DevServer(cli));
    options.state = State::Temporary;
    options.services = Vec::new();
    environment.push((TEMPORAL_ADDRESS, options.temporal_address().into()));
    let mut server = Stack::start(options).await?;
    console.print("Running the tests");
    let tests =
        cargo::nextest(workspace, nextest, &selection.nextest_arguments(), &environment, &mut print).await?;
    server.stop(|_, _| ()).await?;
    if *selection == Selection::RecordHistories {
        return Ok(tests.success());
    }
    console.print("Running the doctests");
    let arguments: Vec<_> = ["--doc".to_owned()].into_iter().chain(selection.arguments()).collect();
    let doctests = cargo::test(workspace, &arguments, &environment, print).await?;
    Ok(tests.success() && doctests.success())
}

/// The number of parallel tests for each processor. It exceeds 1, since an end-to-end test mostly waits.
const TESTS_PER_PROCESSOR: usize = 3;

impl Selection {
    fn variable(&self) -> Option<(&'static str, OsString)> {
        matches!(self, Self::RecordHistories).then(|| ("RECORD_HISTORIES", "1".into()))
    }

    fn arguments(&self) -> Vec<String> {
        let (targets, filters) = self.parts();
        let before = targets.iter().copied().chain(["--color", colour(), "--", "--color", colour()]);
        before.map(str::to_owned).chain(filters).collect()
    }

    fn nextest_arguments(&self) -> Vec<String> {
        let (targets, filters) = self.parts();
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = (processors * TESTS_PER_PROCESSOR).to_string();
        let before = targets.iter().copied().chain(["--color", colour(), "--test-threads", &threads]);
        before.map(str::to_owned).chain(filters).collect()
    }

    /// Returns the arguments that choose test targets, and the names to filter by.
    fn parts(&self) -> (&'static [&'static str], Vec<String>) {
        match self {
            Self::Named(filters) => (&[], filters.clone()),
            Self::RecordHistories => {
                (&["--test", "orders", "--test", "workflows"], vec!["can_be_recorded".to_owned()])
            }
        }
    }
}

/// Returns the colour option of the runner. Its output passes through this program to a terminal or a file.
fn colour() -> &'static str {
    if io::stdout().is_terminal() { "always" } else { "never" }
}

/// The numbers of tests by result.
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
        if let Some((_, counts)) =
            line.trim_start().strip_prefix("Summary [").and_then(|rest| rest.split_once(" run: "))
        {
            return Some(Self::of_nextest(counts));
        }
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |result: &str| {
            counts.split("; ").find_map(|count| count.strip_suffix(result)?.trim_end().parse::<u64>().ok())
        };
        Some(Self { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
    }

    /// Reads the end of nextest's closing line:
    /// `Summary [   1.2s] 8 tests run: 5 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 3 skipped`.
    fn of_nextest(counts: &str) -> Self {
        let mut sum = Self::default();
        let without_notes = counts.split(" (").enumerate().map(|(index, part)| {
            let after = if index == 0 { Some(part) } else { part.split_once(')').map(|(_, after)| after) };
            after.unwrap_or_default()
        });
        for count in without_notes.collect::<String>().split(", ") {
            let Some((number, result)) = count.trim().split_once(' ') else { continue };
            let number = number.parse::<u64>().unwrap_or_default();
            match result {
                "passed" => sum.passed += number,
                "skipped" => sum.ignored += number,
                // These failed, timed out, or could not start.
                _ => sum.failed += number,
            }
        }
        sum
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
    fn a_closing_line_of_nextest_is_counted() {
        let line = "     Summary [   1.234s] 9 tests run: 5 passed (1 slow, 1 leaky), 1 failed, 2 timed out, \
                    1 exec failed, 3 skipped";
        let counts = Some(Counts { passed: 5, failed: 4, ignored: 3 });
        assert_eq!(Counts::of(line), counts);
        assert_eq!(Counts::of(&line.replace("Summary", "\u{1b}[31mSummary\u{1b}[m")), counts);
        let short = "     Summary [   0.1s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(Counts::of(short), Some(Counts { passed: 1, failed: 0, ignored: 0 }));
    }

    #[test]
    fn the_output_of_a_test_is_not_counted() {
        assert_eq!(Counts::of("test demo::tests::a_result ... ok"), None);
        assert_eq!(Counts::of("the test result: ok. 3 passed; 0 failed; 1 ignored"), None);
    }

    #[test]
    fn the_counts_of_all_runners_are_added_up() {
        let failed = LINE.replace("ok.", "FAILED.").replace("0 failed", "2 failed");
        let counts: Counts = [LINE, &failed].into_iter().filter_map(Counts::of).sum();
        assert_eq!(counts.to_string(), "6 passed, 2 failed, 2 skipped");
    }

    #[test]
    fn a_run_passes_only_if_tests_ran_and_all_passed() {
        let passed = Counts { passed: 1, ..Counts::default() };
        assert!(passed.verdict(true).is_ok());
        assert!(matches!(passed.verdict(false), Err(Error::TestsFailed)));
        assert!(matches!(Counts { failed: 1, ..passed }.verdict(true), Err(Error::TestsFailed)));
        assert!(matches!(Counts::default().verdict(true), Err(Error::NoTests)));
    }
}
