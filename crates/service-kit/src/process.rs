//! The life of a service's process: configuration, logs, runtime, exit code.

use std::{env::VarError, error::Error, fmt::Write as _, io, net::SocketAddr, path::Path, process::ExitCode};

pub use crate::healthcheck::Question;
use crate::{
    config::{Common, ConfigFaults, Variable},
    healthcheck, telemetry,
};

/// Adds to the environment, in the folder that the process is started in.
const ENV_FILE: &str = ".env";
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
/// `healthcheck`, it asks the service of the same configuration whether it is ready (`--live`: whether it answers),
/// instead.
pub fn main<C, F>(name: &str, version: &str, run: impl FnOnce(C) -> F) -> ExitCode
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
                    eprintln!(
                        "{name}: unknown argument {unknown}; healthcheck takes --live and nothing else"
                    );
                    ExitCode::from(MISCONFIGURED)
                }
            };
        }
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

/// Asks the service of this configuration whether it is ready, or live; the exit code says.
pub fn check_health<C: Configuration>(name: &str, question: Question) -> ExitCode {
    configured(name, |config: C| {
        tool(name, async {
            match healthcheck::ask(config.listens_on(), question).await {
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
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn configured<C: Configuration>(name: &str, act: impl FnOnce(C) -> ExitCode) -> ExitCode {
    let config = read_file(Path::new(ENV_FILE)).and_then(|()| read::<C>(|variable| std::env::var(variable)));
    match config {
        Ok(config) => act(config),
        Err(faults) => {
            eprintln!("{name}: {faults}");
            ExitCode::from(MISCONFIGURED)
        }
    }
}

/// Adds a file's variables to the environment, what is already there before them. Most have no such file.
fn read_file(path: &Path) -> Result<(), ConfigFaults> {
    let why = match dotenvy::from_path(path) {
        Ok(()) => return Ok(()),
        Err(dotenvy::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // What stands behind the name may be a secret.
        Err(dotenvy::Error::LineParse(line, _)) => match line.split_once('=') {
            Some((name, _)) => format!("the value of {} isn't one", name.trim()),
            None => "a line without `=`".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Err(ConfigFaults(vec![format!("{}: {why}", path.display())]))
}

fn read<C: Configuration>(lookup: impl Fn(&str) -> Result<String, VarError>) -> Result<C, ConfigFaults> {
    let mut faults = Vec::new();
    for Variable { name, .. } in C::variables() {
        if let Err(VarError::NotUnicode(_)) = lookup(name) {
            faults.push(format!("{name}: must be UTF-8"));
        }
    }
    match C::from_lookup(&|variable| lookup(variable).ok()) {
        Ok(config) if faults.is_empty() => Ok(config),
        Ok(_) => Err(ConfigFaults(faults)),
        Err(ConfigFaults(more)) => Err(ConfigFaults([faults, more].concat())),
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
        "{name} takes no arguments but `healthcheck` (is it ready?) and `healthcheck --live` (does it answer?); \
         its environment configures it:\n\n{variables}"
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

    fn faults_of_file(text: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ENV_FILE);
        fs::write(&path, text).unwrap();
        let shown = |ConfigFaults(faults)| faults.concat().replace(&path.display().to_string(), ENV_FILE);
        read_file(&path).map_err(shown)
    }

    #[test]
    fn a_file_of_variables_may_be_missing_but_not_be_malformed() {
        assert_eq!(read_file(Path::new("/no/such/folder/.env")), Ok(()));
        assert_eq!(faults_of_file("# nothing\n"), Ok(()));
        assert_eq!(faults_of_file("no variable\n"), Err(".env: a line without `=`".to_owned()));
        let secret = faults_of_file("A_KEY='sk_live_1\n").unwrap_err();
        assert_eq!(secret, ".env: the value of A_KEY isn't one", "never shows the value");
        assert!(read_file(Path::new("/")).is_err());
    }

    #[test]
    fn a_variable_that_is_no_text_is_a_fault_beside_the_others() {
        let lookup = |name: &str| match name {
            "LOG_FORMAT" => Err(VarError::NotUnicode(OsString::from_vec(vec![0xff]))),
            "BODY_LIMIT" => Ok("much".to_owned()),
            _ => Err(VarError::NotPresent),
        };
        let Err(ConfigFaults(faults)) = read::<Settings>(lookup) else { panic!("read") };
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(faults[0], "LOG_FORMAT: must be UTF-8");
        assert!(read::<Settings>(|_| Err(VarError::NotPresent)).is_ok());
    }
}
