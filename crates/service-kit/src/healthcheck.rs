//! `<binary> healthcheck`: checks that the local service is ready, or with `--live` that it answers. It serves
//! containers without another HTTP client.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::{client, telemetry};

/// Longer than the 2 s that a readiness check waits for a dependency.
const TIMEOUT: Duration = Duration::from_secs(4);
/// A limit to the quoted answer, since another program can listen at the address.
const MAX_QUOTED_BYTES: usize = 64 * 1024;

/// The property of a service that a health check asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The service can do its work. Decides about traffic and the start of other services.
    Ready,
    /// The process answers. Decides about a restart.
    Live,
}

impl Question {
    /// Reads the arguments after `healthcheck`.
    ///
    /// # Errors
    /// Returns the unknown argument.
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let question = match arguments.next().as_deref() {
            None => return Ok(Self::Ready),
            Some("--live") => Self::Live,
            Some(other) => return Err(other.to_owned()),
        };
        arguments.next().map_or(Ok(question), Err)
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Ready => "/health/ready",
            Self::Live => "/health/live",
        }
    }
}

/// Queries the health of the service at `address`.
///
/// # Errors
/// Returns the failure of the call, or the answer of a service that isn't healthy.
pub(crate) async fn query_health(address: SocketAddr, question: Question) -> Result<(), String> {
    let url = format!("http://{}{}", loopback_for(address), question.path());
    let client = client::build(TIMEOUT).map_err(|error| telemetry::error_chain(&error))?;
    let answer = client.get(&url).send().await.map_err(|error| telemetry::error_chain(&error))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    let body = client::bounded(answer, MAX_QUOTED_BYTES).await.ok().flatten().unwrap_or_default();
    Err(format!("{url} answered {status}: {}", String::from_utf8_lossy(&body)))
}

/// Replaces an unspecified address by the loopback address, since no client can connect to it.
fn loopback_for(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode, routing::get};
    use tokio::net::TcpListener;

    use super::*;

    async fn service(status: StatusCode, body: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/health/ready", get(move || async move { (status, body) }))
            .route("/health/live", get(|| async {}));
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    #[tokio::test]
    async fn a_ready_service_is_healthy() {
        assert_eq!(query_health(service(StatusCode::OK, "").await, Question::Ready).await, Ok(()));
    }

    #[tokio::test]
    async fn the_answer_of_an_unready_service_is_quoted() {
        let service = service(StatusCode::SERVICE_UNAVAILABLE, "temporal: no answer").await;
        let error = query_health(service, Question::Ready).await.unwrap_err();
        assert!(error.contains("503") && error.ends_with("temporal: no answer"), "{error}");
    }

    #[tokio::test]
    async fn an_unready_service_is_live() {
        let service = service(StatusCode::SERVICE_UNAVAILABLE, "temporal: no answer").await;
        assert_eq!(query_health(service, Question::Live).await, Ok(()));
    }

    #[tokio::test]
    async fn a_port_without_a_listener_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(query_health(free, Question::Ready).await.is_err());
        assert!(query_health(free, Question::Live).await.is_err());
    }

    #[test]
    fn live_is_the_only_argument() {
        let read = |arguments: &[&str]| {
            Question::from_arguments(arguments.iter().map(|argument| (*argument).to_owned()))
        };
        assert_eq!(read(&[]), Ok(Question::Ready));
        assert_eq!(read(&["--live"]), Ok(Question::Live));
        assert_eq!(read(&["--alive"]), Err("--alive".to_owned()));
        assert_eq!(read(&["--live", "now"]), Err("now".to_owned()));
    }

    #[test]
    fn an_unspecified_address_becomes_the_loopback_address() {
        assert_eq!(loopback_for("0.0.0.0:3001".parse().unwrap()), "127.0.0.1:3001".parse().unwrap());
        assert_eq!(loopback_for("[::]:3001".parse().unwrap()), "[::1]:3001".parse().unwrap());
        assert_eq!(loopback_for("10.1.2.3:80".parse().unwrap()), "10.1.2.3:80".parse().unwrap());
    }
}
