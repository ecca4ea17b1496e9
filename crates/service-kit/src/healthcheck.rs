//! `<binary> healthcheck`: asks the service that runs beside it whether it is ready, for containers that
//! hold nothing else to ask with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::{client, telemetry};

/// A readiness check waits at most 2 s for a dependency.
const LIMIT: Duration = Duration::from_secs(4);
/// Bytes of an answer that is quoted. Something else can listen there.
const LARGEST: usize = 64 * 1024;

/// Asks `GET /health/ready` of the service that listens on `address`.
///
/// # Errors
/// Why the service isn't ready, in its own words where it answered.
pub(crate) async fn ask(address: SocketAddr) -> Result<(), String> {
    let url = format!("http://{}/health/ready", reachable(address));
    let client = client::build(LIMIT).map_err(|error| telemetry::chain(&error))?;
    let answer = client.get(&url).send().await.map_err(|error| telemetry::chain(&error))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let status = answer.status();
    let body = client::bounded(answer, LARGEST).await.ok().flatten().unwrap_or_default();
    Err(format!("{url} answered {status}: {}", String::from_utf8_lossy(&body)))
}

/// What listens on every address is asked on the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
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
        let app = Router::new().route("/health/ready", get(move || async move { (status, body) }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    #[tokio::test]
    async fn a_service_that_is_ready_is_healthy() {
        assert_eq!(ask(service(StatusCode::OK, "").await).await, Ok(()));
    }

    #[tokio::test]
    async fn a_service_that_is_not_ready_is_quoted() {
        let told =
            ask(service(StatusCode::SERVICE_UNAVAILABLE, "temporal: no answer").await).await.unwrap_err();
        assert!(told.contains("503") && told.ends_with("temporal: no answer"), "{told}");
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(ask(free).await.is_err());
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_the_loopback_address() {
        assert_eq!(reachable("0.0.0.0:3001".parse().unwrap()), "127.0.0.1:3001".parse().unwrap());
        assert_eq!(reachable("[::]:3001".parse().unwrap()), "[::1]:3001".parse().unwrap());
        assert_eq!(reachable("10.1.2.3:80".parse().unwrap()), "10.1.2.3:80".parse().unwrap());
    }
}
