//! A stand-in for the sources on machines without the internet. It answers over real HTTP on the loopback address,
//! in the exact JSON of the sources, including their errors. Tests set its behaviour, and read its requests.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use service_kit::correlation;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::Config;

/// Only the latest requests are kept.
const MAX_RECORDED_REQUESTS: usize = 1000;

/// The sources that the stand-in replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    Ipapi,
    OpenMeteo,
    OpenWeatherMap,
    CatFact,
}

impl Source {
    fn from_path(path: &str) -> Option<Self> {
        match path {
            "/json/" => Some(Self::Ipapi),
            "/v1/forecast" => Some(Self::OpenMeteo),
            "/data/2.5/weather" => Some(Self::OpenWeatherMap),
            "/fact" => Some(Self::CatFact),
            _ => None,
        }
    }

    fn rate_limited(self) -> Value {
        match self {
            Self::Ipapi => json!({
                "error": true,
                "reason": "RateLimited",
                "message": "Visit https://ipapi.co/ratelimited/ for details"
            }),
            Self::OpenMeteo => {
                json!({ "reason": "Minutely API request limit exceeded. Please try again in one minute.", "error": true })
            }
            Self::OpenWeatherMap => json!({
                "cod": 429,
                "message": "Your account is temporary blocked due to exceeding of requests limitation of your subscription type."
            }),
            Self::CatFact => json!({ "message": "Too Many Attempts." }),
        }
    }
}

/// The behaviour of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Conduct {
    #[default]
    Answers,
    /// Answers after this delay.
    Late(Duration),
    /// Answers 429 with the source's own body, and with `Retry-After` in seconds.
    RateLimited { retry_after: Option<u64> },
    /// Answers this status without a body.
    Fails(u16),
    /// Answers 200 with this body.
    Says(String),
}

/// One received request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    pub source: Source,
    pub at: Instant,
    pub correlation_id: Option<String>,
}

#[derive(Default)]
struct ScriptedSources {
    /// The next behaviours; the last one repeats.
    conducts: HashMap<Source, VecDeque<Conduct>>,
    visits: VecDeque<Visit>,
}

/// A running stand-in, which stops when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    url: String,
    script: Arc<Mutex<ScriptedSources>>,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for ScriptedSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedSources").finish_non_exhaustive()
    }
}

impl StandIn {
    /// Starts a stand-in on a free port.
    ///
    /// # Errors
    /// Returns an error when no port is free.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let script = Arc::new(Mutex::new(ScriptedSources::default()));
        let app = router(script.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "stand-in server stopped");
            }
        });
        Ok(Self { url, script, serving })
    }

    /// Returns the base URL of all sources.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the configuration with the URLs of this stand-in.
    #[must_use]
    pub fn override_urls(&self, config: &Config) -> Config {
        Config {
            ipapi_url: self.url.clone(),
            open_meteo_url: self.url.clone(),
            openweather_url: self.url.clone(),
            catfact_url: self.url.clone(),
            ..config.clone()
        }
    }

    /// Sets the behaviour of a source from now on.
    pub fn set_behaviour(&self, source: Source, conduct: Conduct) {
        self.queue_behaviours(source, [conduct]);
    }

    /// Sets the behaviours of a source for its next requests; the last one repeats.
    pub fn queue_behaviours(&self, source: Source, conducts: impl IntoIterator<Item = Conduct>) {
        lock_script(&self.script).conducts.insert(source, conducts.into_iter().collect());
    }

    /// Returns the latest requests to a source, the oldest first.
    #[must_use]
    pub fn visits(&self, source: Source) -> Vec<Visit> {
        lock_script(&self.script).visits.iter().filter(|visit| visit.source == source).cloned().collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Locks the script. Each of its changes is complete, so a panic leaves it consistent.
fn lock_script(script: &Mutex<ScriptedSources>) -> MutexGuard<'_, ScriptedSources> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

fn router(script: Arc<Mutex<ScriptedSources>>) -> Router {
    Router::new()
        .route("/json/", get(ipapi))
        .route("/v1/forecast", get(open_meteo))
        .route("/data/2.5/weather", get(open_weather_map))
        .route("/fact", get(cat_fact))
        .layer(middleware::from_fn_with_state(script, respond))
}

/// Records the request, and answers with the next behaviour.
#[expect(clippy::disallowed_methods, reason = "a source that is configured to be slow")]
async fn respond(
    State(script): State<Arc<Mutex<ScriptedSources>>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(source) = Source::from_path(request.uri().path()) else { return next.run(request).await };
    let conduct = record_request(&mut lock_script(&script), source, request.headers());
    match conduct {
        Conduct::Answers => next.run(request).await,
        Conduct::Late(time) => {
            tokio::time::sleep(time).await;
            next.run(request).await
        }
        Conduct::RateLimited { retry_after } => {
            let answer = (StatusCode::TOO_MANY_REQUESTS, Json(source.rate_limited()));
            match retry_after {
                Some(seconds) => ([(header::RETRY_AFTER, seconds.to_string())], answer).into_response(),
                None => answer.into_response(),
            }
        }
        Conduct::Fails(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        Conduct::Says(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
    }
}

fn record_request(script: &mut ScriptedSources, source: Source, headers: &HeaderMap) -> Conduct {
    let correlation_id = headers.get(correlation::HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
    if script.visits.len() == MAX_RECORDED_REQUESTS {
        script.visits.pop_front();
    }
    script.visits.push_back(Visit { source, at: Instant::now(), correlation_id });
    let Some(conducts) = script.conducts.get_mut(&source) else { return Conduct::Answers };
    if conducts.len() > 1 {
        conducts.pop_front().unwrap_or_default()
    } else {
        conducts.front().cloned().unwrap_or_default()
    }
}

async fn ipapi() -> Json<Value> {
    Json(json!({
        "ip": "203.0.113.7", "network": "203.0.113.0/24", "version": "IPv4", "city": "Vienna", "region": "Vienna",
        "region_code": "9", "country": "AT", "country_name": "Austria", "country_code": "AT",
        "country_code_iso3": "AUT", "country_capital": "Vienna", "country_tld": ".at", "continent_code": "EU",
        "in_eu": true, "postal": "1010", "latitude": 48.2085, "longitude": 16.3721, "timezone": "Europe/Vienna",
        "utc_offset": "+0100", "country_calling_code": "+43", "currency": "EUR", "currency_name": "Euro",
        "languages": "de-AT,hr,hu,sl", "country_area": 83858.0, "country_population": 8_847_037,
        "asn": "AS64496", "org": "EXAMPLE"
    }))
}

/// Returns an angle of the query, if it is within the limit.
fn degrees(query: &HashMap<String, String>, name: &str, maximum: f64) -> Option<f64> {
    query.get(name)?.parse().ok().filter(|degrees: &f64| degrees.abs() <= maximum)
}

async fn open_meteo(Query(query): Query<HashMap<String, String>>) -> Response {
    let refuse = |reason: &str| {
        (StatusCode::BAD_REQUEST, Json(json!({ "reason": reason, "error": true }))).into_response()
    };
    let Some(latitude) = degrees(&query, "latitude", 90.0) else {
        return refuse("Latitude must be in range of -90 to 90°.");
    };
    let Some(longitude) = degrees(&query, "longitude", 180.0) else {
        return refuse("Longitude must be in range of -180 to 180°.");
    };
    let (mut units, mut current) = (
        json!({ "time": "iso8601", "interval": "seconds" }),
        json!({ "time": "2026-11-23T12:00", "interval": 900 }),
    );
    for name in query.get("current").map_or("", String::as_str).split(',').filter(|name| !name.is_empty()) {
        let (unit, value) = match name {
            "temperature_2m" => ("°C", json!(4.1)),
            "apparent_temperature" => ("°C", json!(-0.3)),
            "relative_humidity_2m" => ("%", json!(81)),
            "wind_speed_10m" => ("km/h", json!(18.0)),
            "weather_code" => ("wmo code", json!(61)),
            _ => {
                return refuse(&format!(
                    "Data corrupted at path ''. Cannot initialize VariableAndPreviousDay from invalid String value {name}."
                ));
            }
        };
        units[name] = json!(unit);
        current[name] = value;
    }
    Json(json!({
        "latitude": latitude, "longitude": longitude, "generationtime_ms": 0.06, "utc_offset_seconds": 0,
        "timezone": "GMT", "timezone_abbreviation": "GMT", "elevation": 171.0,
        "current_units": units, "current": current
    }))
    .into_response()
}

async fn open_weather_map(Query(query): Query<HashMap<String, String>>) -> Response {
    if query.get("appid").is_none_or(String::is_empty) {
        let message = "Invalid API key. Please see https://openweathermap.org/faq#error401 for more info.";
        return (StatusCode::UNAUTHORIZED, Json(json!({ "cod": 401, "message": message }))).into_response();
    }
    let refuse = |message: &str| {
        (StatusCode::BAD_REQUEST, Json(json!({ "cod": "400", "message": message }))).into_response()
    };
    let Some(latitude) = degrees(&query, "lat", 90.0) else { return refuse("wrong latitude") };
    let Some(longitude) = degrees(&query, "lon", 180.0) else { return refuse("wrong longitude") };
    // Without `units=metric` the source answers in kelvin.
    let zero = if query.get("units").is_some_and(|units| units == "metric") { 0.0 } else { 273.15 };
    Json(json!({
        "coord": { "lon": longitude, "lat": latitude },
        "weather": [{ "id": 500, "main": "Rain", "description": "light rain", "icon": "10d" }],
        "base": "stations",
        "main": {
            "temp": zero + 4.1, "feels_like": zero - 0.3, "temp_min": zero + 3.2, "temp_max": zero + 5.0,
            "pressure": 1015, "humidity": 81
        },
        "visibility": 10000, "wind": { "speed": 5.0, "deg": 300 }, "clouds": { "all": 75 },
        "dt": 1_795_435_200, "sys": { "country": "AT" }, "timezone": 3600, "id": 2_761_369, "name": "Vienna", "cod": 200
    }))
    .into_response()
}

async fn cat_fact() -> Json<Value> {
    const FACT: &str = "A cat can turn each of its ears by itself, and half around.";
    Json(json!({ "fact": FACT, "length": FACT.len() }))
}
