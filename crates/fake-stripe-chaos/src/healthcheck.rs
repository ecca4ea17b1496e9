//! `healthcheck`: asks a running provider whether it is ready, for containers that have no curl.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(5);

/// The exit code is 0 where the provider that listens at `listen` is ready.
pub async fn run(listen: SocketAddr) -> ExitCode {
    let url = format!("http://{}/health/ready", reachable(listen));
    let answer = async { service_kit::client::build(LIMIT)?.get(&url).send().await };
    match answer.await {
        Ok(answer) if answer.status().is_success() => ExitCode::SUCCESS,
        Ok(answer) => {
            eprintln!("{url}: {}", answer.status().as_u16());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{url}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Who listens on all addresses is asked on the loopback one.
const fn reachable(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_asked_on_the_loopback() {
        let asked = ["0.0.0.0:3001", "[::]:3001", "10.0.0.7:80"]
            .map(|text| reachable(text.parse().unwrap()).to_string());
        assert_eq!(asked, ["127.0.0.1:3001", "[::1]:3001", "10.0.0.7:80"]);
    }
}
