#![doc = include_str!("../README.md")]

mod adapters;
mod config;
mod error;
mod models;
mod ports;
pub mod stand_in;

pub use adapters::Sources;
pub use config::{ApiKey, Config, VARIABLES};
pub use error::{SourceError, SourceFault};
pub use models::{
    CatFact, Celsius, Coordinates, InvalidValue, Location, MetresPerSecond, Percent, Text, Weather,
};
pub use ports::{CatFactSource, Fetched, LocationSource, WeatherSource};
pub use service_kit::client::Tries;
