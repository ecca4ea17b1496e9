//! The command line: what a person can ask for, and who does it.

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
    temporal_cli::Surroundings,
    test::{self, Selection},
    up::{self, Error, Wishes},
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
    /// Builds and starts everything, and shows its logs until Ctrl-C. Goes on with what the last `up` left
    Up(Up),
    /// Ends what `up` has started, also when `up` itself was killed
    Down,
    /// Tells of each process whether it runs and is ready; exit code 1 unless all are
    Status,
    /// Starts everything empty, shows every scenario of an order, and ends with the provider's verdict on them
    Demo {
        /// Any free ports instead of the usual ones
        #[arg(long)]
        free_ports: bool,
    },
    /// Runs every test, those against a real Temporal server included
    Test {
        /// Only tests whose names contain one of these
        filters: Vec<String>,
    },
    /// Prints the path of a Temporal CLI, which it installs where there is none
    TemporalCli,
    /// Adds the histories of ends that crates/workflows/tests/histories doesn't have yet
    Record,
    /// Waits for the end of whoever started the stack in a folder, and ends what that left
    #[command(hide = true)]
    Guard {
        folder: PathBuf,
        /// Removes the folder in the end
        #[arg(long)]
        remove: bool,
    },
}

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Args)]
struct Up {
    /// How the provider misbehaves: a profile that it knows, such as off, or a .toml or .json file. Without it: seed,
    /// or the profile that was put at run time before
    #[arg(long, value_name = "PROFILE")]
    chaos: Option<String>,
    /// Makes chaos repeat itself; else drawn, and logged by the provider
    #[arg(long)]
    seed: Option<u64>,
    /// Labels take 1 s instead of 20 s, timeouts 0.5 s instead of 5 s
    #[arg(long)]
    fast: bool,
    /// Begins empty: without the orders, workflows and ledger of stacks before
    #[arg(long)]
    fresh: bool,
    /// Returns as soon as all is ready, and leaves it running
    #[arg(long)]
    detach: bool,
    /// Any free ports instead of the usual ones
    #[arg(long)]
    free_ports: bool,
}

/// Does what was asked for, and tells what went wrong.
pub async fn run(cli: Cli) -> ExitCode {
    let console = Console::new();
    match act(cli.command, &console).await {
        Ok(code) => code,
        Err(error) => {
            console.fail(&error);
            match error {
                // As the shell has it for a Ctrl-C.
                Error::Interrupted(_) => ExitCode::from(130),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

async fn act(command: Command, console: &Console) -> Result<ExitCode, Error> {
    match command {
        Command::Up(Up { chaos, seed, fast, fresh, detach, free_ports }) => {
            let chaos = chaos.map(profile).transpose()?;
            let wishes = Wishes { chaos, seed, fast, fresh, free_ports, environment: Vec::new() };
            up::up(console, &mut Interrupts::listen()?, &wishes, detach).await?;
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
            let surroundings = Surroundings::from_env(Workspace::locate()?.tools());
            println!("{}", up::temporal_cli(console, &surroundings).await?.path().display());
        }
        Command::Record => test::run(console, &mut Interrupts::listen()?, &Selection::Recording).await?,
        Command::Guard { folder, remove } => guard::stand(&folder, remove).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A profile as the provider takes it, which runs in another folder: a file by its whole path.
fn profile(chaos: String) -> io::Result<String> {
    let is_file = Path::new(&chaos).extension().is_some_and(|kind| kind == "toml" || kind == "json");
    if is_file { Ok(path::absolute(&chaos)?.display().to_string()) } else { Ok(chaos) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_in_a_file_is_named_by_its_whole_path() {
        let here = std::env::current_dir().unwrap();
        let file = profile("calm/mine.toml".to_owned()).unwrap();
        assert_eq!(file, here.join("calm/mine.toml").display().to_string());
        assert_eq!(profile("calm".to_owned()).unwrap(), "calm");
    }
}
