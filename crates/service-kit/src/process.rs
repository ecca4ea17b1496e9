//! The life of a service's process: configuration, logs, runtime, exit code.

use std::{error::Error, fmt::Write as _, net::SocketAddr, process::ExitCode};

use crate::{
    config::{Common, ConfigFaults, Variable},
    healthcheck, telemetry,
};

/// Exit code for a configuration that can't be used.
pub const MISCONFIGURED: u8 = 2;

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
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("healthcheck") => return check_health::<C>(name),
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
    configured(name, |config: C| {
        telemetry::init(config.common());
        tool(name, async {
            match run(config).await {
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
        })
    })
}

/// Asks the service of this configuration whether it is ready; the exit code says.
pub fn check_health<C: Configuration>(name: &str) -> ExitCode {
    configured(name, |config: C| {
        tool(name, async {
            match healthcheck::ask(config.listens_on()).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    eprintln!("{name}: {why}");
                    ExitCode::FAILURE
                }
            }
        })
    })
}

/// Reads `.env` and the environment, and does something with what they say.
pub fn configured<C: Configuration>(name: &str, act: impl FnOnce(C) -> ExitCode) -> ExitCode {
    // No `.env` file is the usual case.
    let _ = dotenvy::dotenv();
    match C::from_lookup(&|variable| std::env::var(variable).ok()) {
        Ok(config) => act(config),
        Err(faults) => {
            eprintln!("{name}: {faults}");
            ExitCode::from(MISCONFIGURED)
        }
    }
}

/// Runs something to its end on a runtime of its own.
pub fn tool(name: &str, run: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run),
        Err(error) => {
            eprintln!("{name}: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

fn help(name: &str, variables: &[Variable]) -> String {
    let variables = variables_help(variables);
    format!(
        "{name} takes no arguments but `healthcheck` (is it ready?); its environment configures it:\n\n{variables}"
    )
}

/// The variables with their defaults and meanings, for people.
#[must_use]
pub fn variables_help(variables: &[Variable]) -> String {
    let mut text = String::new();
    for Variable { name, default, meaning } in variables {
        let default = default.map_or(String::new(), |default| format!(" (default {default})"));
        let _ = writeln!(text, "  {name}{default}\n      {meaning}");
    }
    text
}
