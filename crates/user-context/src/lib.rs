//! The parts of a user context: location, weather and a cat fact. It has the models, the ports, the adapters of the
//! real sources, and a stand-in for machines without the internet.

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
