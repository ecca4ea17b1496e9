//! A founder with its own stand-in sources, for one test.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use founder::Config;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use service_kit::{openapi::statuses, process::Configuration};
use tokio::{net::TcpListener, task::JoinHandle};
use user_context::{
    Sources,
    stand_in::{Source, StandIn, Visit},
};
use utoipa::openapi::OpenApi;

pub const STRATEGIES: [&str; 3] = ["promise-allsettled", "async-sequential", "rxjs"];

/// A running founder, which stops when it is dropped.
pub struct TestServer {
    pub sources: StandIn,
    api: OpenApi,
    url: String,
    http: Client,
    serving: JoinHandle<()>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An answer with its duration.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
    pub elapsed: Duration,
}

impl Answer {
    /// Returns which of location, weather and entertainment are present.
    pub fn present_parts(&self) -> [bool; 3] {
        ["location", "weather", "entertainment"].map(|part| self.body[part].is_object())
    }

    pub fn errors(&self) -> Vec<&str> {
        self.body["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect()
    }

    /// Returns name, status and attempts of each source.
    pub fn sources(&self) -> Vec<(&str, &str, u64)> {
        self.body["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| {
                let text = |name: &str| source[name].as_str().unwrap();
                (text("name"), text("status"), source["attempts"].as_u64().unwrap())
            })
            .collect()
    }

    /// Returns the latency of a source.
    pub fn latency(&self, name: &str) -> Duration {
        let sources = self.body["sources"].as_array().unwrap();
        let source = sources.iter().find(|source| source["name"] == name).unwrap();
        Duration::from_millis(source["latencyMs"].as_u64().unwrap())
    }
}

impl TestServer {
    /// Starts a founder with short delays and with these variables.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let sources = StandIn::start().await.unwrap();
        let lookup = |name: &str| {
            let given = variables.iter().find(|(known, _)| *known == name);
            let value = given.map_or_else(|| test_value(name, sources.url()), |(_, value)| Some(*value));
            value.map(str::to_owned)
        };
        let config = Config::from_lookup(&lookup).unwrap();
        let adapters = Sources::new(&config.sources, config.tries).unwrap();
        let (app, api) = founder::router(adapters, &config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = std::future::pending();
        let serving = tokio::spawn(async move {
            service_kit::serve::run(listener, app, stop, Duration::ZERO).await.unwrap();
        });
        let http = service_kit::client::build(Duration::from_secs(30)).unwrap();
        Self { sources, api, url, http, serving }
    }

    pub fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    pub async fn ask(&self, strategy: &str) -> Answer {
        self.get(&format!("/api/v1/user-context?strategy={strategy}")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        let started = Instant::now();
        let answer = self.request(path).send().await.unwrap();
        let (status, body) = (answer.status(), answer.json().await.unwrap());
        let documented = statuses(&self.api, &Method::GET, path).unwrap();
        assert!(documented.contains(&status.as_u16()), "{path}: the OpenAPI document must list {status}");
        Answer { status, body, elapsed: started.elapsed() }
    }

    /// Returns the only request to a source.
    pub fn only_request(&self, source: Source) -> Visit {
        let mut requests = self.sources.visits(source);
        assert_eq!(requests.len(), 1, "{source:?}: {requests:?}");
        requests.remove(0)
    }
}

fn test_value<'a>(name: &str, sources: &'a str) -> Option<&'a str> {
    match name {
        "IPAPI_URL" | "OPEN_METEO_URL" | "OPENWEATHER_URL" | "CATFACT_URL" => Some(sources),
        "SOURCE_RETRY_WAIT" => Some("10ms"),
        _ => None,
    }
}
