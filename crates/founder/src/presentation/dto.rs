//! The bodies of answers, and the query.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use service_kit::time;
use user_context::{CatFact, Location, Weather};
use utoipa::{IntoParams, ToSchema};

use crate::{
    parts::{CollectedParts, Part, PartOutcome, PartResult},
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

/// The parts of a user context. A missing part is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserContext)]
pub struct UserContextBody {
    location: Option<LocationBody>,
    weather: Option<WeatherBody>,
    entertainment: Option<EntertainmentBody>,
    /// The part `entertainment` with the member names of the workflow `userContextWorkflow`.
    cat_fact: Option<CatFactBody>,
    /// The time at which the last part arrived (RFC 3339, UTC).
    #[schema(example = "2026-11-24T10:00:00.000Z")]
    aggregated_at: String,
    /// The time from the request to the last part, in milliseconds.
    processing_time_ms: u64,
    #[schema(example = "promise-allsettled")]
    strategy_used: &'static str,
    /// One line for each missing part, with the reason.
    #[schema(example = json!(["weather skipped: location unavailable"]))]
    errors: Vec<String>,
    /// The result of the call to each source.
    sources: Vec<SourceBody>,
}

impl UserContextBody {
    pub fn new(context: CollectedParts, strategy: Strategy, elapsed: Duration) -> Self {
        Self {
            aggregated_at: time::now(),
            processing_time_ms: millis(elapsed),
            strategy_used: strategy.name(),
            errors: context.outcomes().filter_map(|outcome| outcome.error()).collect(),
            sources: context.outcomes().map(|outcome| SourceBody::from(&outcome)).collect(),
            location: into_body(context.location),
            weather: into_body(context.weather),
            cat_fact: into_body(context.entertainment.clone()),
            entertainment: into_body(context.entertainment),
        }
    }
}

fn into_body<T, B: From<T>>(result: Option<PartResult<T>>) -> Option<B> {
    result?.result.ok().map(Into::into)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The result of the call to one source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Source)]
pub struct SourceBody {
    /// The part that it provides: `location`, `weather` or `entertainment`.
    #[schema(example = "weather")]
    name: &'static str,
    /// `ok`, `failed` or `skipped` (it was not called).
    #[schema(example = "ok")]
    status: &'static str,
    /// The time from the start of the first attempt to the end of the last one, in milliseconds.
    latency_ms: u64,
    /// The number of calls to it.
    #[schema(example = 1)]
    attempts: u32,
}

impl From<&PartOutcome<'_>> for SourceBody {
    fn from(outcome: &PartOutcome<'_>) -> Self {
        Self {
            name: outcome.name.as_str(),
            status: outcome.status.as_str(),
            latency_ms: millis(outcome.latency),
            attempts: outcome.attempts,
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
    /// The value of the member with the same name in the whole answer; null if the part is missing.
    value: Option<ValueBody>,
    /// The reason if the part is missing.
    error: Option<String>,
}

impl From<&Part> for PartBody {
    fn from(part: &Part) -> Self {
        let outcome = part.outcome();
        let value = match part {
            Part::Location(result) => result.result.clone().ok().map(|part| ValueBody::Location(part.into())),
            Part::Weather(result) => result.result.clone().ok().map(|part| ValueBody::Weather(part.into())),
            Part::Entertainment(result) => {
                result.result.clone().ok().map(|part| ValueBody::Entertainment(part.into()))
            }
        };
        Self { source: SourceBody::from(&outcome), value, error: outcome.error() }
    }
}

/// The value of a part.
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
    /// Metres per second.
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
    /// The name of the source.
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
    /// The name of the source.
    #[schema(example = "catfact.ninja")]
    source: &'static str,
}

impl From<CatFact> for CatFactBody {
    fn from(CatFact { fact, source }: CatFact) -> Self {
        Self { fact: fact.into_string(), source }
    }
}
