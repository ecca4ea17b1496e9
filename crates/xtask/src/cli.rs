//! The command line: its commands, and the function that runs each of them.

use std::{
    io,
    path::{self, Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    console::Console,
    demo, guard,
    interrupt::Interrupts,
    temporal_cli::SearchPaths,
    test::{self, Selection},
    up::{self, Error, UpOptions},
    workspace::Workspace,
};

/// Runs, shows and tests the whole stack: our services on a real Temporal development server
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds and starts everything, and shows the logs until Ctrl-C. Continues with the data of the last `up`
    Up(Up),
    /// Ends everything that `up` started, even when `up` itself was killed
    Down,
    /// Shows whether each process runs and is ready. The exit code is 1 unless all are ready
    Status,
    /// Starts an empty stack, runs every scenario of an order, and prints the provider's verdict
    Demo {
        /// Uses any free ports instead of the default ones
        #[arg(long)]
        free_ports: bool,
    },
    /// Runs every test, including those against a real Temporal server
    Test {
        /// Runs only the tests whose names contain one of these
        filters: Vec<String>,
    },
    /// Prints the path of a Temporal CLI, and installs one if necessary
    TemporalCli,
    /// Records the histories that are missing in crates/workflows/tests/histories
    Record,
    /// Waits until the process that started a stack has ended, and ends the rest of the stack
    #[command(hide = true)]
    Guard {
        folder: PathBuf,
        /// Removes the folder afterwards
        #[arg(long)]
        remove: bool,
    },
}

#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch")]
#[derive(Debug, Args)]
struct Up {
    /// Sets the provider's chaos profile: a name that it knows, such as off, or a .toml or .json file. The default is
    /// seed, or the profile that was set at run time before
    #[arg(long, value_name = "PROFILE")]
    chaos: Option<String>,
    /// Makes chaos repeatable. Without a seed, the provider draws one and logs it
    #[arg(long)]
    seed: Option<u64>,
    /// Shortens labels from 20 s to 1 s, and timeouts from 5 s to 0.5 s
    #[arg(long)]
    fast: bool,
    /// Starts without the orders, workflows and ledger of earlier stacks
    #[arg(long)]
    fresh: bool,
    /// Returns when everything is ready, and leaves it running
    #[arg(long)]
    detach: bool,
    /// Uses any free ports instead of the default ones
    #[arg(long)]
    free_ports: bool,
    /// Adds Prometheus and Jaeger, which must be installed
    #[arg(long)]
    observe: bool,
}

/// Runs a command, and prints its error if it fails.
pub async fn run(cli: Cli) -> ExitCode {
    let console = Console::new();
    match run_command(cli.command, &console).await {
        Ok(code) => code,
        Err(error) => {
            console.fail(&error);
            match error {
                // A shell reports a Ctrl-C with this code.
                Error::Interrupted(_) => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn run_command(command: Command, console: &Console) -> Result<ExitCode, Error> {
    match command {
        Command::Up(Up { chaos, seed, fast, fresh, detach, free_ports, observe }) => {
            let chaos = chaos.map(profile).transpose()?;
            let options =
                UpOptions { chaos, seed, fast, fresh, free_ports, observe, environment: Vec::new() };
            up::up(console, &mut Interrupts::listen()?, &options, detach).await?;
        }
        Command::Down => up::down(console).await?,
        Command::Status => up::status().await?,
        Command::Demo { free_ports } => {
            let agree = demo::run(console, &mut Interrupts::listen()?, free_ports).await?;
            return Ok(if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Test { filters } => {
            test::run(console, &mut Interrupts::listen()?, &Selection::Named(filters)).await?;
        }
        Command::TemporalCli => {
            let search_paths = SearchPaths::from_env(Workspace::locate()?.tools());
            println!("{}", up::temporal_cli(console, &search_paths).await?.path().display());
        }
        Command::Record => {
            test::run(console, &mut Interrupts::listen()?, &Selection::RecordHistories).await?;
        }
        Command::Guard { folder, remove } => guard::run_guard(&folder, remove).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the absolute path of a profile in a file, since the provider runs in another folder.
fn profile(chaos: String) -> io::Result<String> {
    let is_file = Path::new(&chaos).extension().is_some_and(|kind| kind == "toml" || kind == "json");
    if is_file { Ok(path::absolute(&chaos)?.display().to_string()) } else { Ok(chaos) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_file_gets_its_absolute_path() {
        let here = std::env::current_dir().unwrap();
        let file = profile("calm/mine.toml".to_owned()).unwrap();
        assert_eq!(file, here.join("calm/mine.toml").display().to_string());
        assert_eq!(profile("calm".to_owned()).unwrap(), "calm");
    }
}
