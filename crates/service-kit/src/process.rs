//! The life of a service's process: configuration, logs, runtime, exit code.

use std::{env::VarError, error::Error, fmt::Write as _, io, net::SocketAddr, path::Path, process::ExitCode};

use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

pub use crate::healthcheck::Question;
use crate::{
    config::{Common, ConfigFaults, Variable},
    healthcheck, telemetry,
};

/// The file whose variables supplement the environment. It is in the current folder.
const ENV_FILE: &str = ".env";
/// The exit code for an invalid configuration.
pub const MISCONFIGURED: u8 = 2;

/// The configuration of a service, as [`main`] needs it.
pub trait Configuration: Sized {
    /// Lists every variable that the service reads.
    fn variables() -> Vec<Variable>;

    /// Reads and checks all variables.
    ///
    /// # Errors
    /// Returns all errors together.
    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults>;

    /// Returns the settings that every service has.
    fn common(&self) -> &Common;

    /// Returns the address of the HTTP server, which also answers health checks.
    fn listens_on(&self) -> SocketAddr;
}

/// Runs a service as [`main_with_span_ids`] does, with random ids of spans.
pub fn main<C, F>(name: &'static str, version: &'static str, run: impl FnOnce(C) -> F) -> ExitCode
where
    C: Configuration,
    F: Future<Output = Result<(), Box<dyn Error + Send + Sync>>>,
{
    main_with_span_ids(name, version, RandomIdGenerator::default(), run)
}

/// Runs a service: reads `.env` and the environment, and starts the logs, the traces and the runtime.
///
/// With the argument `healthcheck` it only checks that the service with this configuration is ready. With `--live`,
/// it checks that the service answers.
pub fn main_with_span_ids<C, F>(
    name: &'static str,
    version: &'static str,
    ids: impl IdGenerator + 'static,
    run: impl FnOnce(C) -> F,
) -> ExitCode
where
    C: Configuration,
    F: Future<Output = Result<(), Box<dyn Error + Send + Sync>>>,
{
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => {}
        Some("healthcheck") => {
            return match Question::from_arguments(arguments) {
                Ok(question) => check_health::<C>(name, question),
                Err(unknown) => {
                    eprintln!("{name}: unknown argument {unknown}; healthcheck takes only --live");
                    ExitCode::from(MISCONFIGURED)
                }
            };
        }
        Some("--version" | "-V") => {
            println!("{name} {version}");
            return ExitCode::SUCCESS;
        }
        Some("--help" | "-h") => {
            print!("{}", usage(name, &C::variables()));
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!(
                "{name}: unknown argument {other}; environment variables configure it, see {name} --help"
            );
            return ExitCode::from(MISCONFIGURED);
        }
    }
    configured(name, |config: C| {
        let telemetry = match telemetry::init(name, version, config.common(), ids) {
            Ok(telemetry) => telemetry,
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::from(MISCONFIGURED);
            }
        };
        let end = tool(name, async {
            match run(config).await {
                Ok(()) => {
                    tracing::info!("service stopped");
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    let error = telemetry::error_chain(&*error);
                    tracing::error!(error, "service failed");
                    eprintln!("{name}: {error}");
                    ExitCode::FAILURE
                }
            }
        });
        drop(telemetry);
        end
    })
}

/// Checks that the service with this configuration is ready, or live. The exit code has the result.
pub fn check_health<C: Configuration>(name: &str, question: Question) -> ExitCode {
    configured(name, |config: C| {
        tool(name, async {
            match healthcheck::query_health(config.listens_on(), question).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(reason) => {
                    eprintln!("{name}: {reason}");
                    ExitCode::FAILURE
                }
            }
        })
    })
}

/// Reads the configuration from `.env` and the environment, and passes it to `act`.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn configured<C: Configuration>(name: &str, act: impl FnOnce(C) -> ExitCode) -> ExitCode {
    let config =
        load_env_file(Path::new(ENV_FILE)).and_then(|()| read::<C>(|variable| std::env::var(variable)));
    match config {
        Ok(config) => act(config),
        Err(errors) => {
            eprintln!("{name}: {errors}");
            ExitCode::from(MISCONFIGURED)
        }
    }
}

/// Adds the variables of a file to the environment. Those of the environment win. The file may be missing.
fn load_env_file(path: &Path) -> Result<(), ConfigFaults> {
    let reason = match dotenvy::from_path(path) {
        Ok(()) => return Ok(()),
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // The value may be a secret, so the error shows only the name.
        Err(dotenvy::Error::LineParse(line, _)) => match line.split_once('=') {
            Some((name, _)) => format!("the value of {} has a wrong syntax; check its quotes", name.trim()),
            None => "a line has no `=`; write NAME=value".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Err(ConfigFaults(vec![format!("{}: {reason}", path.display())]))
}

fn read<C: Configuration>(lookup: impl Fn(&str) -> Result<String, VarError>) -> Result<C, ConfigFaults> {
    let mut errors = Vec::new();
    for Variable { name, .. } in C::variables() {
        if let Err(VarError::NotUnicode(_)) = lookup(name) {
            errors.push(format!("{name}: must be UTF-8"));
        }
    }
    match C::from_lookup(&|variable| lookup(variable).ok()) {
        Ok(config) if errors.is_empty() => Ok(config),
        Ok(_) => Err(ConfigFaults(errors)),
        Err(ConfigFaults(more)) => Err(ConfigFaults([errors, more].concat())),
    }
}

/// Runs a future to its end on a new runtime.
pub fn tool(name: &str, run: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run),
        Err(error) => {
            eprintln!("{name}: cannot start the async runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage(name: &str, variables: &[Variable]) -> String {
    let variables = variables_help(variables);
    format!(
        "{name} takes no arguments except `healthcheck` (checks that it is ready) and `healthcheck --live` (checks \
         that it answers). These environment variables configure it:\n\n{variables}"
    )
}

/// Formats the variables with their defaults and meanings as help text.
#[must_use]
pub fn variables_help(variables: &[Variable]) -> String {
    let mut text = String::new();
    for Variable { name, default, meaning } in variables {
        let default = default.map_or(String::new(), |default| format!(" (default {default})"));
        let _ = writeln!(text, "  {name}{default}\n      {meaning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt};

    use super::*;
    use crate::config::{self, Reader};

    struct Settings {
        common: Common,
    }

    impl Configuration for Settings {
        fn variables() -> Vec<Variable> {
            config::COMMON.to_vec()
        }

        fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults> {
            let mut reader = Reader::new(lookup);
            let common = Common::read(&mut reader);
            reader.finish(common.map(|common| Self { common }))
        }

        fn common(&self) -> &Common {
            &self.common
        }

        fn listens_on(&self) -> SocketAddr {
            ([127, 0, 0, 1], 0).into()
        }
    }

    fn errors_of_file(text: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ENV_FILE);
        fs::write(&path, text).unwrap();
        let shown = |ConfigFaults(errors)| errors.concat().replace(&path.display().to_string(), ENV_FILE);
        load_env_file(&path).map_err(shown)
    }

    #[test]
    fn an_env_file_may_be_missing_but_not_malformed() {
        assert_eq!(load_env_file(Path::new("/no/such/folder/.env")), Ok(()));
        assert_eq!(errors_of_file("# nothing\n"), Ok(()));
        assert_eq!(
            errors_of_file("no variable\n"),
            Err(".env: a line has no `=`; write NAME=value".to_owned())
        );
        let secret = errors_of_file("A_KEY='sk_live_1\n").unwrap_err();
        assert_eq!(
            secret, ".env: the value of A_KEY has a wrong syntax; check its quotes",
            "the error must not show the value"
        );
        assert!(load_env_file(Path::new("/")).is_err());
    }

    #[test]
    fn a_variable_that_is_not_utf_8_is_reported_with_the_other_errors() {
        let lookup = |name: &str| match name {
            "LOG_FORMAT" => Err(VarError::NotUnicode(OsString::from_vec(vec![0xff]))),
            "BODY_LIMIT" => Ok("much".to_owned()),
            _ => Err(VarError::NotPresent),
        };
        let Err(ConfigFaults(errors)) = read::<Settings>(lookup) else {
            panic!("the configuration must be refused")
        };
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert_eq!(errors[0], "LOG_FORMAT: must be UTF-8");
        assert!(read::<Settings>(|_| Err(VarError::NotPresent)).is_ok());
    }
}
