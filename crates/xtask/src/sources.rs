//! Checks whether the sources of user contexts on the internet can be reached.

use std::{env, time::Duration};

use reqwest::Url;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

/// Selects the stand-in for the sources: `true` or `false`. Without a value, the stack decides.
pub const OFFLINE: &str = "FOUNDER_OFFLINE";
const LIMIT: Duration = Duration::from_secs(2);

/// The variable of a source, and its default URL. A test compares them with those of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub variable: &'static str,
    pub default: &'static str,
}

pub const LOCATION: Source = Source { variable: "IPAPI_URL", default: "https://ipapi.co" };
pub const WEATHER: Source = Source { variable: "OPEN_METEO_URL", default: "https://api.open-meteo.com" };
/// The source of the weather if there is a key for it.
pub const WEATHER_BY_KEY: Source =
    Source { variable: "OPENWEATHER_URL", default: "https://api.openweathermap.org" };
const KEY: &str = "OPENWEATHER_API_KEY";
pub const CAT_FACT: Source = Source { variable: "CATFACT_URL", default: "https://catfact.ninja" };

/// Returns whether the environment selects the stand-in or the sources.
#[must_use]
pub fn is_set_by_environment() -> bool {
    non_empty_var(OFFLINE).is_some()
}

/// Returns the hosts of sources that can't be reached within 2 s, as `host:port`.
pub async fn unreachable_sources() -> Vec<String> {
    let weather = if non_empty_var(KEY).is_some() { WEATHER_BY_KEY } else { WEATHER };
    let urls = [LOCATION, weather, CAT_FACT]
        .map(|source| non_empty_var(source.variable).unwrap_or_else(|| source.default.to_owned()));
    unreachable_hosts(urls.iter().filter_map(|url| address(url)).collect()).await
}

async fn unreachable_hosts(addresses: Vec<String>) -> Vec<String> {
    let mut connecting = JoinSet::new();
    for address in addresses {
        connecting.spawn(async move {
            let connected = timeout(LIMIT, TcpStream::connect(&address)).await;
            (!matches!(connected, Ok(Ok(_)))).then_some(address)
        });
    }
    let mut unreachable: Vec<String> = connecting.join_all().await.into_iter().flatten().collect();
    unreachable.sort_unstable();
    unreachable
}

/// Returns `host:port` of a URL. The services report a URL that isn't valid.
fn address(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

fn non_empty_var(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[test]
    fn the_address_of_a_source_is_that_of_its_url() {
        assert_eq!(address("https://ipapi.co"), Some("ipapi.co:443".to_owned()));
        assert_eq!(address("http://127.0.0.1:4000/base"), Some("127.0.0.1:4000".to_owned()));
        assert_eq!(address("ipapi.co"), None);
    }

    #[tokio::test]
    async fn only_unreachable_sources_are_reported() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let there = listener.local_addr().unwrap().to_string();
        // A bound socket that doesn't listen keeps the port, and refuses connections.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let away = socket.local_addr().unwrap().to_string();
        assert_eq!(unreachable_hosts(vec![there, away.clone()]).await, [away]);
    }
}
