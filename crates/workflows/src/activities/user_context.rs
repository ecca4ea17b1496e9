//! Activities that fetch a user's location, the weather there and a cat fact. They change nothing.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LookUpInput {
    pub correlation_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeatherInput {
    pub correlation_id: String,
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
}

/// The location of the caller's address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    pub ip: String,
    pub city: String,
    pub region: String,
    /// ISO 3166-1, two letters.
    pub country: String,
    pub latitude: f64,
    pub longitude: f64,
    /// A name of the IANA time zone database.
    pub timezone: String,
}

/// The weather at the location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Weather {
    pub description: String,
    /// Degrees Celsius.
    pub temperature: f64,
    /// Degrees Celsius.
    pub feels_like: f64,
    /// Percent.
    pub humidity: u8,
    /// Metres a second.
    pub wind_speed: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatFact {
    pub fact: String,
    /// The name of the source.
    pub source: String,
}

pub struct UserContextActivities;

#[activity_definitions]
impl UserContextActivities {
    #[activity(name = "getCurrentLocationActivity")]
    pub fn get_location(input: LookUpInput) -> Location {
        unimplemented!()
    }

    #[activity(name = "getWeatherActivity")]
    pub fn get_weather(input: WeatherInput) -> Weather {
        unimplemented!()
    }

    #[activity(name = "getCatFactActivity")]
    pub fn get_cat_fact(input: LookUpInput) -> CatFact {
        unimplemented!()
    }
}

pub use user_context_activities::{GetCatFact, GetLocation, GetWeather};
