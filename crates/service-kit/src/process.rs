//! The life of a service's process: configuration, logs, runtime, exit code.

use std::{error::Error, fmt::Write as _, net::SocketAddr, process::ExitCode};

use crate::{
    config::{Common, ConfigFaults, Variable},
    healthcheck, telemetry,
};

/// Exit code for a configuration that can't be used.
const MISCONFIGURED: u8 = 2;

/// What the process helper must know of a service's configuration.
pub trait Configuration: Sized {
    /// Every variable the service reads.
    fn variables() -> Vec<Variable>;

    /// Reads and checks them all.
    ///
    /// # Errors
    /// Every fault at once.
    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults>;

    fn common(&self) -> &Common;

    /// Where the service answers HTTP, its health among it.
    fn listens_on(&self) -> SocketAddr;
}

/// The whole of a service's `main`: reads `.env` and the environment, starts logs and runtime, runs. Told
/// `healthcheck`, it asks the service of the same configuration whether it is ready, instead.
pub fn main<C, F>(name: &str, version: &str, run: impl FnOnce(C) -> F) -> ExitCode
where
    C: Configuration,
    F: Future<Output = Result<(), Box<dyn Error + Send + Sync>>>,
{
    let mut checks_health = false;
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("healthcheck") => checks_health = true,
        Some("--version" | "-V") => {
            println!("{name} {version}");
            return ExitCode::SUCCESS;
        }
        Some("--help" | "-h") => {
            print!("{}", help(name, &C::variables()));
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!(
                "{name}: unknown argument {other}; it is configured by its environment, see {name} --help"
            );
            return ExitCode::from(MISCONFIGURED);
        }
    }
    // No `.env` file is the usual case.
    let _ = dotenvy::dotenv();
    let config = match C::from_lookup(&|variable| std::env::var(variable).ok()) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("{name}: {faults}");
            return ExitCode::from(MISCONFIGURED);
        }
    };
    if !checks_health {
        telemetry::init(config.common());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name}: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    if checks_health {
        return match runtime.block_on(healthcheck::ask(config.listens_on())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{name}: {why}");
                ExitCode::FAILURE
            }
        };
    }
    match runtime.block_on(run(config)) {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let error = telemetry::chain(&*error);
            tracing::error!(error, "cannot run");
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn help(name: &str, variables: &[Variable]) -> String {
    let mut text = format!(
        "{name} takes no arguments but `healthcheck` (is it ready?); its environment configures it:\n\n"
    );
    for Variable { name, default, meaning } in variables {
        let default = default.map_or(String::new(), |default| format!(" (default {default})"));
        let _ = writeln!(text, "  {name}{default}\n      {meaning}");
    }
    text
}
