//! The weather from <https://openweathermap.org/current>, which needs a key.

use async_trait::async_trait;
use serde::Deserialize;
use service_kit::client::Caller;

use super::{InvalidAnswer, fetch};
use crate::{
    ApiKey, Celsius, Coordinates, Fetched, MetresPerSecond, Percent, SourceError, Weather, WeatherSource,
};

pub struct OpenWeatherMap {
    url: String,
    key: ApiKey,
    caller: Caller,
}

impl OpenWeatherMap {
    pub fn new(base_url: &str, key: ApiKey, caller: Caller) -> Self {
        Self { url: format!("{base_url}/data/2.5/weather"), key, caller }
    }
}

#[derive(Deserialize)]
struct Body {
    weather: Vec<Condition>,
    main: Main,
    wind: Wind,
}

#[derive(Deserialize)]
struct Condition {
    description: String,
}

#[derive(Deserialize)]
struct Main {
    temp: f64,
    feels_like: f64,
    humidity: f64,
}

/// In metres per second, since the request has `units=metric`.
#[derive(Deserialize)]
struct Wind {
    speed: f64,
}

fn read(Body { weather, main, wind }: Body) -> Result<Weather, InvalidAnswer> {
    // The first condition is the primary one.
    let condition = weather.first().ok_or(InvalidAnswer::Missing("`weather`"))?;
    Ok(Weather {
        description: condition.description.parse()?,
        temperature: Celsius::new(main.temp)?,
        feels_like: Celsius::new(main.feels_like)?,
        humidity: Percent::new(main.humidity)?,
        wind_speed: MetresPerSecond::new(wind.speed)?,
    })
}

#[async_trait]
impl WeatherSource for OpenWeatherMap {
    async fn weather(&self, at: &Coordinates) -> Result<Fetched<Weather>, SourceError> {
        let (latitude, longitude) = (at.latitude().to_string(), at.longitude().to_string());
        let query = [
            ("lat", latitude.as_str()),
            ("lon", &longitude),
            ("appid", self.key.expose_secret()),
            ("units", "metric"),
        ];
        fetch(&self.caller, &self.url, &query, read).await
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parse, *};

    const BODY: &str = r#"{
        "coord": {"lon": 16.3721, "lat": 48.2085},
        "weather": [{"id": 500, "main": "Rain", "description": "light rain", "icon": "10d"}], "base": "stations",
        "main": {"temp": 4.1, "feels_like": -0.3, "temp_min": 3.2, "temp_max": 5, "pressure": 1015, "humidity": 81},
        "visibility": 10000, "wind": {"speed": 5, "deg": 300}, "clouds": {"all": 75}, "name": "Vienna", "cod": 200
    }"#;

    #[test]
    fn the_weather_is_read() {
        let weather = parse(BODY.as_bytes(), read).unwrap();
        assert_eq!(weather.description.as_str(), "light rain");
        assert_eq!((weather.temperature.value(), weather.wind_speed.value()), (4.1, 5.0));
    }

    #[test]
    fn a_missing_condition_is_an_error() {
        let body =
            BODY.replace(r#"{"id": 500, "main": "Rain", "description": "light rain", "icon": "10d"}"#, "");
        assert_eq!(parse(body.as_bytes(), read).unwrap_err().to_string(), "nothing in `weather`");
    }
}
