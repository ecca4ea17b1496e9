//! What a user's context is made from. Each port is one question to somebody else, who may not answer.

use async_trait::async_trait;

use crate::{CatFact, Coordinates, Location, SourceError, Weather};

/// A part, and what it took to get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched<T> {
    pub value: T,
    /// How often the source was asked.
    pub attempts: u32,
}

#[async_trait]
pub trait LocationSource: Send + Sync {
    /// Where the caller's address is.
    async fn locate(&self) -> Result<Fetched<Location>, SourceError>;
}

#[async_trait]
pub trait WeatherSource: Send + Sync {
    /// The weather there now.
    async fn weather(&self, at: &Coordinates) -> Result<Fetched<Weather>, SourceError>;
}

#[async_trait]
pub trait CatFactSource: Send + Sync {
    /// Any fact about cats.
    async fn fact(&self) -> Result<Fetched<CatFact>, SourceError>;
}
