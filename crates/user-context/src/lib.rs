//! What is known of a user's surroundings: where they are, the weather there, and a cat fact. Models and
//! ports first; then the adapters of the real sources and a stand-in for machines without the internet.

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
    CatFact, Celsius, Coordinates, Implausible, Location, MetresPerSecond, Percent, Text, Weather,
};
pub use ports::{CatFactSource, Fetched, LocationSource, WeatherSource};
pub use service_kit::client::Tries;
