//! The variables of the services: declared, read and documented.

use std::{cell::RefCell, cmp::Reverse, collections::BTreeSet};

use service_kit::{
    config::{ConfigFaults, Variable},
    process::Configuration,
};

use crate::tables;

pub const HEADER: &str = "| variable | default | meaning |";

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;
type Configure = fn(Lookup<'_>) -> Result<(), ConfigFaults>;

pub struct Service {
    pub name: &'static str,
    /// The variables that it declares.
    pub variables: Vec<Variable>,
    /// The variables that it reads in an empty environment.
    pub read: BTreeSet<String>,
    /// Checks whether it would start with these variables.
    pub configure: Configure,
}

pub fn services() -> Vec<Service> {
    vec![
        service::<fake_stripe_chaos::config::Config>("fake-stripe-chaos"),
        service::<temporal_worker::Config>("temporal-worker"),
        service::<temporal_api::Config>("temporal-api"),
        service::<founder::Config>("founder"),
    ]
}

fn service<C: Configuration>(name: &'static str) -> Service {
    let read = RefCell::new(BTreeSet::new());
    let lookup = |variable: &str| {
        read.borrow_mut().insert(variable.to_owned());
        None
    };
    let configure: Configure = |lookup| C::from_lookup(lookup).map(drop);
    assert_eq!(configure(&lookup), Ok(()), "{name} has to start without any variable");
    Service { name, variables: C::variables(), read: read.into_inner(), configure }
}

pub fn table(service: &Service) -> String {
    let row = |variable: &Variable| {
        let Variable { name, default, meaning } = variable;
        let default = default.map_or_else(String::new, |default| format!("`{default}`"));
        format!("| `{name}` | {default} | {} |", meaning.replace('|', "\\|")).replace("|  |", "| |")
    };
    tables::table(HEADER, &service.variables.iter().map(row).collect::<Vec<_>>())
}

/// Returns the example of an environment. Each variable is listed once under its services, widely used ones first.
pub fn example(services: &[Service]) -> String {
    let mut groups: Vec<(Vec<&str>, Vec<Variable>)> = Vec::new();
    for variable in services.iter().flat_map(|service| &service.variables) {
        let reads = |service: &&Service| service.variables.contains(variable);
        let readers: Vec<_> = services.iter().filter(reads).map(|service| service.name).collect();
        match groups.iter_mut().find(|(known, _)| *known == readers) {
            Some((_, variables)) if variables.contains(variable) => {}
            Some((_, variables)) => variables.push(*variable),
            None => groups.push((readers, vec![*variable])),
        }
    }
    groups.sort_by_key(|(readers, _)| Reverse(readers.len()));
    let group = |(readers, variables): &(Vec<&str>, Vec<Variable>)| {
        let lines = |Variable { name, default, meaning }: &Variable| {
            format!("# {meaning}\n#{name}={}\n", default.unwrap_or_default())
        };
        let lines: String = variables.iter().map(lines).collect();
        format!("# --- {} ---\n\n{lines}", readers.join(", "))
    };
    groups.iter().map(group).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn variable(name: &'static str, default: Option<&'static str>) -> Variable {
        Variable { name, default, meaning: "Either `a|b`." }
    }

    fn service(name: &'static str, variables: Vec<Variable>) -> Service {
        Service { name, variables, read: BTreeSet::new(), configure: |_| Ok(()) }
    }

    #[test]
    fn a_bar_in_a_meaning_does_not_end_its_column_and_no_default_is_an_empty_one() {
        let service = service("one", vec![variable("A", None)]);
        assert!(table(&service).ends_with("| `A` | | Either `a\\|b`. |\n"));
    }

    #[test]
    fn the_example_lists_shared_variables_first_and_once() {
        let (port, log) = (variable("PORT", Some("1")), variable("LOG", None));
        let services =
            [service("one", vec![port, log]), service("two", vec![log, variable("PORT", Some("2"))])];
        assert_eq!(
            example(&services),
            "# --- one, two ---\n\n# Either `a|b`.\n#LOG=\n\n\
             # --- one ---\n\n# Either `a|b`.\n#PORT=1\n\n\
             # --- two ---\n\n# Either `a|b`.\n#PORT=2\n"
        );
    }
}
