//! The weather from <https://open-meteo.com/en/docs>, which is free and needs no key.

use async_trait::async_trait;
use serde::Deserialize;
use service_kit::client::Caller;

use super::{InvalidAnswer, fetch};
use crate::{Celsius, Coordinates, Fetched, MetresPerSecond, Percent, SourceError, Weather, WeatherSource};

const CURRENT: &str = "temperature_2m,apparent_temperature,relative_humidity_2m,wind_speed_10m,weather_code";

pub struct OpenMeteo {
    url: String,
    caller: Caller,
}

impl OpenMeteo {
    pub fn new(base_url: &str, caller: Caller) -> Self {
        Self { url: format!("{base_url}/v1/forecast"), caller }
    }
}

#[derive(Deserialize)]
struct Body {
    current: Current,
    current_units: Units,
}

#[derive(Deserialize)]
struct Current {
    temperature_2m: f64,
    apparent_temperature: f64,
    relative_humidity_2m: f64,
    wind_speed_10m: f64,
    weather_code: u16,
}

/// The units of the numbers. The answer states them, since the defaults of the source have changed before.
#[derive(Deserialize)]
struct Units {
    temperature_2m: String,
    apparent_temperature: String,
    wind_speed_10m: String,
}

fn read(Body { current, current_units }: Body) -> Result<Weather, InvalidAnswer> {
    Ok(Weather {
        description: describe(current.weather_code).parse()?,
        temperature: celsius(current.temperature_2m, &current_units.temperature_2m)?,
        feels_like: celsius(current.apparent_temperature, &current_units.apparent_temperature)?,
        humidity: Percent::new(current.relative_humidity_2m)?,
        wind_speed: metres_per_second(current.wind_speed_10m, &current_units.wind_speed_10m)?,
    })
}

fn celsius(degrees: f64, unit: &str) -> Result<Celsius, InvalidAnswer> {
    match unit {
        "°C" => Ok(Celsius::new(degrees)?),
        _ => Err(InvalidAnswer::Unit(unit.to_owned())),
    }
}

fn metres_per_second(speed: f64, unit: &str) -> Result<MetresPerSecond, InvalidAnswer> {
    let speed = match unit {
        "m/s" => speed,
        "km/h" => speed / 3.6,
        "mp/h" | "mph" => speed * 0.447_04,
        "kn" => speed * 1852.0 / 3600.0,
        _ => return Err(InvalidAnswer::Unit(unit.to_owned())),
    };
    Ok(MetresPerSecond::new(speed)?)
}

/// Returns the description of a code of WMO table 4677, as far as Open-Meteo documents it.
const fn describe(code: u16) -> &'static str {
    match code {
        0 => "clear sky",
        1 => "mainly clear",
        2 => "partly cloudy",
        3 => "overcast",
        45 => "fog",
        48 => "depositing rime fog",
        51 => "light drizzle",
        53 => "moderate drizzle",
        55 => "dense drizzle",
        56 => "light freezing drizzle",
        57 => "dense freezing drizzle",
        61 => "slight rain",
        63 => "moderate rain",
        65 => "heavy rain",
        66 => "light freezing rain",
        67 => "heavy freezing rain",
        71 => "slight snow fall",
        73 => "moderate snow fall",
        75 => "heavy snow fall",
        77 => "snow grains",
        80 => "slight rain showers",
        81 => "moderate rain showers",
        82 => "violent rain showers",
        85 => "slight snow showers",
        86 => "heavy snow showers",
        95 => "thunderstorm",
        96 => "thunderstorm with slight hail",
        99 => "thunderstorm with heavy hail",
        _ => "unknown",
    }
}

#[async_trait]
impl WeatherSource for OpenMeteo {
    async fn weather(&self, at: &Coordinates) -> Result<Fetched<Weather>, SourceError> {
        let (latitude, longitude) = (at.latitude().to_string(), at.longitude().to_string());
        let query = [("latitude", latitude.as_str()), ("longitude", &longitude), ("current", CURRENT)];
        fetch(&self.caller, &self.url, &query, read).await
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parse, *};

    const BODY: &str = r#"{
        "latitude": 48.2, "longitude": 16.36, "generationtime_ms": 0.06, "utc_offset_seconds": 0, "elevation": 171.0,
        "current_units": {"time": "iso8601", "interval": "seconds", "temperature_2m": "°C",
            "apparent_temperature": "°C", "relative_humidity_2m": "%", "wind_speed_10m": "km/h", "weather_code": "wmo code"},
        "current": {"time": "2026-11-23T12:00", "interval": 900, "temperature_2m": 4.1, "apparent_temperature": -0.3,
            "relative_humidity_2m": 81, "wind_speed_10m": 18.0, "weather_code": 61}
    }"#;

    fn read_body(body: &str) -> Result<Weather, String> {
        parse(body.as_bytes(), read).map_err(|error| error.to_string())
    }

    #[test]
    fn the_weather_is_read() {
        let weather = read_body(BODY).unwrap();
        assert_eq!(weather.description.as_str(), "slight rain");
        assert_eq!((weather.temperature.value(), weather.feels_like.value()), (4.1, -0.3));
        assert_eq!(weather.humidity.value(), 81);
    }

    #[test]
    fn wind_in_any_known_unit_becomes_metres_per_second() {
        for (unit, speed) in [("km/h", 5.0), ("m/s", 18.0), ("mp/h", 8.05), ("kn", 9.26)] {
            let weather = read_body(&BODY.replace("km/h", unit)).unwrap();
            assert!((weather.wind_speed.value() - speed).abs() < 1e-9, "{unit}: {weather:?}");
        }
        assert_eq!(read_body(&BODY.replace("km/h", "Bft")), Err("an unknown unit \"Bft\"".to_owned()));
    }

    #[test]
    fn a_temperature_in_another_unit_is_an_error() {
        assert_eq!(read_body(&BODY.replace("°C", "°F")), Err("an unknown unit \"°F\"".to_owned()));
    }

    #[test]
    fn an_unknown_weather_code_is_no_error() {
        let weather = read_body(&BODY.replace(": 61", ": 42")).unwrap();
        assert_eq!(weather.description.as_str(), "unknown");
    }

    #[test]
    fn an_error_answer_and_a_missing_number_are_errors() {
        assert!(read_body(r#"{"error": true, "reason": "…"}"#).unwrap_err().contains("`current`"));
        assert!(read_body(&BODY.replace("4.1", "null")).unwrap_err().contains("invalid type"));
    }
}
