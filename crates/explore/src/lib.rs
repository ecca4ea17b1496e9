#![doc = include_str!("../README.md")]

mod arguments;
mod explorer;
mod finding;
mod http;
mod planner;
mod poll;
mod progress;
mod provider;
mod report;
mod schedule;
mod shrink;
mod stop;
mod system;
mod trial;

use std::{fs, io, path::PathBuf, process::ExitCode};

pub use arguments::Arguments;

use crate::{
    arguments::{Task, UsageError},
    explorer::{ExploreError, Explorer},
    progress::{BAD, Progress, print_line},
    provider::Provider,
    report::Report,
    stop::{Signal, StopSignal},
    system::System,
    trial::TrialRunner,
};

/// The exit code for a system that can't be explored.
const CANNOT_EXPLORE: u8 = 2;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Explore(#[from] ExploreError),
    #[error("--junit: cannot write {}: {source}", path.display())]
    Junit { path: PathBuf, source: io::Error },
    #[error("the handlers for Ctrl-C and SIGTERM can't be installed: {0}")]
    Signals(#[from] io::Error),
}

/// Lists how an exploration can end.
enum Outcome {
    Clean,
    Found,
    /// A signal ended the exploration before every schedule was tried.
    Interrupted(Signal),
}

/// Explores, and writes the report to standard output.
///
/// The exit code is 0 without findings, 1 with findings, and 2 when the system can't be explored. After a signal it
/// is that signal's.
pub async fn run(arguments: Arguments) -> ExitCode {
    let progress = Progress::default();
    match explore(arguments, &progress).await {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::FAILURE,
        Ok(Outcome::Interrupted(signal)) => signal.exit_code(),
        Err(failure) => {
            print_line(&format!("{BAD}error{BAD:#}: {failure}"));
            ExitCode::from(CANNOT_EXPLORE)
        }
    }
}

async fn explore(arguments: Arguments, progress: &Progress) -> Result<Outcome, Failure> {
    let stop = StopSignal::listen()?;
    let Task { provider, order, status_rules, time_limit, settle, settings, json, junit } =
        arguments.task()?;
    let client = service_kit::client::build(time_limit).map_err(UsageError::Client)?;
    let provider = Provider::new(client.clone(), provider);
    let system = System { client, order, status_rules, time_limit };
    provider.open_run().await.map_err(ExploreError::from)?;
    let catalogue = provider.catalogue().await.map_err(ExploreError::from)?;
    print_line("one order without faults, to learn from");
    let runner = TrialRunner { provider: provider.clone(), system: system.clone(), catalogue, settle };
    let explorer = Explorer::new(runner, settings, progress, stop.clone());
    let Some(findings) = explorer.explore().await? else {
        print_line("stopped before the order without faults ended; nothing was tried");
        return Ok(Outcome::Interrupted(stop.received().await));
    };
    let report = Report { findings: &findings, system: &system, provider: provider.base() };
    if let Some(path) = junit {
        let write = |file: fs::File| report.junit().serialize(file).map_err(io::Error::other);
        let written = fs::File::create(&path).and_then(write);
        written.map_err(|source| Failure::Junit { path, source })?;
    }
    if json {
        println!("{:#}", report.json());
    } else {
        anstream::print!("{report}");
    }
    Ok(if findings.cut_short {
        Outcome::Interrupted(stop.received().await)
    } else if findings.failures.is_empty() {
        Outcome::Clean
    } else {
        Outcome::Found
    })
}
