//! `<binary> healthcheck`: asks the service that runs beside it whether it is ready, or with `--live` whether it
//! answers at all. For containers that hold nothing else to ask with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::{client, telemetry};

/// A readiness check waits at most 2 s for a dependency.
const LIMIT: Duration = Duration::from_secs(4);
/// Bytes of an answer that is quoted. Something else can listen there.
const LARGEST: usize = 64 * 1024;

/// What a health check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether the service can do its work. Decides about traffic and the order of starting.
    Ready,
    /// Whether the process answers. Decides about a restart.
    Live,
}

impl Question {
    /// Reads what follows the word `healthcheck` on the command line.
    ///
    /// # Errors
    /// Names the argument that is unknown.
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

/// Asks the service that listens on `address`.
///
/// # Errors
/// Why the answer is no, in the service's own words where it answered.
pub(crate) async fn ask(address: SocketAddr, question: Question) -> Result<(), String> {
    let url = format!("http://{}{}", reachable(address), question.path());
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
        let app = Router::new()
            .route("/health/ready", get(move || async move { (status, body) }))
            .route("/health/live", get(|| async {}));
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    #[tokio::test]
    async fn a_service_that_is_ready_is_healthy() {
        assert_eq!(ask(service(StatusCode::OK, "").await, Question::Ready).await, Ok(()));
    }

    #[tokio::test]
    async fn a_service_that_is_not_ready_is_quoted() {
        let service = service(StatusCode::SERVICE_UNAVAILABLE, "temporal: no answer").await;
        let told = ask(service, Question::Ready).await.unwrap_err();
        assert!(told.contains("503") && told.ends_with("temporal: no answer"), "{told}");
    }

    #[tokio::test]
    async fn a_service_that_is_not_ready_is_live() {
        let service = service(StatusCode::SERVICE_UNAVAILABLE, "temporal: no answer").await;
        assert_eq!(ask(service, Question::Live).await, Ok(()));
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(ask(free, Question::Ready).await.is_err());
        assert!(ask(free, Question::Live).await.is_err());
    }

    #[test]
    fn nothing_but_live_may_follow_the_word() {
        let read = |arguments: &[&str]| {
            Question::from_arguments(arguments.iter().map(|argument| (*argument).to_owned()))
        };
        assert_eq!(read(&[]), Ok(Question::Ready));
        assert_eq!(read(&["--live"]), Ok(Question::Live));
        assert_eq!(read(&["--alive"]), Err("--alive".to_owned()));
        assert_eq!(read(&["--live", "now"]), Err("now".to_owned()));
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_the_loopback_address() {
        assert_eq!(reachable("0.0.0.0:3001".parse().unwrap()), "127.0.0.1:3001".parse().unwrap());
        assert_eq!(reachable("[::]:3001".parse().unwrap()), "[::1]:3001".parse().unwrap());
        assert_eq!(reachable("10.1.2.3:80".parse().unwrap()), "10.1.2.3:80".parse().unwrap());
    }
}
