//! Liveness, readiness, and the dependencies of a service.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    problem::{HttpCode, Problem},
    time,
};

/// A dependency that doesn't answer within this time counts as failing.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// One dependency of a service.
#[derive(Clone)]
pub struct Dependency {
    name: &'static str,
    check: Check,
}

impl Dependency {
    /// Adds a dependency. Its check returns the reason when the dependency isn't usable.
    pub fn new<F>(name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, check: Arc::new(move || check().boxed()) }
    }

    async fn check(&self) -> Result<(), String> {
        tokio::time::timeout(CHECK_TIMEOUT, (self.check)())
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())))
    }
}

/// `GET /health`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    #[schema(example = "healthy")]
    status: &'static str,
    service: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    timestamp: String,
}

impl Health {
    pub(crate) fn new(service: &'static str, version: &'static str, started: Instant) -> Self {
        Self {
            status: "healthy",
            service,
            version,
            uptime_seconds: started.elapsed().as_secs(),
            timestamp: time::now(),
        }
    }
}

/// `GET /health/ready`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
    /// Every dependency by name: `ok`.
    checks: Map<String, Value>,
}

/// Checks all dependencies at the same time.
///
/// # Errors
/// Returns 503 with the name of each dependency that fails.
pub(crate) async fn check_readiness(dependencies: &[Dependency]) -> Result<Ready, Problem> {
    let states = futures::future::join_all(dependencies.iter().map(Dependency::check)).await;
    let mut checks = Map::new();
    let mut failing = Vec::new();
    for (dependency, state) in dependencies.iter().zip(states) {
        let text = match state {
            Ok(()) => "ok".to_owned(),
            Err(reason) => {
                failing.push(format!("{}: {reason}", dependency.name));
                reason
            }
        };
        checks.insert(dependency.name.to_owned(), Value::String(text));
    }
    if failing.is_empty() {
        return Ok(Ready { status: "ready", checks });
    }
    Err(Problem::new(HttpCode::NotReady, failing.join("; "))
        .with("checks", Value::Object(checks))
        .retry_after(Duration::from_secs(1)))
}
