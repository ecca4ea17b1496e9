//! The sources of user contexts, on the internet: whether they can be reached from here.

use std::{env, time::Duration};

use reqwest::Url;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

/// Says to ask a stand-in instead: `true` or `false`, and nothing to leave it to us.
pub const OFFLINE: &str = "FOUNDER_OFFLINE";
const LIMIT: Duration = Duration::from_secs(2);

/// A source's variable, and where it is when that isn't set. The services have these for themselves; a test
/// holds that they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub variable: &'static str,
    pub default: &'static str,
}

pub const LOCATION: Source = Source { variable: "IPAPI_URL", default: "https://ipapi.co" };
pub const WEATHER: Source = Source { variable: "OPEN_METEO_URL", default: "https://api.open-meteo.com" };
/// Instead, for who has a key.
pub const WEATHER_BY_KEY: Source =
    Source { variable: "OPENWEATHER_URL", default: "https://api.openweathermap.org" };
const KEY: &str = "OPENWEATHER_API_KEY";
pub const CAT_FACT: Source = Source { variable: "CATFACT_URL", default: "https://catfact.ninja" };

/// Whether the environment says itself what is to be asked.
#[must_use]
pub fn is_set_by_environment() -> bool {
    non_empty_var(OFFLINE).is_some()
}

/// Hosts of sources that can't be reached within 2 s, as `host:port`.
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

/// Of one that is none, the services tell.
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
    fn a_source_is_where_its_url_says() {
        assert_eq!(address("https://ipapi.co"), Some("ipapi.co:443".to_owned()));
        assert_eq!(address("http://127.0.0.1:4000/base"), Some("127.0.0.1:4000".to_owned()));
        assert_eq!(address("ipapi.co"), None);
    }

    #[tokio::test]
    async fn of_many_sources_those_are_told_that_cannot_be_reached() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let there = listener.local_addr().unwrap().to_string();
        // Bound and not listening: nobody else gets the port, and nobody answers.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let away = socket.local_addr().unwrap().to_string();
        assert_eq!(unreachable_hosts(vec![there, away.clone()]).await, [away]);
    }
}
