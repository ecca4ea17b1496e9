//! Parses a profile in JSON or TOML: a name, or a complete profile.
//!
//! A complete profile has a table of weights for an operation, for a context (`payment.*`) or for all
//! operations (`*`). The narrower pattern wins. Other operations take the tables of the base profile, or succeed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use service_kit::{
    config::duration,
    json::{self, Faults, Kind, Node, Object},
    problem::{Fault, Problem},
};

use super::{
    catalogue::{Catalogue, OperationChaos},
    profile::{Profile, ProfileName, Share, Weight},
    scenario::Scenario,
    script,
};
use crate::shared::operation::Operation;

/// The name of a complete profile without a name.
const DEFAULT_NAME: &str = "custom";
const MAX_NAME_LENGTH: usize = 64;
/// No caller waits longer.
const MAX_DELAY: Duration = Duration::from_mins(5);

/// Parses profiles.
#[derive(Debug, Clone, Copy)]
pub struct ProfileParser<'a> {
    pub catalogue: &'a Catalogue,
    /// The profiles that have a name.
    pub known: &'a [Arc<Profile>],
}

/// An error in a TOML text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not TOML: {0}")]
pub struct TomlError(String);

/// Converts a TOML document to JSON.
///
/// # Errors
/// Fails if the text is not TOML, or has a number that JSON does not have.
pub fn toml_as_json(text: &str) -> Result<String, TomlError> {
    let not_toml = |error: &dyn std::fmt::Display| TomlError(error.to_string().trim_end().replace('\n', " "));
    let document: serde_json::Value = toml::from_str(text).map_err(|error| not_toml(&error))?;
    serde_json::to_string(&document).map_err(|error| not_toml(&error))
}

impl ProfileParser<'_> {
    /// # Errors
    /// Fails with 400 if the text is not JSON, else with 422 and every error.
    pub fn json(&self, text: &[u8]) -> Result<Arc<Profile>, Problem> {
        json::read_with(text, |node, faults| self.profile(node, faults))
    }

    /// # Errors
    /// Fails with 422 and every error. If the text is not TOML, that is the only one.
    pub fn toml(&self, text: &str) -> Result<Arc<Profile>, Problem> {
        let json = toml_as_json(text).map_err(|error| {
            Problem::invalid(vec![Fault { pointer: String::new(), message: error.to_string() }])
        })?;
        self.json(json.as_bytes())
    }

    fn profile(&self, node: &Node<'_>, faults: &mut Faults) -> Option<Arc<Profile>> {
        let object = node.object(&["name", "basedOn", "operations"], faults)?;
        let is_whole = object.get("basedOn").is_some() || object.get("operations").is_some();
        if !is_whole {
            return object.required_with("name", faults, |node, faults| self.by_name(node, faults));
        }
        let name = object.optional_with("name", faults, parse_name);
        let base = object.optional_with("basedOn", faults, |node, faults| self.by_name(node, faults));
        let tables = object.optional_with("operations", faults, |node, faults| {
            let object = node.map(faults)?;
            self.tables(&object, faults)
        });
        let (name, base, tables) = (name?, base?, tables?);
        let mut all = self.base_tables(base.as_deref());
        all.extend(tables.unwrap_or_default());
        Some(Arc::new(Profile::new(name.as_deref().unwrap_or(DEFAULT_NAME), all)))
    }

    fn by_name(&self, node: &Node<'_>, faults: &mut Faults) -> Option<Arc<Profile>> {
        let name = node.string(faults)?;
        let found = self.known.iter().find(|profile| profile.name() == name);
        found.cloned().or_else(|| {
            let known: Vec<_> = self.known.iter().map(|profile| profile.name()).collect();
            node.fault(faults, format!("is not a profile; there are {}", known.join(", ")))
        })
    }

    /// Returns the tables of the base profile. As in a complete profile, each is sorted by the scenarios' names.
    fn base_tables(&self, base: Option<&Profile>) -> BTreeMap<Operation, Vec<Share>> {
        let Some(base) = base else { return self.catalogue.success_tables() };
        self.catalogue
            .operations()
            .map(|entry| {
                let mut table = base.table(entry.operation).to_vec();
                table.sort_by_key(|share| share.scenario.name);
                (entry.operation, table)
            })
            .collect()
    }

    fn tables(&self, object: &Object<'_>, faults: &mut Faults) -> Option<BTreeMap<Operation, Vec<Share>>> {
        let mut tables: BTreeMap<Operation, (usize, Vec<Share>)> = BTreeMap::new();
        let mut complete = true;
        for pattern in object.names() {
            let operations = self.operations_matching(pattern);
            if operations.is_empty() {
                let valid: Vec<_> = self.catalogue.operations().map(|entry| entry.operation.name()).collect();
                let message = format!(
                    "is not an operation; there are {}, and `payment.*` or `*` for many at once",
                    valid.join(", ")
                );
                faults.add(object.pointer_to(pattern), message);
                complete = false;
                continue;
            }
            let table =
                object.required_with(pattern, faults, |node, faults| self.table(node, &operations, faults));
            let Some(table) = table else {
                complete = false;
                continue;
            };
            for operation in operations {
                let narrowness = pattern.trim_end_matches('*').len();
                let (narrowest, place) = tables.entry(operation).or_default();
                if place.is_empty() || narrowness > *narrowest {
                    (*narrowest, *place) = (narrowness, table.clone());
                }
            }
        }
        complete.then(|| tables.into_iter().map(|(operation, (_, table))| (operation, table)).collect())
    }

    /// Returns the operations that match a name or a pattern. A pattern never matches deliveries, which have other
    /// scenarios than calls.
    fn operations_matching(&self, pattern: &str) -> Vec<Operation> {
        let fits = |entry: &&OperationChaos| match pattern.strip_suffix('*') {
            Some(start) if start.is_empty() || start.ends_with('.') => {
                !entry.is_delivery && entry.operation.name().starts_with(start)
            }
            Some(_) => false,
            None => entry.operation.name() == pattern,
        };
        self.catalogue.operations().filter(fits).map(|entry| entry.operation).collect()
    }

    fn table(&self, node: &Node<'_>, operations: &[Operation], faults: &mut Faults) -> Option<Vec<Share>> {
        let object = node.map(faults)?;
        let mut shares = Vec::new();
        for name in object.names() {
            let scenario = self.scenario(name, operations);
            if let Err(message) = &scenario {
                faults.add(object.pointer_to(name), message.clone());
            }
            let share = object.required_with(name, faults, share);
            let share = scenario.ok().zip(share);
            shares.push(share.map(|(scenario, (weight, delay))| Share { scenario, weight, delay }));
        }
        let shares: Vec<_> = shares.into_iter().collect::<Option<_>>()?;
        if shares.iter().all(|share| share.weight == Weight::ZERO) {
            return node.fault(faults, "must have a weight above 0");
        }
        Some(shares)
    }

    fn scenario(&self, name: &str, operations: &[Operation]) -> Result<Scenario, String> {
        let mut found = Err("is not a scenario".to_owned());
        for operation in operations {
            found = script::scenario(name, *operation, self.catalogue).map_err(|error| error.to_string());
            if found.is_err() {
                break;
            }
        }
        found
    }
}

fn parse_name(node: &Node<'_>, faults: &mut Faults) -> Option<String> {
    let name = node.string(faults)?;
    let fits = (1..=MAX_NAME_LENGTH).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !fits {
        let message =
            format!("must be 1 to {MAX_NAME_LENGTH} ASCII letters, digits, hyphens, underscores or dots");
        return node.fault(faults, message);
    }
    if ProfileName::ALL.iter().any(|built_in| built_in.name() == name) {
        return node.fault(faults, "is the name of a built-in profile, which can't be changed");
    }
    Some(name)
}

/// Parses a weight, or a weight with a delay.
fn share(node: &Node<'_>, faults: &mut Faults) -> Option<(Weight, Option<Duration>)> {
    if node.kind() != Kind::Object {
        return Some((weight(node, faults)?, None));
    }
    let object = node.object(&["weight", "delay"], faults)?;
    let weight = object.required_with("weight", faults, weight);
    let delay = object.optional_with("delay", faults, delay);
    Some((weight?, delay?))
}

fn delay(node: &Node<'_>, faults: &mut Faults) -> Option<Duration> {
    match duration(&node.string(faults)?) {
        Ok(delay) if delay <= MAX_DELAY && delay.subsec_nanos() % 1_000_000 == 0 => Some(delay),
        Ok(_) => node.fault(faults, "must be whole milliseconds, at most 5m"),
        Err(why) => node.fault(faults, why),
    }
}

fn weight(node: &Node<'_>, faults: &mut Faults) -> Option<Weight> {
    let decimal = node.decimal(faults)?.normalize();
    Weight::decimal(decimal.mantissa(), decimal.scale())
        .or_else(|| node.fault(faults, "must be a number from 0 to 1000000 with at most 6 decimals"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::scenario::{RATE_LIMITED, SUCCESS, TIMEOUT},
        *,
    };

    const CAPTURE: Operation = Operation::new("payment.capture");
    const REFUND: Operation = Operation::new("payment.refund");
    const SEND: Operation = Operation::new("notification.send");

    fn read(text: &str) -> Result<Arc<Profile>, Vec<(String, String)>> {
        let catalogue = Catalogue::new([
            OperationChaos { is_delivery: false, operation: CAPTURE, seed: &[(TIMEOUT, 10), (SUCCESS, 90)] },
            OperationChaos { is_delivery: false, operation: REFUND, seed: &[(SUCCESS, 100)] },
            OperationChaos { is_delivery: false, operation: SEND, seed: &[(SUCCESS, 80), (TIMEOUT, 20)] },
        ]);
        let known: Vec<_> =
            ProfileName::ALL.iter().map(|name| Arc::new(Profile::built_in(*name, &catalogue))).collect();
        let parser = ProfileParser { catalogue: &catalogue, known: &known };
        let profile = if text.starts_with('{') { parser.json(text.as_bytes()) } else { parser.toml(text) };
        profile.map_err(|problem| {
            problem.faults().iter().map(|fault| (fault.pointer.clone(), fault.message.clone())).collect()
        })
    }

    fn share(scenario: Scenario, millionths: u64) -> Share {
        Share::new(scenario, Weight::from_millionths(millionths))
    }

    #[test]
    fn a_profile_is_named() {
        assert_eq!(read(r#"{"name": "calm"}"#).unwrap().name(), "calm");
    }

    #[test]
    fn other_operations_take_the_tables_of_the_base_or_succeed() {
        let text = r#"{"basedOn": "seed", "operations": {"payment.capture": {"success": 1}}}"#;
        let profile = read(text).unwrap();
        assert_eq!(profile.name(), "custom");
        assert_eq!(profile.table(CAPTURE), [share(SUCCESS, 1_000_000)]);
        assert_eq!(profile.table(SEND), [share(SUCCESS, 80_000_000), share(TIMEOUT, 20_000_000)]);
        let alone = read(r#"{"operations": {"payment.capture": {"timeout": 1}}}"#).unwrap();
        assert_eq!(alone.table(SEND), [share(SUCCESS, 100_000_000)]);
    }

    #[test]
    fn the_narrower_pattern_wins() {
        let text = r#"{"operations": {
            "*": {"success": 1}, "payment.*": {"rate_limited": 2}, "payment.refund": {"timeout": 3}
        }}"#;
        let profile = read(text).unwrap();
        assert_eq!(profile.table(SEND), [share(SUCCESS, 1_000_000)]);
        assert_eq!(profile.table(CAPTURE), [share(RATE_LIMITED, 2_000_000)]);
        assert_eq!(profile.table(REFUND), [share(TIMEOUT, 3_000_000)]);
    }

    #[test]
    fn toml_and_json_give_the_same_profile() {
        let toml = "name = \"mine\"\n[operations.\"payment.capture\"]\nsuccess = 99.5\ntimeout = 0.5\n";
        let json =
            r#"{"name": "mine", "operations": {"payment.capture": {"timeout": 0.50, "success": 99.5}}}"#;
        assert_eq!(read(toml).unwrap().to_string(), read(json).unwrap().to_string());
        assert_eq!(read("name = ").unwrap_err()[0].0, "");
    }

    #[test]
    fn a_share_can_have_a_delay_in_whole_milliseconds_and_at_most_five_minutes() {
        let text = r#"{"operations": {"payment.capture": {"success": {"weight": 9, "delay": "1s 500ms"}, "timeout": 1}}}"#;
        let profile = read(text).unwrap();
        let slow = Share { delay: Some(Duration::from_millis(1500)), ..share(SUCCESS, 9_000_000) };
        assert_eq!(profile.table(CAPTURE), [slow, share(TIMEOUT, 1_000_000)]);
        for (bad, place) in [
            (r#"{"delay": "1s"}"#, "/weight"),
            (r#"{"weight": 1, "delay": 5}"#, "/delay"),
            (r#"{"weight": 1, "delay": "soon"}"#, "/delay"),
            (r#"{"weight": 1, "delay": "6m"}"#, "/delay"),
            (r#"{"weight": 1, "delay": "1us"}"#, "/delay"),
            (r#"{"weight": 1, "wait": "1s"}"#, "/wait"),
            (r#""1""#, ""),
        ] {
            let text = format!(r#"{{"operations": {{"payment.capture": {{"success": {bad}}}}}}}"#);
            let pointers: Vec<_> = read(&text).unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
            assert_eq!(pointers, [format!("/operations/payment.capture/success{place}")], "{bad}");
        }
    }

    #[test]
    fn every_error_is_reported_with_its_place() {
        let text = r#"{
            "name": "seed", "basedOn": "nobody", "nonsense": 1,
            "operations": {
                "payment.steal": {"success": 1},
                "payment.capture": {"success": -1, "out_of_stock": 1, "timeout": 0.0000001},
                "payment.refund": {"success": 0},
                "notification.*": 7,
                "*": {}
            }
        }"#;
        let pointers: Vec<_> = read(text).unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(
            pointers,
            [
                "/nonsense",
                "/name",
                "/basedOn",
                "/operations/*",
                "/operations/notification.*",
                "/operations/payment.capture/out_of_stock",
                "/operations/payment.capture/success",
                "/operations/payment.capture/timeout",
                "/operations/payment.refund",
                "/operations/payment.steal",
            ]
        );
        assert_eq!(read(r#"{"name": "nobody"}"#).unwrap_err()[0].0, "/name");
        assert_eq!(read("{}").unwrap_err()[0].1, "is required");
    }
}
