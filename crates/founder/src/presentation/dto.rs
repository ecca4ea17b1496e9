//! The bodies.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_kit::time;
use user_context::{CatFact, Location, Weather};
use utoipa::{IntoParams, ToSchema};

use crate::{
    parts::{Asked, Context, Ended, Part},
    strategies::Strategy,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserContextQuery {
    /// `promise-allsettled` (or `parallel`), `async-sequential` (or `sequential`) or `rxjs` (or `stream`), in upper
    /// or lower case.
    #[param(example = "promise-allsettled")]
    pub strategy: Option<String>,
}

/// What is known of a user's surroundings; a part that could not be had is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserContext)]
pub struct UserContextBody {
    location: Option<LocationBody>,
    weather: Option<WeatherBody>,
    entertainment: Option<EntertainmentBody>,
    /// The part `entertainment` under the names that the workflow `userContextWorkflow` gives it.
    cat_fact: Option<CatFactBody>,
    /// When the last part was there (RFC 3339, UTC).
    #[schema(example = "2026-11-24T10:00:00.000Z")]
    aggregated_at: String,
    /// From the request to the last part, in milliseconds.
    processing_time_ms: u64,
    #[schema(example = "promise-allsettled")]
    strategy_used: &'static str,
    /// One line for each part that is missing, with why.
    #[schema(example = json!(["weather skipped: location unavailable"]))]
    errors: Vec<String>,
    /// How asking each source ended.
    sources: Vec<SourceBody>,
}

impl UserContextBody {
    pub fn new(context: Context, strategy: Strategy, took: Duration) -> Self {
        Self {
            aggregated_at: time::now(),
            processing_time_ms: millis(took),
            strategy_used: strategy.name(),
            errors: context.ended().filter_map(|ended| ended.error()).collect(),
            sources: context.ended().map(|ended| SourceBody::from(&ended)).collect(),
            location: had(context.location),
            weather: had(context.weather),
            cat_fact: had(context.entertainment.clone()),
            entertainment: had(context.entertainment),
        }
    }
}

fn had<T, B: From<T>>(asked: Option<Asked<T>>) -> Option<B> {
    asked?.result.ok().map(Into::into)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How asking one source ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Source)]
pub struct SourceBody {
    /// The part it is asked for: `location`, `weather` or `entertainment`.
    #[schema(example = "weather")]
    name: &'static str,
    /// `ok`, `failed` or `skipped` (it was not asked).
    #[schema(example = "ok")]
    status: &'static str,
    /// From the first try to the end of the last, in milliseconds.
    latency_ms: u64,
    /// How often it was asked.
    #[schema(example = 1)]
    attempts: u32,
}

impl From<&Ended<'_>> for SourceBody {
    fn from(ended: &Ended<'_>) -> Self {
        Self {
            name: ended.name.as_str(),
            status: ended.status.as_str(),
            latency_ms: millis(ended.latency),
            attempts: ended.attempts,
        }
    }
}

/// One part, as the stream sends it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Part)]
pub struct PartBody {
    #[serde(flatten)]
    source: SourceBody,
    /// The member of the whole answer that has the same name; null where it is missing.
    value: Option<ValueBody>,
    /// Why it is missing.
    error: Option<String>,
}

impl From<&Part> for PartBody {
    fn from(part: &Part) -> Self {
        let ended = part.ended();
        let value = match part {
            Part::Location(asked) => asked.result.clone().ok().map(|part| ValueBody::Location(part.into())),
            Part::Weather(asked) => asked.result.clone().ok().map(|part| ValueBody::Weather(part.into())),
            Part::Entertainment(asked) => {
                asked.result.clone().ok().map(|part| ValueBody::Entertainment(part.into()))
            }
        };
        Self { source: SourceBody::from(&ended), value, error: ended.error() }
    }
}

/// What a part is.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = PartValue)]
pub enum ValueBody {
    Location(LocationBody),
    Weather(WeatherBody),
    Entertainment(EntertainmentBody),
}

#[derive(Serialize, ToSchema)]
#[schema(as = Location)]
pub struct LocationBody {
    #[schema(example = "203.0.113.7")]
    ip: String,
    #[schema(example = "Vienna")]
    city: String,
    region: String,
    /// ISO 3166-1, two letters.
    #[schema(example = "AT")]
    country: String,
    #[schema(example = 48.2085)]
    latitude: f64,
    #[schema(example = 16.3721)]
    longitude: f64,
    /// A name of the IANA time zone database.
    #[schema(example = "Europe/Vienna")]
    timezone: String,
}

impl From<Location> for LocationBody {
    fn from(location: Location) -> Self {
        let Location { ip, city, region, country, coordinates, timezone } = location;
        Self {
            ip: ip.to_string(),
            city: city.into_string(),
            region: region.into_string(),
            country: country.into_string(),
            latitude: coordinates.latitude(),
            longitude: coordinates.longitude(),
            timezone: timezone.into_string(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Weather)]
pub struct WeatherBody {
    #[schema(example = "slight rain")]
    description: String,
    /// Degrees Celsius.
    temperature: f64,
    /// Degrees Celsius.
    feels_like: f64,
    /// Percent.
    humidity: u8,
    /// Metres a second.
    wind_speed: f64,
}

impl From<Weather> for WeatherBody {
    fn from(weather: Weather) -> Self {
        let Weather { description, temperature, feels_like, humidity, wind_speed } = weather;
        Self {
            description: description.into_string(),
            temperature: temperature.value(),
            feels_like: feels_like.value(),
            humidity: humidity.value(),
            wind_speed: wind_speed.value(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Entertainment)]
pub struct EntertainmentBody {
    cat_fact: String,
    /// Who says so.
    #[schema(example = "catfact.ninja")]
    source: &'static str,
}

impl From<CatFact> for EntertainmentBody {
    fn from(CatFact { fact, source }: CatFact) -> Self {
        Self { cat_fact: fact.into_string(), source }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatFact)]
pub struct CatFactBody {
    fact: String,
    /// The service that tells it.
    #[schema(example = "catfact.ninja")]
    source: &'static str,
}

impl From<CatFact> for CatFactBody {
    fn from(CatFact { fact, source }: CatFact) -> Self {
        Self { fact: fact.into_string(), source }
    }
}
