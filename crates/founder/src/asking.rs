//! Asks the sources for parts, and notes how long it took.

use std::time::Instant;

use user_context::{CatFact, Coordinates, Fetched, Location, SourceError, Sources, Weather};

use crate::parts::{Asked, Missing};

/// Where the user is.
pub async fn location(sources: &Sources) -> Asked<Location> {
    asked(sources.location.locate()).await
}

/// The weather where the user is, if that is known.
pub async fn weather(sources: &Sources, at: Option<Coordinates>) -> Asked<Weather> {
    match at {
        Some(at) => asked(sources.weather.weather(&at)).await,
        None => Asked::skipped(Missing::NoLocation),
    }
}

/// A cat fact.
pub async fn entertainment(sources: &Sources) -> Asked<CatFact> {
    asked(sources.cat_fact.fact()).await
}

/// The place to ask the weather of.
pub fn place(location: &Asked<Location>) -> Option<Coordinates> {
    location.result.as_ref().ok().map(|location| location.coordinates)
}

async fn asked<T>(question: impl Future<Output = Result<Fetched<T>, SourceError>>) -> Asked<T> {
    let started = Instant::now();
    match question.await {
        Ok(Fetched { value, attempts }) => Asked { result: Ok(value), latency: started.elapsed(), attempts },
        Err(SourceError { attempts: 0, .. }) => Asked::skipped(Missing::NoTime),
        Err(SourceError { fault, attempts }) => {
            Asked { result: Err(Missing::Failed(fault)), latency: started.elapsed(), attempts }
        }
    }
}
