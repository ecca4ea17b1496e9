//! The ports: one trait for each part of a user context. Every call can fail.

use async_trait::async_trait;

use crate::{CatFact, Coordinates, Location, SourceError, Weather};

/// A part, with the number of attempts that it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched<T> {
    pub value: T,
    /// The number of calls to the source.
    pub attempts: u32,
}

#[async_trait]
pub trait LocationSource: Send + Sync {
    /// Returns the location of this machine's internet address.
    async fn locate(&self) -> Result<Fetched<Location>, SourceError>;
}

#[async_trait]
pub trait WeatherSource: Send + Sync {
    /// Returns the current weather at a location.
    async fn weather(&self, at: &Coordinates) -> Result<Fetched<Weather>, SourceError>;
}

#[async_trait]
pub trait CatFactSource: Send + Sync {
    /// Returns a random cat fact.
    async fn fact(&self) -> Result<Fetched<CatFact>, SourceError>;
}
