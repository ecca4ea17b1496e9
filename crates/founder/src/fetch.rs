//! Calls the sources for parts, and measures the time.

use std::time::Instant;

use user_context::{CatFact, Coordinates, Fetched, Location, SourceError, Sources, Weather};

use crate::parts::{MissingReason, PartResult};

/// Fetches the location of the user.
pub async fn location(sources: &Sources) -> PartResult<Location> {
    timed(sources.location.locate()).await
}

/// Fetches the weather at the user's location, if that is known.
pub async fn weather(sources: &Sources, at: Option<Coordinates>) -> PartResult<Weather> {
    match at {
        Some(at) => timed(sources.weather.weather(&at)).await,
        None => PartResult::skipped(MissingReason::NoLocation),
    }
}

/// Fetches a cat fact.
pub async fn entertainment(sources: &Sources) -> PartResult<CatFact> {
    timed(sources.cat_fact.fact()).await
}

/// Returns the coordinates of a fetched location.
pub fn coordinates_of(location: &PartResult<Location>) -> Option<Coordinates> {
    location.result.as_ref().ok().map(|location| location.coordinates)
}

async fn timed<T>(call: impl Future<Output = Result<Fetched<T>, SourceError>>) -> PartResult<T> {
    let started = Instant::now();
    match call.await {
        Ok(Fetched { value, attempts }) => {
            PartResult { result: Ok(value), latency: started.elapsed(), attempts }
        }
        Err(SourceError { attempts: 0, .. }) => PartResult::skipped(MissingReason::DeadlinePassed),
        Err(SourceError { fault, attempts }) => {
            PartResult { result: Err(MissingReason::Failed(fault)), latency: started.elapsed(), attempts }
        }
    }
}
