//! User-context activities. Each calls one source by the adapters of `user-context`. An attempt makes one
//! call, and Temporal retries.

use std::sync::Arc;

use ::user_context::{Coordinates, Fetched, SourceError};
use service_kit::correlation::CorrelationId;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::activities::user_context::{
    CatFact, GetCatFact, GetLocation, GetWeather, Location, LookUpInput, Weather, WeatherInput,
};

use super::{ActivityDeps, AttemptError, LogFields};
use crate::failure::CallError;

#[derive(Clone)]
pub struct UserContext(pub ActivityDeps);

#[activities]
impl UserContext {
    #[activity(definition = GetLocation)]
    async fn location(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LookUpInput,
    ) -> Result<Location, ActivityError> {
        let attempt = fetch(&input.correlation_id, self.0.sources().location.locate());
        let found = self.0.run_attempt(&ctx, LogFields::of(&input.correlation_id), attempt).await?;
        Ok(Location {
            ip: found.ip.to_string(),
            city: found.city.into_string(),
            region: found.region.into_string(),
            country: found.country.into_string(),
            latitude: found.coordinates.latitude(),
            longitude: found.coordinates.longitude(),
            timezone: found.timezone.into_string(),
        })
    }

    #[activity(definition = GetWeather)]
    async fn weather(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: WeatherInput,
    ) -> Result<Weather, ActivityError> {
        let attempt = async {
            let at = Coordinates::new(input.latitude, input.longitude)
                .map_err(|error| CallError::not_sent("not_on_earth", error.to_string()))?;
            fetch(&input.correlation_id, self.0.sources().weather.weather(&at)).await
        };
        let found = self.0.run_attempt(&ctx, LogFields::of(&input.correlation_id), attempt).await?;
        Ok(Weather {
            description: found.description.into_string(),
            temperature: found.temperature.value(),
            feels_like: found.feels_like.value(),
            humidity: found.humidity.value(),
            wind_speed: found.wind_speed.value(),
        })
    }

    #[activity(definition = GetCatFact)]
    async fn cat_fact(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LookUpInput,
    ) -> Result<CatFact, ActivityError> {
        let attempt = fetch(&input.correlation_id, self.0.sources().cat_fact.fact());
        let found = self.0.run_attempt(&ctx, LogFields::of(&input.correlation_id), attempt).await?;
        Ok(CatFact { fact: found.fact.into_string(), source: found.source.to_owned() })
    }
}

/// Calls a source with the workflow's correlation id.
async fn fetch<T>(
    correlation_id: &str,
    question: impl Future<Output = Result<Fetched<T>, SourceError>>,
) -> Result<T, AttemptError> {
    let correlation_id = CorrelationId::parse(correlation_id).unwrap_or_else(CorrelationId::generate);
    let fetched = correlation_id.scope(question).await.map_err(CallError::from)?;
    Ok(fetched.value)
}
