//! The rules. Each takes a file and returns its violations. A table of examples proves that each rule can fail.

use std::collections::BTreeSet;

use crate::source::{File, Reference};

pub const PROVIDER: &str = "fake-stripe-chaos";
pub const CONTEXTS: [&str; 5] = ["payment", "inventory", "shipping", "notification", "stripe"];
pub const LAYERS: [&str; 4] = ["domain", "application", "infrastructure", "presentation"];

/// The folders without the four layers. Their files have a few endpoints, and their rules are in `domain`.
pub const FLAT: [&str; 3] = ["control", "runs", "verdict"];

/// The crates that the endpoints of a flat folder may use. None of them has side effects.
const ENDPOINTS: [&str; 8] =
    ["axum", "serde", "serde_json", "service_kit", "thiserror", "tower", "utoipa", "utoipa_axum"];

/// The modules of `shared` that a domain may use, each with its ports, which a domain may not.
const VALUE_MODULES: [(&str, &[&str]); 5] = [
    ("clock", &["Clock", "ManualClock", "SystemClock"]),
    ("ids", &["Ids", "RandomIds"]),
    ("ledger", &["Ledger"]),
    ("money", &[]),
    ("orders", &["Orders"]),
];

/// The parts of `std` with side effects. A parent module, such as `std::time`, must not be imported whole.
const IO_PATHS: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

fn check<'a>(
    file: &File,
    references: impl Iterator<Item = &'a Reference>,
    reason: impl Fn(&Reference) -> Option<&'static str>,
) -> Vec<String> {
    references.filter_map(|reference| Some(file.violation(reference, reason(reference)?))).collect()
}

/// Returns the context and the layer of a file of the provider.
fn folders(file: &File) -> Option<(&str, Option<&str>)> {
    let mut parts = file.place.split('/');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
    (file.krate == PROVIDER).then(|| (first, third.map(|_| second).or_else(|| second.strip_suffix(".rs"))))
}

/// Rule 5. `crates` are the names of the crates that the provider depends on.
pub fn layers(file: &File, crates: &BTreeSet<String>) -> Vec<String> {
    let Some((context, inner)) = folders(file) else { return Vec::new() };
    let inner = inner.unwrap_or_default();
    if context == "shared" {
        let is_value = VALUE_MODULES.iter().any(|(module, _)| *module == inner);
        return check(file, file.production(), |reference| {
            let is_pure = ["serde", "thiserror", "uuid"].iter().any(|known| reference.is_within(known));
            (is_value && !is_pure && crates.iter().any(|name| reference.is_within(name)))
                .then_some("domains use this module, so it must be pure")
        });
    }
    if FLAT.contains(&context) {
        return check(file, file.production(), |reference| out_of_flat(context, inner, reference, crates));
    }
    if !LAYERS.contains(&inner) {
        let is_beside = CONTEXTS.contains(&context) && inner != "mod";
        return check(file, file.references.iter(), |_| {
            is_beside.then_some("the file is in none of the four layers")
        });
    }
    check(file, file.production(), |reference| out_of_layer(context, inner, reference, crates))
}

/// Checks a flat folder: `domain` is a domain, and `registry.rs` has no HTTP, as an application.
fn out_of_flat(
    context: &str,
    inner: &str,
    reference: &Reference,
    crates: &BTreeSet<String>,
) -> Option<&'static str> {
    let known: &[&str] = match inner {
        "domain" => return out_of_layer(context, "domain", reference, crates),
        "registry" if reference.is_within(&format!("crate::{context}")) => {
            return Some("a registry knows no endpoint");
        }
        "registry" => return out_of_layer(context, "application", reference, crates),
        _ => &ENDPOINTS,
    };
    out_of_crates(known, reference, crates)
}

fn out_of_layer(
    context: &str,
    layer: &str,
    reference: &Reference,
    crates: &BTreeSet<String>,
) -> Option<&'static str> {
    let own = format!("crate::{context}");
    if reference.is_within(&own) {
        let known: &[&str] = match layer {
            "domain" => &["domain"],
            "application" => &["domain", "application"],
            "infrastructure" => &["domain", "application", "infrastructure"],
            _ => &["domain", "application", "presentation"],
        };
        let is_known = known.iter().any(|layer| reference.is_within(&format!("{own}::{layer}")));
        return (!is_known).then_some("domain <- application <- {infrastructure, presentation}");
    }
    if reference.is_within("crate::shared") {
        let is_value = VALUE_MODULES.iter().any(|(module, ports)| {
            let module = format!("crate::shared::{module}");
            let is_port = |port: &&str| reference.is_within(&format!("{module}::{port}"));
            reference.is_within(&module)
                && !reference.path.ends_with("::*")
                && reference.path != module
                && !ports.iter().any(is_port)
        }) || ["crate::shared::money", "crate::shared::orders"]
            .contains(&reference.path.as_str());
        let is_presentation =
            reference.is_within("crate::shared::presentation") || reference.path == "crate::shared::*";
        return match layer {
            "domain" => (!is_value).then_some("a domain uses only the value types of `shared`"),
            "presentation" => None,
            _ => is_presentation.then_some("only presentation uses `shared::presentation`"),
        };
    }
    let known: &[&str] = match layer {
        "domain" => &["serde", "strum", "thiserror", "uuid"],
        "application" => &["async_trait", "thiserror", "uuid"],
        _ => return None,
    };
    out_of_crates(known, reference, crates)
}

/// Allows the listed crates and the parts of `std` without side effects.
fn out_of_crates(known: &[&str], reference: &Reference, crates: &BTreeSet<String>) -> Option<&'static str> {
    let path = reference.path.trim_end_matches("::*");
    if IO_PATHS.iter().any(|io| reference.is_within(io) || io.starts_with(&format!("{path}::"))) {
        return Some("this layer has side effects only through ports");
    }
    let is_foreign = crates.iter().any(|name| reference.is_within(name));
    (is_foreign && !known.iter().any(|name| reference.is_within(name)))
        .then_some("this layer doesn't use this crate")
}

/// The modules that read and write for chaos.
const AROUND_CHAOS: [&str; 3] =
    ["crate::shared::store", "crate::shared::profiles", "crate::shared::protocol"];

/// Rule 6.
pub fn siblings(file: &File) -> Vec<String> {
    let Some((folder, _)) = folders(file) else { return Vec::new() };
    let own = format!("crate::{folder}");
    let is_chaos = file.place.starts_with("shared/chaos/");
    check(file, file.references.iter(), |reference| {
        if is_chaos && AROUND_CHAOS.iter().any(|module| reference.is_within(module)) {
            return Some("chaos decides purely; its caller reads and writes");
        }
        let is_known = reference.is_within(&own) || reference.is_within("crate::shared");
        (reference.is_within("crate") && !is_known)
            .then_some("a context uses itself and `shared`, `shared` only itself")
    })
}

/// Rule 7. An endpoint names only statuses of success. The status of an error belongs to its code.
pub fn statuses(file: &File) -> Vec<String> {
    let is_in = |folder: &str| file.place.split('/').any(|part| part.trim_end_matches(".rs") == folder);
    let is_presentation = match file.krate.as_str() {
        // The console's pages show the statuses of the services behind them.
        "service-kit" | "console" => return Vec::new(),
        // The stand-in answers as foreign services do.
        "user-context" if file.place == "stand_in.rs" => return Vec::new(),
        PROVIDER if FLAT.iter().any(|folder| file.place.starts_with(&format!("{folder}/"))) => {
            !is_in("domain") && !is_in("registry")
        }
        PROVIDER | "founder" => is_in("presentation"),
        // The slices of the API are presentation. The gateway and the crate's root are not.
        "temporal-api" => file.place.contains('/') && !file.place.starts_with("gateway"),
        _ => false,
    };
    if is_presentation && file.place.ends_with("problems.rs") {
        return Vec::new();
    }
    check(file, file.production(), |reference| {
        let mut parts = reference.path.split("::").skip_while(|part| *part != "StatusCode");
        let names_status = parts.next().is_some();
        let is_success =
            parts.next().is_none_or(|name| ["OK", "CREATED", "ACCEPTED", "NO_CONTENT"].contains(&name));
        if reference.path.ends_with("error_codes") {
            Some("codes and their statuses are listed in `problems.rs`")
        } else if is_presentation {
            (names_status && !is_success)
                .then_some("the status of an error belongs to its code in `problems.rs`")
        } else {
            (names_status || reference.is_within("utoipa::path")).then_some("statuses belong to presentation")
        }
    })
}

/// The one file that waits beside chaos: deliveries of webhooks are repeated after a pause.
const DELIVERER: &str = "stripe/infrastructure/deliverer.rs";

/// The part of rule 8 that clippy can't check: the provider uses `tokio::time` only in chaos and to deliver webhooks.
pub fn time(file: &File) -> Vec<String> {
    let is_chaos = file.place.starts_with("shared/chaos/")
        || file.place.ends_with("/infrastructure/chaos.rs")
        || file.place == DELIVERER;
    check(file, file.production(), |reference| {
        let names_time = reference.is_within("tokio::time") || reference.path == "tokio::*";
        (file.krate == PROVIDER && !is_chaos && names_time).then_some("only chaos uses `tokio::time`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule, place in the provider (or `crate:place`), source; each breaks the rule once.
    const BROKEN: &[(&str, &str, &str)] = &[
        ("layers", "payment/domain/payment.rs", "use axum::Json;"),
        ("layers", "payment/domain/payment.rs", "fn f(value: serde_json::Value) {}"),
        ("layers", "payment/domain/payment.rs", "use std::{fmt, time::SystemTime};"),
        ("layers", "payment/domain/payment.rs", "use std::time::*;"),
        ("layers", "payment/domain/payment.rs", "fn f() { std::env::var(\"X\").ok(); }"),
        ("layers", "payment/domain/payment.rs", "use tokio as runtime;"),
        ("layers", "payment/domain/payment.rs", "use crate::shared::*;"),
        ("layers", "payment/domain/payment.rs", "use crate::shared::clock::{Clock, Timestamp};"),
        ("layers", "payment/domain/payment.rs", "use super::super::super::shared::store::Store;"),
        ("layers", "payment/domain/payment.rs", "fn f() { g!(crate::payment::application::CAPTURE) }"),
        ("layers", "payment/application/service.rs", "use super::super::infrastructure::Records;"),
        ("layers", "payment/application/service.rs", "use crate::payment::*;"),
        ("layers", "payment/application/service.rs", "use crate::shared::presentation::respond;"),
        ("layers", "payment/infrastructure/records.rs", "use crate::payment::presentation::Code;"),
        ("layers", "payment/presentation/dto.rs", "fn f(x: crate::payment::infrastructure::R) {}"),
        ("layers", "payment/helpers.rs", "use std::fmt;"),
        ("layers", "control/plans.rs", "use std::fs;"),
        ("layers", "control/profiles.rs", "use tokio::fs::read;"),
        ("layers", "verdict/domain/rules.rs", "use axum::Json;"),
        ("layers", "verdict/domain/rules.rs", "use crate::verdict::judge::load_facts;"),
        ("layers", "verdict/domain/rules.rs", "use crate::shared::store::Store;"),
        ("layers", "runs/registry.rs", "use axum::Router;"),
        ("layers", "runs/registry.rs", "use crate::shared::presentation::problems;"),
        ("layers", "runs/registry.rs", "use super::handlers::routes;"),
        ("layers", "shared/money.rs", "use axum::Json;"),
        ("siblings", "payment/application/service.rs", "use crate::inventory::domain::Reservation;"),
        ("siblings", "payment/application/service.rs", "use crate as root;"),
        ("siblings", "payment/application/service.rs", "use crate::*;"),
        ("siblings", "payment/domain/payment.rs", "#[cfg(test)] mod tests { use crate::inventory; }"),
        (
            "siblings",
            "payment/domain/payment.rs",
            "mod m { use super::super::super::super::shipping::Label; }",
        ),
        ("siblings", "payment/domain/payment.rs", "fn f() { assert!(crate::shipping::DONE) }"),
        ("siblings", "shared/ledger.rs", "use super::super::app::build;"),
        ("siblings", "verdict/ledger.rs", "use crate::payment::domain::Payment;"),
        ("siblings", "shared/chaos/decide.rs", "use crate::shared::store::Transaction;"),
        ("statuses", "payment/application/service.rs", "use axum::http::StatusCode;"),
        ("statuses", "app.rs", "#[utoipa::path(get)] fn f() {}"),
        ("statuses", "runs/registry.rs", "use axum::http::StatusCode;"),
        ("statuses", "verdict/domain/rules.rs", "use axum::http::StatusCode;"),
        ("statuses", "control/plans.rs", "fn f() { StatusCode::NOT_FOUND; }"),
        ("statuses", "payment/presentation/handlers.rs", "fn f() { StatusCode::NOT_FOUND; }"),
        ("statuses", "payment/presentation/handlers.rs", "use axum::http::StatusCode as Code;"),
        ("statuses", "payment/presentation/handlers.rs", "error_codes! { A = \"a\", 404; }"),
        ("statuses", "temporal-api:gateway/temporal.rs", "use axum::http::StatusCode;"),
        ("statuses", "temporal-worker:provider/mod.rs", "fn f() -> reqwest::StatusCode { g() }"),
        ("time", "payment/application/service.rs", "use tokio::time::timeout;"),
        ("time", "shared/store/mod.rs", "async fn f() { tokio::time::timeout(D, g()).await }"),
    ];

    const KEPT: &[(&str, &str, &str)] = &[
        ("layers", "payment/domain/payment.rs", "use std::{fmt, time::Duration}; use uuid::Uuid;"),
        ("layers", "payment/domain/payment.rs", "use crate::shared::{clock::Timestamp, money, orders};"),
        (
            "layers",
            "payment/domain/payment.rs",
            "#[cfg(test)] mod tests { use axum::Json; } /* axum::Json */",
        ),
        (
            "layers",
            "payment/application/service.rs",
            "use crate::{payment::domain::P, shared::store::Store};",
        ),
        ("layers", "payment/mod.rs", "use self::{infrastructure::Records, presentation::Code};"),
        (
            "layers",
            "verdict/judge.rs",
            "use axum::Json; use crate::{shared::store::Store, verdict::domain::V};",
        ),
        (
            "layers",
            "runs/registry.rs",
            "use std::sync::Mutex; use crate::shared::{gate::Gate, store::Stores};",
        ),
        ("siblings", "payment/domain/payment.rs", "pub(crate) fn f() { \"crate::inventory::X\"; }"),
        ("siblings", "app.rs", "use crate::{payment, inventory};"),
        ("statuses", "payment/presentation/handlers.rs", "fn f() -> StatusCode { StatusCode::CREATED }"),
        ("statuses", "payment/presentation/problems.rs", "error_codes! { A = \"a\", 404; }"),
        ("statuses", "runs/problems.rs", "error_codes! { A = \"a\", 404; }"),
        ("statuses", "runs/handlers.rs", "fn f() -> StatusCode { StatusCode::CREATED }"),
        ("statuses", "app.rs", "#[cfg(test)] use axum::http::StatusCode; fn f() {}"),
        ("time", "shared/chaos/delay.rs", "async fn f() { tokio::time::timeout(D, g()).await }"),
    ];

    fn violations((rule, place, text): &(&str, &str, &str)) -> Vec<String> {
        let (krate, place) = place.split_once(':').unwrap_or((PROVIDER, place));
        let file = File::parse(krate, place, text);
        let crates = ["axum", "serde", "serde_json", "tokio", "thiserror", "uuid"].map(str::to_owned).into();
        match *rule {
            "layers" => layers(&file, &crates),
            "siblings" => siblings(&file),
            "statuses" => statuses(&file),
            _ => time(&file),
        }
    }

    #[test]
    fn each_broken_example_is_one_violation() {
        for example in BROKEN {
            let found = violations(example);
            assert_eq!(found.len(), 1, "{example:?}: {found:#?}");
        }
    }

    #[test]
    fn each_kept_example_is_no_violation() {
        for example in KEPT {
            assert_eq!(violations(example), <[String; 0]>::default(), "{example:?}");
        }
    }

    #[test]
    fn a_violation_names_the_place_the_path_and_the_reason() {
        let found = violations(&("layers", "payment/domain/payment.rs", "\nuse axum::Json;"));
        let expected = "crates/fake-stripe-chaos/src/payment/domain/payment.rs:2 names `axum::Json`: \
                        this layer doesn't use this crate";
        assert_eq!(found, [expected]);
    }
}
