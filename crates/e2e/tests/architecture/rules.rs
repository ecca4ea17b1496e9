//! The rules that source can break. Each is a pure function from a file to its breaches, with tests that
//! break it, so that its ability to fail is tested as well.

use std::fmt;

use crate::source::{File, Reference};

/// The architecture's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    KitStandsAlone,
    WorkflowsAreDeterministic,
    SdkStaysAtTheEdge,
    ServicesMeetOverTheWire,
    LayersPointInwards,
    ContextsAreStrangers,
    StatusesStayAtTheEdge,
    ChanceAndWaitingAreChaos,
    LintsHoldEverywhere,
    VariablesAreDeclared,
}

impl Rule {
    const fn law(self) -> &'static str {
        match self {
            Self::KitStandsAlone => "rule 1: service-kit depends on no crate of the workspace",
            Self::WorkflowsAreDeterministic => {
                "rule 2: workflows depends on nothing that can reach the world"
            }
            Self::SdkStaysAtTheEdge => {
                "rule 3: temporalio-sdk is the worker's alone, temporalio-client that of who talks to the server"
            }
            Self::ServicesMeetOverTheWire => "rule 4: a service never depends on another service",
            Self::LayersPointInwards => {
                "rule 5: domain <- application <- {infrastructure, presentation}, and a domain is pure"
            }
            Self::ContextsAreStrangers => {
                "rule 6: a context knows itself and `shared`; `shared` knows no context"
            }
            Self::StatusesStayAtTheEdge => "rule 7: HTTP statuses live only where HTTP is spoken",
            Self::ChanceAndWaitingAreChaos => {
                "rule 8: chance and sleeping live only in shared/chaos and a context's infrastructure/chaos.rs"
            }
            Self::LintsHoldEverywhere => "every crate takes the workspace's lints",
            Self::VariablesAreDeclared => "the environment is read in service-kit's process.rs alone",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::KitStandsAlone => "what every binary needs must hold no business word",
            Self::WorkflowsAreDeterministic => {
                "a workflow runs again from its history and must then do exactly the same"
            }
            Self::SdkStaysAtTheEdge => "whoever only names a workflow must not build a worker to do it",
            Self::ServicesMeetOverTheWire => {
                "services meet over HTTP or Temporal, so that each can be deployed, replaced and fail by itself; \
                 only tests may link two"
            }
            Self::LayersPointInwards => {
                "what an order may do must be readable and testable without HTTP, a store or a clock"
            }
            Self::ContextsAreStrangers => {
                "lifting a context out into a service of its own must stay a `git mv`"
            }
            Self::StatusesStayAtTheEdge => {
                "one error becomes one status in one place, and the closed list of codes is that place"
            }
            Self::ChanceAndWaitingAreChaos => {
                "the same orders must meet the same fate; whatever is random or slow elsewhere breaks that in silence"
            }
            Self::LintsHoldEverywhere => "a crate without them is a hole in `-D warnings`",
            Self::VariablesAreDeclared => {
                "a variable that no configuration declares is in no table of variables"
            }
        }
    }
}

/// One place where a rule is broken.
#[derive(Debug)]
pub struct Breach {
    pub rule: Rule,
    pub place: String,
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.what)
    }
}

/// What a failed test says of the breaches of one rule; nothing where there are none.
pub fn report(breaches: &[Breach]) -> String {
    let Some(Breach { rule, .. }) = breaches.first() else { return String::new() };
    let places: Vec<_> = breaches.iter().map(|breach| format!("\n  {breach}")).collect();
    let (law, reason, count) = (rule.law(), rule.reason(), breaches.len());
    format!("{law}\n  because {reason}; broken in {count} place(s):{}", places.concat())
}

fn breach(rule: Rule, krate: &str, file: &File, reference: &Reference, why: &str) -> Breach {
    Breach {
        rule,
        place: format!("crates/{krate}/src/{}:{}", file.place, reference.line),
        what: format!("uses `{reference}`: {why}"),
    }
}

/// The crate whose modules are contexts.
pub const PROVIDER: &str = "fake-stripe-chaos";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    Domain,
    Application,
    Infrastructure,
    Presentation,
}

impl Layer {
    const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Application => "application",
            Self::Infrastructure => "infrastructure",
            Self::Presentation => "presentation",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Domain, Self::Application, Self::Infrastructure, Self::Presentation]
            .into_iter()
            .find(|layer| layer.name() == name)
    }

    /// The layers of its own context that a layer may know.
    const fn knows(self) -> &'static [Self] {
        match self {
            Self::Domain => &[Self::Domain],
            Self::Application => &[Self::Domain, Self::Application],
            Self::Infrastructure => &[Self::Domain, Self::Application, Self::Infrastructure],
            Self::Presentation => &[Self::Domain, Self::Application, Self::Presentation],
        }
    }

    /// The crates that a layer may know; `None` where any will do.
    const fn crates(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Domain => Some(&["std", "thiserror", "uuid"]),
            Self::Application => Some(&["async_trait", "std", "thiserror", "uuid"]),
            Self::Infrastructure | Self::Presentation => None,
        }
    }
}

/// Where a file of the provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// `lib.rs`, `app.rs`, …: what puts the contexts together.
    Root,
    Shared,
    /// The explorer: a client of the provider that only lives in the same program.
    Explorer,
    /// In a context: in one of its layers, or in its `mod.rs`, which wires them.
    Context(&'a str, Option<Layer>),
}

pub fn standing(file: &File) -> Standing<'_> {
    match file.module.as_slice() {
        _ if !file.place.contains('/') => Standing::Root,
        [shared, ..] if shared == "shared" => Standing::Shared,
        [explorer, ..] if explorer == "explore" => Standing::Explorer,
        [context, layer, ..] => Standing::Context(context, Layer::named(layer)),
        [context] => Standing::Context(context, None),
        [] => Standing::Root,
    }
}

/// The modules of `shared` whose values domains speak in, each with what in it is a port or its adapter
/// and therefore not theirs.
const VALUES: &[(&str, &[&str])] = &[
    ("clock", &["Clock", "ManualClock", "SystemClock"]),
    ("ids", &["Ids", "RandomIds"]),
    ("ledger", &["Ledger"]),
    ("money", &[]),
    ("orders", &["Orders"]),
];

fn is_value(reference: &Reference) -> bool {
    VALUES.iter().any(|(module, ports)| {
        let module = format!("crate::shared::{module}");
        reference.is_within(&module)
            && !ports.iter().any(|port| reference.reaches(&format!("{module}::{port}")))
    })
}

/// The parts of `std` that are the world outside.
const WORLD: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Rule 5. Test code may know more, since it must set up what it tests.
pub fn layers(file: &File) -> Vec<Breach> {
    let found = |reference, why: &str| Some(breach(Rule::LayersPointInwards, PROVIDER, file, reference, why));
    file.production()
        .filter_map(|reference| match standing(file) {
            Standing::Context(context, None) if file.module.len() > 1 => {
                found(reference, &format!("`{context}` has a module that is none of the four layers"))
            }
            Standing::Context(context, Some(layer)) => {
                out_of_layer(context, layer, reference).and_then(|why| found(reference, &why))
            }
            Standing::Shared => impure_value(file, reference).and_then(|why| found(reference, &why)),
            Standing::Context(..) | Standing::Root | Standing::Explorer => None,
        })
        .collect()
}

fn out_of_layer(context: &str, layer: Layer, reference: &Reference) -> Option<String> {
    let name = layer.name();
    let own = format!("crate::{context}");
    if reference.is_within(&own) {
        let known = |known: &Layer| reference.is_within(&format!("{own}::{}", known.name()));
        return (!layer.knows().iter().any(known)).then(|| {
            let known: Vec<_> = layer.knows().iter().map(|layer| layer.name()).collect();
            format!("of its context, {name} knows only {}", known.join(", "))
        });
    }
    if reference.is_within("crate") {
        let shared = reference.is_within("crate::shared");
        let allowed = match layer {
            Layer::Domain => is_value(reference),
            Layer::Application | Layer::Infrastructure => !reference.reaches("crate::shared::presentation"),
            Layer::Presentation => true,
        };
        return (shared && !allowed).then(|| match layer {
            Layer::Domain => "of `shared`, a domain knows the value types alone".to_owned(),
            _ => format!("`shared::presentation` is not for {name}"),
        });
    }
    out_of_crates(layer, reference)
}

fn out_of_crates(layer: Layer, reference: &Reference) -> Option<String> {
    let (name, crates) = (layer.name(), layer.crates()?);
    if WORLD.iter().any(|world| reference.reaches(world)) {
        return Some(format!("{name} reaches the world through ports alone"));
    }
    (!crates.iter().any(|known| reference.is_within(known)))
        .then(|| format!("of all crates, {name} knows only {}", crates.join(", ")))
}

/// What domains may know must not know more than they may, but for how it is written down.
fn impure_value(file: &File, reference: &Reference) -> Option<String> {
    const CRATES: &[&str] = &["crate", "serde", "std", "thiserror", "uuid"];
    let is_values = VALUES.iter().any(|(module, _)| file.module == ["shared", module]);
    (is_values && !CRATES.iter().any(|known| reference.is_within(known)))
        .then(|| "domains speak in this module's values, so it stays as pure as they are".to_owned())
}

/// Rule 6. Tests keep it too: they move with their context.
pub fn strangers(file: &File) -> Vec<Breach> {
    let (known, why): (Vec<String>, _) = match standing(file) {
        Standing::Root => return Vec::new(),
        Standing::Shared => (vec!["crate::shared".to_owned()], "`shared` knows nothing but itself"),
        Standing::Explorer => (
            vec!["crate::explore".to_owned()],
            "the explorer asks the provider over HTTP, as anybody would, and knows nothing of how it is made",
        ),
        Standing::Context(context, _) => (
            vec![format!("crate::{context}"), "crate::shared".to_owned()],
            "a context knows nothing of the crate but itself and `shared`",
        ),
    };
    file.references
        .iter()
        .filter(|reference| reference.is_within("crate"))
        .filter(|reference| !known.iter().any(|known| reference.is_within(known)))
        .map(|reference| breach(Rule::ContextsAreStrangers, PROVIDER, file, reference, why))
        .collect()
}

/// The statuses that an endpoint may answer by itself; every other one is a code's.
const SUCCESSES: &[&str] = &["OK", "CREATED", "ACCEPTED", "NO_CONTENT"];

/// Where in a crate HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Http {
    /// Nowhere in the file.
    Silent,
    /// Endpoints: they name their successes.
    Endpoints,
    /// The closed list of codes.
    Codes,
}

fn http(krate: &str, file: &File) -> Http {
    let speaks = match krate {
        "service-kit" => return Http::Codes,
        // It answers as somebody else's services do, so their statuses are its subject.
        "user-context" if file.place == "stand_in.rs" => return Http::Codes,
        PROVIDER | "founder" => file.module.iter().any(|module| module == "presentation"),
        // A slice of the API is all HTTP; what it stands on (the gateway, the crate's root) is not.
        "temporal-api" => {
            file.place.contains('/') && file.module.first().is_some_and(|first| first != "gateway")
        }
        _ => false,
    };
    match file.module.last() {
        Some(last) if speaks && last == "problems" => Http::Codes,
        _ if speaks => Http::Endpoints,
        _ => Http::Silent,
    }
}

/// Rule 7. Test code may name statuses, since it looks at answers.
pub fn statuses(krate: &str, file: &File) -> Vec<Breach> {
    let http = http(krate, file);
    file.production()
        .filter_map(|reference| {
            let why = misplaced_status(http, reference)?;
            Some(breach(Rule::StatusesStayAtTheEdge, krate, file, reference, why))
        })
        .collect()
}

fn misplaced_status(http: Http, reference: &Reference) -> Option<&'static str> {
    let mut after_status = reference.path.iter().skip_while(|part| *part != "StatusCode");
    let names_status = after_status.next().is_some();
    let is_success = after_status.next().is_none_or(|name| SUCCESSES.contains(&name.as_str()));
    let lists_codes = reference.path.last().is_some_and(|last| last == "error_codes");
    let is_endpoint = reference.reaches("utoipa::path");
    match http {
        Http::Codes => None,
        _ if lists_codes => Some("codes and their statuses are listed in `problems.rs`"),
        Http::Endpoints if names_status && !is_success => {
            Some("an endpoint names its successes; an error's status belongs to its code in `problems.rs`")
        }
        Http::Silent if names_status || is_endpoint => Some("HTTP is not spoken here"),
        _ => None,
    }
}

/// What makes something random, or only looks so.
const CHANCE: &[&str] = &[
    "blake3",
    "fastrand",
    "getrandom",
    "oorandom",
    "rand",
    "rand_core",
    "std::collections::hash_map::RandomState",
    "std::hash::RandomState",
    "uuid::Uuid::new_v4",
    "uuid::Uuid::now_v1",
    "uuid::Uuid::now_v6",
    "uuid::Uuid::now_v7",
];

const WAITING: &[&str] = &[
    "std::thread::park_timeout",
    "std::thread::sleep",
    "tokio::time::interval",
    "tokio::time::interval_at",
    "tokio::time::sleep",
    "tokio::time::sleep_until",
];

/// A place outside chaos that may be random or wait.
#[derive(Debug)]
pub struct Licence {
    pub krate: &'static str,
    pub place: &'static str,
    pub what: &'static str,
    #[expect(dead_code, reason = "for who reads or extends the table")]
    pub why: &'static str,
}

/// Every exception to rule 8. One that nobody needs any more has to go.
pub const LICENCES: &[Licence] = &[
    Licence {
        krate: PROVIDER,
        place: "shared/idempotency.rs",
        what: "blake3",
        why: "the fingerprint of a request",
    },
    Licence {
        krate: PROVIDER,
        place: "shared/ids.rs",
        what: "uuid::Uuid::now_v7",
        why: "the port that mints ids",
    },
    Licence {
        krate: PROVIDER,
        place: "app.rs",
        what: "uuid::Uuid::new_v4",
        why: "the seed, where none is configured; it is logged",
    },
    Licence {
        krate: PROVIDER,
        place: "explore/patience.rs",
        what: "tokio::time::sleep",
        why: "between two looks at an order of the system under test",
    },
    Licence {
        krate: "service-kit",
        place: "client.rs",
        what: "tokio::time::sleep",
        why: "between two tries to call somebody",
    },
    Licence {
        krate: "service-kit",
        place: "correlation.rs",
        what: "uuid::Uuid::now_v7",
        why: "a correlation id of its own for a request without one",
    },
    Licence {
        krate: "service-kit",
        place: "serve.rs",
        what: "tokio::time::sleep",
        why: "the bound of a graceful shutdown",
    },
    Licence {
        krate: "temporal-api",
        place: "idempotency.rs",
        what: "blake3",
        why: "the fingerprint of a request, and the digest of its key",
    },
    Licence {
        krate: "temporal-api",
        place: "order/events.rs",
        what: "tokio::time::sleep",
        why: "between two looks at an order",
    },
    Licence {
        krate: "temporal-connection",
        place: "lib.rs",
        what: "tokio::time::sleep",
        why: "between two tries to reach Temporal",
    },
    Licence {
        krate: "temporal-connection",
        place: "search_attributes.rs",
        what: "tokio::time::sleep",
        why: "between two looks whether Temporal has the search attributes",
    },
    Licence {
        krate: "temporal-worker",
        place: "activities/shipping.rs",
        what: "tokio::time::interval",
        why: "heartbeats while a label is made",
    },
    Licence {
        krate: "temporal-worker",
        place: "activities/shipping.rs",
        what: "tokio::time::sleep",
        why: "between two looks at a label",
    },
    Licence {
        krate: "user-context",
        place: "stand_in.rs",
        what: "tokio::time::sleep",
        why: "a source that is told to be slow",
    },
];

impl Licence {
    fn covers(&self, krate: &str, file: &File, reference: &Reference) -> bool {
        self.krate == krate && self.place == file.place && reference.is_within(self.what)
    }

    pub fn is_used(&self, krate: &str, file: &File) -> bool {
        file.production().any(|reference| self.covers(krate, file, reference))
    }
}

fn is_chaos(krate: &str, file: &File) -> bool {
    krate == PROVIDER
        && match standing(file) {
            Standing::Shared => file.module.get(1).is_some_and(|module| module == "chaos"),
            Standing::Context(_, Some(Layer::Infrastructure)) => {
                file.module.get(2).is_some_and(|module| module == "chaos")
            }
            _ => false,
        }
}

/// Rule 8. Test code may wait and draw.
pub fn chance_and_waiting(krate: &str, file: &File) -> Vec<Breach> {
    if is_chaos(krate, file) {
        return Vec::new();
    }
    file.production()
        .filter(|reference| !LICENCES.iter().any(|licence| licence.covers(krate, file, reference)))
        .filter_map(|reference| {
            let reaches = |targets: &[&str]| targets.iter().any(|target| reference.reaches(target));
            let why = if reaches(CHANCE) {
                "nothing is random outside chaos"
            } else if reaches(WAITING) {
                "nothing waits outside chaos"
            } else if krate == PROVIDER && reference.reaches("tokio::time") {
                // Elsewhere a timeout bounds a call to someone else; the provider calls nobody.
                "time passes only in chaos"
            } else {
                return None;
            };
            Some(breach(Rule::ChanceAndWaitingAreChaos, krate, file, reference, why))
        })
        .collect()
}

/// Every service hands its variables' names to the one reader, so the table of variables has them all.
pub fn environment(krate: &str, file: &File) -> Vec<Breach> {
    const READERS: &[&str] =
        &["dotenvy", "std::env::var", "std::env::var_os", "std::env::vars", "std::env::vars_os"];
    if (krate, file.place.as_str()) == ("service-kit", "process.rs") {
        return Vec::new();
    }
    file.production()
        .filter(|reference| READERS.iter().any(|reader| reference.reaches(reader)))
        .map(|reference| {
            breach(Rule::VariablesAreDeclared, krate, file, reference, "ask the configuration's reader")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn file(place: &str, text: &str) -> File {
        let externs: BTreeSet<_> = [
            "async_trait",
            "axum",
            "blake3",
            "rand",
            "reqwest",
            "serde",
            "service_kit",
            "std",
            "thiserror",
            "tokio",
            "utoipa",
            "uuid",
        ]
        .map(str::to_owned)
        .into();
        File::parse(place, text, "fake_stripe_chaos", &externs).unwrap()
    }

    /// Asserts that each snippet is a breach at that place, and that it isn't when it stands alone there.
    fn breaks(rule: impl Fn(&File) -> Vec<Breach>, place: &str, snippets: &[&str]) {
        for snippet in snippets {
            assert_eq!(rule(&file(place, snippet)).len(), 1, "`{snippet}` in {place} has to be one breach");
        }
    }

    fn keeps(rule: impl Fn(&File) -> Vec<Breach>, place: &str, snippets: &[&str]) {
        for snippet in snippets {
            let breaches = rule(&file(place, snippet));
            assert!(breaches.is_empty(), "`{snippet}` in {place}: {}", breaches[0]);
        }
    }

    #[test]
    fn a_report_says_which_rule_where_what_and_why() {
        let breaches = layers(&file("payment/domain/payment.rs", "\nuse axum::Json;"));
        assert_eq!(
            report(&breaches),
            "rule 5: domain <- application <- {infrastructure, presentation}, and a domain is pure\n  \
             because what an order may do must be readable and testable without HTTP, a store or a clock; \
             broken in 1 place(s):\n  \
             crates/fake-stripe-chaos/src/payment/domain/payment.rs:2 uses `axum::Json`: \
             of all crates, domain knows only std, thiserror, uuid"
        );
    }

    #[test]
    fn an_impure_domain_breaks_rule_5() {
        breaks(
            layers,
            "payment/domain/payment.rs",
            &[
                "use axum::Json;",
                "#[derive(serde::Serialize)] struct S;",
                "use std::time::SystemTime;",
                "use std::time::*;",
                "fn f() { std::env::var(\"X\").ok(); }",
                "use tokio as runtime;",
            ],
        );
        keeps(
            layers,
            "payment/domain/payment.rs",
            &[
                "use std::{fmt, time::Duration};",
                "#[derive(thiserror::Error)] struct E;",
                "use uuid::Uuid;",
                "use super::error::PaymentError;",
                "#[cfg(test)] mod tests { use axum::Json; }",
            ],
        );
    }

    #[test]
    fn a_domain_that_knows_more_of_shared_than_values_breaks_rule_5() {
        breaks(
            layers,
            "payment/domain/payment.rs",
            &[
                "use crate::shared;",
                "use crate::shared::*;",
                "use crate::shared::store::Store;",
                "use crate::shared::clock::Clock;",
                "use crate::shared::ledger::Ledger;",
                "use crate::shared::clock::*;",
                "use super::super::super::shared::ids::Ids;",
                "fn f(x: &dyn crate::shared::chaos::Chaos) {}",
            ],
        );
        keeps(
            layers,
            "payment/domain/payment.rs",
            &["use crate::shared::{clock::Timestamp, ids::{OrderId, id}, ledger::Posting, money, orders};"],
        );
    }

    #[test]
    fn a_layer_that_looks_outwards_breaks_rule_5() {
        breaks(layers, "payment/domain/payment.rs", &["use crate::payment::application::CAPTURE;"]);
        breaks(
            layers,
            "payment/application/service.rs",
            &[
                "use super::super::infrastructure::PaymentRecords;",
                "use crate::payment::presentation::PaymentCode;",
                "use crate::payment::SLICE;",
                "use crate::payment::*;",
                "use crate::shared::presentation::respond;",
                "use axum::Json;",
                "fn f() { std::time::Instant::now(); }",
            ],
        );
        breaks(
            layers,
            "payment/infrastructure/records.rs",
            &["use crate::payment::presentation::PaymentCode;", "use crate::shared::presentation::found;"],
        );
        breaks(
            layers,
            "payment/presentation/dto.rs",
            &["fn f() { crate::payment::infrastructure::PaymentRecords; }"],
        );
    }

    #[test]
    fn layers_that_look_inwards_keep_rule_5() {
        keeps(
            layers,
            "payment/application/service.rs",
            &["use crate::{payment::domain::Payment, shared::store::Store}; use async_trait::async_trait;"],
        );
        keeps(
            layers,
            "payment/infrastructure/records.rs",
            &["use crate::payment::{application::CAPTURE, domain::Payment}; use serde::Serialize;"],
        );
        keeps(
            layers,
            "payment/presentation/handlers.rs",
            &["use crate::{payment::application::CAPTURE, shared::presentation::found}; use axum::Json;"],
        );
        keeps(
            layers,
            "payment/mod.rs",
            &["use self::{infrastructure::PaymentRecords, presentation::PaymentCode};"],
        );
    }

    #[test]
    fn a_module_beside_the_layers_breaks_rule_5() {
        breaks(layers, "payment/helpers.rs", &["use std::fmt;"]);
    }

    #[test]
    fn a_value_module_that_is_impure_breaks_rule_5() {
        breaks(layers, "shared/money.rs", &["use axum::Json;"]);
        keeps(layers, "shared/money.rs", &["use serde::Serialize;"]);
        keeps(layers, "shared/presentation/respond.rs", &["use axum::Json;"]);
    }

    #[test]
    fn a_context_that_knows_a_sibling_or_the_root_breaks_rule_6() {
        breaks(
            strangers,
            "payment/application/service.rs",
            &[
                "use crate::inventory::domain::Reservation;",
                "use super::super::super::shipping::domain::Label;",
                "fn f() -> crate::inventory::X { g() }",
                "use crate as root;",
                "use crate::*;",
                "use crate::config::Config;",
                "use fake_stripe_chaos::inventory;",
                "#[cfg(test)] mod tests { use crate::inventory; }",
                "fn f() { assert!(crate::shipping::DONE) }",
            ],
        );
        keeps(
            strangers,
            "payment/application/service.rs",
            &["use crate::{payment::domain::Payment, shared::store::Store}; pub(crate) fn f() {}"],
        );
        keeps(strangers, "app.rs", &["use crate::{payment, inventory};"]);
    }

    #[test]
    fn an_explorer_that_knows_the_provider_from_inside_breaks_rule_6() {
        breaks(
            strangers,
            "explore/trial.rs",
            &[
                "use crate::shared::chaos::Scenario;",
                "use crate::payment::SLICE;",
                "fn f() { crate::app::build() }",
            ],
        );
        keeps(
            strangers,
            "explore/trial.rs",
            &["use crate::explore::meaning; use super::provider::Provider;"],
        );
    }

    #[test]
    fn shared_that_knows_a_context_breaks_rule_6() {
        breaks(
            strangers,
            "shared/ledger.rs",
            &["use crate::payment::domain::Payment;", "use super::super::app::build;"],
        );
        keeps(strangers, "shared/ledger.rs", &["use super::store::Store;"]);
    }

    #[test]
    fn a_status_outside_of_presentation_breaks_rule_7() {
        let rule = |file: &File| statuses(PROVIDER, file);
        for place in ["payment/application/service.rs", "payment/mod.rs", "shared/protocol/mod.rs", "app.rs"]
        {
            breaks(
                rule,
                place,
                &[
                    "use axum::http::StatusCode;",
                    "fn f() -> axum::http::StatusCode { g() }",
                    "use reqwest::StatusCode as Code;",
                    "service_kit::error_codes! { pub enum C { A = \"a\", 404, \"A\", final; } }",
                    "#[utoipa::path(get, path = \"/\", responses((status = 200)))] fn f() {}",
                ],
            );
        }
        keeps(
            rule,
            "payment/application/service.rs",
            &["#[cfg(test)] mod tests { use axum::http::StatusCode; }"],
        );
    }

    #[test]
    fn an_errors_status_outside_of_problems_breaks_rule_7() {
        let rule = |file: &File| statuses(PROVIDER, file);
        breaks(
            rule,
            "payment/presentation/handlers.rs",
            &[
                "fn f() { axum::http::StatusCode::NOT_FOUND; }",
                "fn f() { axum::http::StatusCode::from_u16(404); }",
                "service_kit::error_codes! { pub enum C { A = \"a\", 404, \"A\", final; } }",
            ],
        );
        keeps(
            rule,
            "payment/presentation/handlers.rs",
            &["use axum::http::StatusCode; #[utoipa::path(get)] fn f() { StatusCode::CREATED }"],
        );
        keeps(
            rule,
            "payment/presentation/problems.rs",
            &["use service_kit::error_codes; error_codes! { pub enum C { A = \"a\", 404, \"A\", final; } }"],
        );
    }

    #[test]
    fn a_status_in_the_gateway_or_in_the_worker_breaks_rule_7() {
        let status = ["use axum::http::StatusCode;"];
        breaks(|file| statuses("temporal-api", file), "gateway/temporal.rs", &status);
        breaks(|file| statuses("temporal-api", file), "config.rs", &status);
        keeps(|file| statuses("temporal-api", file), "order/handlers.rs", &status);
        breaks(|file| statuses("temporal-worker", file), "provider/mod.rs", &status);
        keeps(|file| statuses("service-kit", file), "metrics.rs", &status);
    }

    #[test]
    fn chance_and_sleep_outside_of_chaos_break_rule_8() {
        let rule = |file: &File| chance_and_waiting(PROVIDER, file);
        for place in ["payment/application/service.rs", "payment/infrastructure/records.rs", "shared/ids.rs"]
        {
            breaks(
                rule,
                place,
                &[
                    "async fn f() { tokio::time::sleep(D).await }",
                    "use tokio::time::timeout;",
                    "use tokio::time;",
                    "fn f() { std::thread::sleep(D) }",
                    "use rand::Rng;",
                    "fn f() { blake3::hash(b\"\"); }",
                    "fn f() { uuid::Uuid::new_v4(); }",
                ],
            );
        }
        keeps(rule, "payment/application/service.rs", &["fn f(id: uuid::Uuid) { uuid::Uuid::nil(); }"]);
        keeps(rule, "shared/chaos/draw.rs", &["fn f() { blake3::hash(b\"\"); }"]);
        keeps(rule, "shipping/infrastructure/chaos.rs", &["async fn f() { tokio::time::sleep(D).await }"]);
        keeps(rule, "shared/store/mod.rs", &["#[cfg(test)] mod tests { use tokio::time::sleep; }"]);
    }

    #[test]
    fn the_other_services_bound_their_calls_and_break_rule_8_only_by_sleep_and_chance() {
        let rule = |file: &File| chance_and_waiting("temporal-worker", file);
        breaks(
            rule,
            "provider/mod.rs",
            &["use tokio::time::sleep;", "use tokio::time::*;", "fn f() { rand::random() }"],
        );
        keeps(rule, "provider/mod.rs", &["use tokio::time::timeout;"]);
    }

    #[test]
    fn a_licence_is_for_one_place_and_one_thing() {
        let place = "shared/ids.rs";
        let rule = |file: &File| chance_and_waiting(PROVIDER, file);
        keeps(rule, place, &["use uuid::Uuid; fn f() { Uuid::now_v7(); }"]);
        breaks(rule, place, &["use uuid::Uuid; fn f() { Uuid::new_v4(); }"]);
        breaks(rule, "shared/ledger.rs", &["use uuid::Uuid; fn f() { Uuid::now_v7(); }"]);
    }

    #[test]
    fn the_environment_is_read_in_one_place() {
        let snippets =
            ["fn f() { std::env::var(\"X\") }", "use std::env::*;", "use std::{env::vars as all};"];
        breaks(|file| environment("temporal-api", file), "config.rs", &snippets);
        keeps(|file| environment("service-kit", file), "process.rs", &snippets);
        keeps(|file| environment("temporal-api", file), "config.rs", &["fn f() { std::env::args(); }"]);
    }
}
