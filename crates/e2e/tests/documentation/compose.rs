//! Reads the compose files and the Dockerfile, to compare them with each other and with the binaries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub const FILES: [&str; 2] = ["docker-compose.yml", "docker-compose.light.yml"];
pub const HEADER: &str = "| variable | without it | what it is |";
/// The default address of published ports. Only this machine can reach it.
const LOOPBACK: &str = "${BIND_ADDR:-127.0.0.1}";

/// A service of a compose file, with every variable at its default.
pub struct Container {
    pub name: String,
    file: &'static str,
    definition: Value,
}

impl Container {
    /// Returns the file and the name.
    pub fn at(&self) -> String {
        format!("{}: {}", self.file, self.name)
    }

    /// Returns its stage of the Dockerfile, if it is built here.
    pub fn target(&self) -> Option<&str> {
        self.definition.pointer("/build/target").and_then(Value::as_str)
    }

    /// Returns whether it extends a service of another file.
    pub fn is_extended(&self) -> bool {
        self.definition.get("extends").is_some()
    }

    /// Returns whether it runs until it is stopped, unlike a job.
    pub fn is_long_running(&self) -> bool {
        self.definition["restart"] == "unless-stopped"
    }

    /// Returns its health check, unless the image has it.
    pub fn health_check(&self) -> Option<&Value> {
        self.definition.pointer("/healthcheck/test")
    }

    pub fn environment(&self) -> BTreeMap<String, String> {
        let Some(environment) = self.definition.get("environment").and_then(Value::as_object) else {
            return BTreeMap::new();
        };
        let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), resolved);
        environment.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    /// Returns the published ports, with unresolved variables.
    pub fn ports(&self) -> Vec<&str> {
        self.definition["ports"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

pub fn containers(file: &'static str, text: &str) -> Vec<Container> {
    let document: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let services = document["services"].as_object().unwrap_or_else(|| panic!("{file} has no services"));
    let container = |(name, definition): (&String, &Value)| Container {
        name: name.clone(),
        file,
        definition: definition.clone(),
    };
    services.iter().map(container).collect()
}

/// The environment and the health check of a stage of the Dockerfile.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DockerStage {
    pub environment: BTreeMap<String, String>,
    /// The command of the health check.
    pub health_check: Option<String>,
}

pub fn stages(dockerfile: &str) -> BTreeMap<String, DockerStage> {
    let mut stages = BTreeMap::new();
    let mut stage = None;
    for line in dockerfile.lines() {
        if let Some((_, name)) = line.strip_prefix("FROM ").and_then(|from| from.split_once(" AS ")) {
            stage = Some(name.to_owned());
            stages.insert(name.to_owned(), DockerStage::default());
        }
        let Some(stage) = stage.as_ref().and_then(|name| stages.get_mut(name)) else { continue };
        if let Some((name, value)) = line.strip_prefix("ENV ").and_then(|pair| pair.split_once('=')) {
            stage.environment.insert(name.to_owned(), value.to_owned());
        }
        if line.starts_with("HEALTHCHECK ") {
            stage.health_check = line.split_once(" CMD ").map(|(_, command)| command.to_owned());
        }
    }
    stages
}

/// Returns every `${NAME:-default}` of a text.
///
/// # Panics
/// Panics when a variable has no default.
pub fn variables(name: &str, text: &str) -> BTreeSet<(String, String)> {
    let text = text.replace("$$", "");
    let (_, uses) = parts(&text);
    uses.into_iter()
        .map(|(variable, default)| {
            let default = default.unwrap_or_else(|| panic!("{name}: ${{{variable}}} needs a default"));
            (variable.to_owned(), default.to_owned())
        })
        .collect()
}

/// Returns a text with every variable at its default.
fn resolved(text: &str) -> String {
    parts(text).0
}

fn parts(text: &str) -> (String, Vec<(&str, Option<&str>)>) {
    let (mut resolved, mut uses, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        let inside = after.strip_prefix('{').and_then(until_closing_brace);
        let (variable, end) =
            inside.unwrap_or_else(|| panic!("`${after}`: write variables as ${{NAME:-default}}"));
        resolved.push_str(before);
        // The name ends at the first colon. What follows can have other variables.
        let (name, value) =
            variable.split_once(':').map_or((variable, None), |(name, rest)| (name, Some(rest)));
        match value.and_then(|value| value.split_at_checked(1)) {
            // The value of a variable that is set. It is not by default.
            Some(("+", _)) => uses.push((name, Some(""))),
            Some(("-", default)) => {
                let (default_resolved, inner) = parts(default);
                uses.push((name, Some(if inner.is_empty() { default } else { "" })));
                uses.extend(inner);
                resolved.push_str(&default_resolved);
            }
            _ => uses.push((variable, None)),
        }
        rest = end;
    }
    resolved.push_str(rest);
    (resolved, uses)
}

/// Splits at the brace that closes the one before the text.
fn until_closing_brace(text: &str) -> Option<(&str, &str)> {
    let mut open = 1;
    let end = text.find(|character| {
        open += i32::from(character == '{') - i32::from(character == '}');
        open == 0
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// Returns the port inside the container, if it is published on loopback with the same number as the default.
pub fn published(port: &str) -> Option<u16> {
    let (host, inside) = port.strip_prefix(LOOPBACK)?.strip_prefix(':')?.rsplit_once(':')?;
    let (_, uses) = parts(host);
    let [(name, Some(default))] = uses.as_slice() else { return None };
    (name.ends_with("_PORT") && *default == inside).then(|| inside.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
x-common: &common { restart: unless-stopped }
services:
  one:
    <<: *common
    environment: { A: "${A:-1}${B:-}2", C: 3 }
    ports: ["${BIND_ADDR:-127.0.0.1}:${ONE_PORT:-80}:80", "80:80", "127.0.0.1:80:80"]
  two:
    extends: { file: other.yml, service: two }
    depends_on: !override
      one: { condition: service_healthy }
"#;

    #[test]
    fn a_container_is_read_with_merged_parts_and_default_variables() {
        let containers = containers("compose.yml", TEXT);
        let [one, two] = containers.as_slice() else { panic!("two services") };
        assert_eq!(
            (one.at().as_str(), one.is_long_running(), one.is_extended()),
            ("compose.yml: one", true, false)
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(one.environment(), BTreeMap::from([pair("A", "12"), pair("C", "3")]));
        assert_eq!(one.ports().into_iter().map(published).collect::<Vec<_>>(), [Some(80), None, None]);
        assert!(two.is_extended() && !two.is_long_running());
    }

    #[test]
    fn variables_are_found_with_their_defaults() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let found = variables("compose.yml", r#"a: "${A:-1}${B:-}", c: "$$HOME""#);
        assert_eq!(found, BTreeSet::from([pair("A", "1"), pair("B", "")]));
    }

    #[test]
    fn a_default_may_depend_on_another_variable() {
        let text = "a: ${A:-${B:+1}}, c: ${C:-2}";
        assert_eq!(resolved(text), "a: , c: 2");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            variables("compose.yml", text),
            BTreeSet::from([pair("A", ""), pair("B", ""), pair("C", "2")])
        );
    }

    #[test]
    #[should_panic(expected = "compose.yml: ${A} needs a default")]
    fn a_variable_without_a_default_is_reported() {
        variables("compose.yml", "${A}");
    }

    #[test]
    fn a_stage_gives_its_environment_and_its_health_check() {
        let found = stages(
            "FROM a AS base\nENV X=0\nFROM base AS one\nENV A=1\nHEALTHCHECK --interval=3s CMD [\"one\"]\n",
        );
        let one = DockerStage {
            environment: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            health_check: Some("[\"one\"]".to_owned()),
        };
        assert_eq!(found.get("one"), Some(&one));
    }
}
