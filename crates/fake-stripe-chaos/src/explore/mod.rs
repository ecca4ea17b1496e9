//! `explore`: finds the fault schedules that a system's orders don't survive.
//!
//! It is a client like any other: of the provider, and of the system under test, by HTTP alone. It learns
//! from an order without faults which operations there are, gives each further order one schedule of faults
//! as its plan, tells the provider how the order ended, and asks for the verdict.

mod arguments;
mod explorer;
mod http;
mod meaning;
mod patience;
mod planner;
mod provider;
mod report;
mod schedule;
mod screen;
mod shrink;
mod stop;
mod system;
mod trial;

use std::{io, process::ExitCode};

pub use arguments::Arguments;

use self::{
    arguments::{Misuse, Task},
    explorer::{ExploreError, Explorer},
    provider::Provider,
    report::Report,
    screen::{BAD, Screen, say},
    stop::{Signal, Stop},
    system::System,
    trial::Laboratory,
};

/// Exit code where there is nothing to explore, or it can't be.
const MISUSE: u8 = 2;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Misuse(#[from] Misuse),
    #[error(transparent)]
    Explore(#[from] ExploreError),
    #[error("signals can't be listened to: {0}")]
    Signals(#[from] io::Error),
}

/// How an exploration ended.
enum End {
    Clean,
    Found,
    /// Before everything was tried.
    Cut(Signal),
}

/// Explores, and reports on standard output. The exit code is 0 where nothing was found, 1 where something
/// was, 2 where it couldn't be explored, and that of the signal where one cut it short.
pub async fn run(arguments: Arguments) -> ExitCode {
    let screen = Screen::default();
    match explore(arguments, &screen).await {
        Ok(End::Clean) => ExitCode::SUCCESS,
        Ok(End::Found) => ExitCode::FAILURE,
        Ok(End::Cut(signal)) => signal.exit_code(),
        Err(failure) => {
            say(&format!("{BAD}error{BAD:#}: {failure}"));
            ExitCode::from(MISUSE)
        }
    }
}

async fn explore(arguments: Arguments, screen: &Screen) -> Result<End, Failure> {
    let stop = Stop::listen()?;
    let Task { provider, order, ends, patience, settle, way, json } = arguments.task()?;
    let client = service_kit::client::build(patience).map_err(Misuse::Client)?;
    let provider = Provider::new(client.clone(), provider);
    let system = System { client, order, ends, patience };
    let catalogue = provider.catalogue().await.map_err(ExploreError::from)?;
    say("one order without faults, to learn from");
    let laboratory = Laboratory { provider: provider.clone(), system: system.clone(), catalogue, settle };
    let explorer = Explorer::new(laboratory, way, screen, stop.clone());
    let Some(findings) = explorer.explore().await? else {
        say("stopped before anything was learned");
        return Ok(End::Cut(stop.come().await));
    };
    let report = Report { findings: &findings, system: &system, provider: provider.base() };
    if json {
        println!("{:#}", report.json());
    } else {
        anstream::print!("{report}");
    }
    Ok(if findings.is_cut_short() {
        End::Cut(stop.come().await)
    } else if findings.failures.is_empty() {
        End::Clean
    } else {
        End::Found
    })
}
