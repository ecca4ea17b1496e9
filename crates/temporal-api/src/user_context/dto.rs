//! Defines the bodies of user contexts. Histories outlive the bodies, so they have types of their own.

use serde::Serialize;
use utoipa::ToSchema;
use workflows::{
    activities::user_context::{CatFact, Location, Weather},
    user_context::{messages::Progress, state::UserContextState},
};

use crate::{
    gateway::{Observed, WorkflowId},
    order::{ErrorBody, RunBody},
};

/// Documents the body of `POST /api/v1/workflows/user-context`.
/// [`UserContextRequest`](super::request::UserContextRequest) reads it.
#[derive(ToSchema)]
#[schema(as = UserContext, rename_all = "camelCase")]
#[allow(dead_code, reason = "the schema alone is used")]
pub struct StartUserContextBody {
    /// Names the workflow. 1 to 128 of `A-Z a-z 0-9 . _ -`.
    #[schema(example = "user-7", min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._-]{1,128}$")]
    user_id: Option<String>,
    /// Is `parallel` or `sequential`, in any case. It also accepts founder's names:
    /// `promise-allsettled`, `rxjs` and `stream` for the first, `async-sequential` for the second.
    #[schema(default = "parallel", example = "parallel")]
    strategy: Option<String>,
    /// Replaces the correlation id of the header. It names the workflow if there is no user.
    #[schema(min_length = 1, max_length = 128)]
    correlation_id: Option<String>,
}

/// Describes a user's surroundings, as far as they are known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserContextState)]
pub struct UserContextBody {
    /// Says that the state is available; in a result, whether any part is. It is absent from the 202 of
    /// a result, which does not know it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    workflow_id: String,
    #[serde(flatten)]
    run: RunBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// Is `parallel` or `sequential`.
    #[schema(example = "parallel")]
    strategy: &'static str,
    /// Is `running`, `completed`, `cancelled` or `failed` (no part is available). After an end from
    /// outside it is `terminated` or `timed_out`.
    #[schema(example = "completed")]
    status: &'static str,
    location: Option<LocationBody>,
    weather: Option<WeatherBody>,
    cat_fact: Option<CatFactBody>,
    /// Lists one line for each missing part, with the reason.
    errors: Vec<String>,
    /// Gives the reason if there is no context.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
    /// Says whether somebody cancelled it in time.
    cancelled: bool,
    /// Grows with every change.
    version: u64,
}

impl UserContextBody {
    pub fn new(id: &WorkflowId, observed: Observed<UserContextState>) -> Self {
        let status = observed.status(|state| state.status.name());
        let Observed { run, state, .. } = observed;
        Self {
            success: Some(true),
            workflow_id: id.as_str().to_owned(),
            run: run.into(),
            user_id: state.user_id,
            strategy: state.strategy.name(),
            status,
            location: state.location.map(Into::into),
            weather: state.weather.map(Into::into),
            cat_fact: state.cat_fact.map(Into::into),
            errors: state.errors,
            error: state.error.map(Into::into),
            cancelled: state.cancelled,
            version: state.version,
        }
    }

    /// Builds the final state: `success` says whether any part is available.
    pub fn of_result(id: &WorkflowId, observed: Observed<UserContextState>) -> Self {
        Self { success: Some(observed.succeeded()), ..Self::new(id, observed) }
    }

    /// Builds the state of a context whose result is not available yet.
    pub fn of_now(id: &WorkflowId, observed: Observed<UserContextState>) -> Self {
        Self { success: None, ..Self::new(id, observed) }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Location)]
pub struct LocationBody {
    ip: String,
    city: String,
    region: String,
    /// ISO 3166-1, two letters.
    country: String,
    latitude: f64,
    longitude: f64,
    /// A name of the IANA time zone database.
    timezone: String,
}

impl From<Location> for LocationBody {
    fn from(location: Location) -> Self {
        let Location { ip, city, region, country, latitude, longitude, timezone } = location;
        Self { ip, city, region, country, latitude, longitude, timezone }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Weather)]
pub struct WeatherBody {
    description: String,
    /// Degrees Celsius.
    temperature: f64,
    /// Degrees Celsius.
    feels_like: f64,
    /// Percent.
    humidity: u8,
    /// Metres a second.
    wind_speed: f64,
}

impl From<Weather> for WeatherBody {
    fn from(weather: Weather) -> Self {
        let Weather { description, temperature, feels_like, humidity, wind_speed } = weather;
        Self { description, temperature, feels_like, humidity, wind_speed }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = CatFact)]
pub struct CatFactBody {
    fact: String,
    /// Names the source of the fact.
    source: String,
}

impl From<CatFact> for CatFactBody {
    fn from(CatFact { fact, source }: CatFact) -> Self {
        Self { fact, source }
    }
}

/// Lists the available parts, and says whether the context is complete.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserContextProgress)]
#[expect(clippy::struct_excessive_bools, reason = "three parts that are there or not, and the end")]
pub struct ContextProgressBody {
    success: bool,
    workflow_id: String,
    location: bool,
    weather: bool,
    cat_fact: bool,
    completed: bool,
}

impl ContextProgressBody {
    pub fn new(id: &WorkflowId, observed: &Observed<UserContextState>) -> Self {
        let Progress { location, weather, cat_fact, completed } = observed.state.progress();
        let completed = completed || observed.is_closed();
        Self { success: true, workflow_id: id.as_str().to_owned(), location, weather, cat_fact, completed }
    }
}
