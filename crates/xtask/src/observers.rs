//! Finds Prometheus and Jaeger for `cargo xtask up --observe`, and configures them for the ports of a stack.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    services::{Options, SERVICES},
    workspace::Workspace,
};

/// The installed programs, and the folder with their configuration.
#[derive(Debug, Clone)]
pub struct Observers {
    pub prometheus: PathBuf,
    pub jaeger: PathBuf,
    /// Has `prometheus.yml` and `rules/`, as `deploy/observability` has.
    pub configuration: PathBuf,
}

/// A program that `--observe` needs.
struct Tool {
    name: &'static str,
    /// The variable with the path of the program.
    variable: &'static str,
    /// The names on the PATH.
    programs: &'static [&'static str],
}

const PROMETHEUS: Tool = Tool { name: "Prometheus", variable: "PROMETHEUS", programs: &["prometheus"] };
const JAEGER: Tool =
    Tool { name: "Jaeger", variable: "JAEGER", programs: &["jaeger-all-in-one", "all-in-one"] };

/// A program isn't installed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "--observe needs {name}: put `{program}` on the PATH, or set {variable} to its path; docs/operations.md tells where to get it"
)]
pub struct Missing {
    name: &'static str,
    program: &'static str,
    variable: &'static str,
}

impl Observers {
    /// Looks for the programs in the variables `PROMETHEUS` and `JAEGER`, then on the PATH.
    ///
    /// # Errors
    /// Returns an error when one of them isn't installed.
    pub fn from_env(workspace: &Workspace) -> Result<Self, Missing> {
        Self::find(|name| env::var_os(name), workspace.root().join("deploy/observability"))
    }

    fn find(lookup: impl Fn(&str) -> Option<OsString>, configuration: PathBuf) -> Result<Self, Missing> {
        let path = lookup("PATH").unwrap_or_default();
        let locate = |tool: &Tool| tool.locate(lookup(tool.variable), &path);
        Ok(Self { prometheus: locate(&PROMETHEUS)?, jaeger: locate(&JAEGER)?, configuration })
    }

    /// Writes the configuration of Prometheus for the ports of a stack.
    ///
    /// # Errors
    /// Returns an error when a file can't be read or written.
    pub fn write_configuration(&self, options: &Options) -> io::Result<()> {
        let text = fs::read_to_string(self.configuration.join("prometheus.yml"))?;
        fs::write(configuration_of(options), for_stack(&text, &self.configuration, options))
    }
}

impl Tool {
    fn locate(&self, variable: Option<OsString>, path: &OsStr) -> Result<PathBuf, Missing> {
        let named = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
        let on_path = || {
            let folders = env::split_paths(path);
            folders
                .flat_map(|folder| self.programs.iter().map(move |name| folder.join(name)))
                .find(|file| file.is_file())
        };
        named.filter(|file| file.is_file()).or_else(on_path).ok_or(Missing {
            name: self.name,
            program: self.programs[0],
            variable: self.variable,
        })
    }
}

/// Returns the path of Prometheus' configuration in the folder of a stack.
#[must_use]
pub fn configuration_of(options: &Options) -> PathBuf {
    options.folder.join("prometheus.yml")
}

/// Replaces the containers' names and the rules' path of the compose files.
fn for_stack(text: &str, configuration: &Path, options: &Options) -> String {
    let rules = configuration.join("rules").display().to_string();
    SERVICES.iter().fold(text.replace("/etc/prometheus/rules", &rules), |text, service| {
        text.replace(
            &format!("[{}:{}]", service.name, service.standard_port()),
            &format!("['{}']", options.ports.address(service)),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::{Ports, Temporal};

    #[test]
    fn every_target_of_the_compose_configuration_becomes_a_port_of_the_stack() {
        let configuration = Workspace::locate().unwrap().root().join("deploy/observability");
        let ports = Ports::free().unwrap();
        let options = Options::new("/tmp/stack".into(), ports.clone(), Temporal::External(String::new()));
        let text = fs::read_to_string(configuration.join("prometheus.yml")).unwrap();
        let found = for_stack(&text, &configuration, &options);
        for service in SERVICES {
            assert!(found.contains(&format!("- targets: ['{}']", ports.address(service))), "{found}");
        }
        assert_eq!(found.matches("- targets: [").count(), SERVICES.len());
        assert!(found.contains(&format!("- {}/rules/*.yaml", configuration.display())), "{found}");
    }

    #[test]
    fn programs_come_from_a_variable_or_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            path
        };
        let (prometheus, jaeger) = (file("prometheus"), file("my-jaeger"));
        let lookup = |name: &str| match name {
            "PATH" => Some(folder.path().into()),
            "JAEGER" => Some(jaeger.clone().into()),
            _ => None,
        };
        let found = Observers::find(lookup, PathBuf::new()).unwrap();
        assert_eq!((found.prometheus, found.jaeger), (prometheus, jaeger.clone()));
        let missing =
            Observers::find(|name| lookup(name).filter(|_| name == "PATH"), PathBuf::new()).unwrap_err();
        assert!(
            missing.to_string().starts_with("--observe needs Jaeger: put `jaeger-all-in-one`"),
            "{missing}"
        );
    }
}
