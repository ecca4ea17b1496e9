//! The adapters: each calls one source over HTTP, and checks every value of its answer.

mod catfact;
mod ipapi;
mod open_meteo;
mod open_weather_map;

use std::{fmt, io, sync::Arc};

use serde::de::DeserializeOwned;
use service_kit::client::{Answer, Caller, Tries};

use crate::{
    CatFactSource, Config, Fetched, InvalidValue, LocationSource, SourceError, SourceFault, WeatherSource,
    stand_in::StandIn,
};

/// Larger than every real answer.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// A limit to error texts, since they quote the answer.
const MAX_REASON_CHARS: usize = 160;

/// The configured adapter of each port.
#[derive(Clone)]
pub struct Sources {
    pub location: Arc<dyn LocationSource>,
    pub weather: Arc<dyn WeatherSource>,
    pub cat_fact: Arc<dyn CatFactSource>,
    /// Keeps the stand-in running as long as the last clone exists.
    _stand_in: Option<Arc<StandIn>>,
}

impl Sources {
    /// Makes the adapters with the configured addresses. A caller that has its own retries passes [`Tries::ONCE`].
    ///
    /// # Errors
    /// Returns an error when the HTTP client can't be set up.
    pub fn new(config: &Config, tries: Tries) -> io::Result<Self> {
        let caller = Caller::new(config.timeout, tries, MAX_BODY_BYTES).map_err(io::Error::other)?;
        let weather: Arc<dyn WeatherSource> = match &config.openweather_api_key {
            None => Arc::new(open_meteo::OpenMeteo::new(&config.open_meteo_url, caller.clone())),
            Some(key) => Arc::new(open_weather_map::OpenWeatherMap::new(
                &config.openweather_url,
                key.clone(),
                caller.clone(),
            )),
        };
        Ok(Self {
            location: Arc::new(ipapi::Ipapi::new(&config.ipapi_url, caller.clone())),
            weather,
            cat_fact: Arc::new(catfact::CatFactNinja::new(&config.catfact_url, caller)),
            _stand_in: None,
        })
    }

    /// Makes the adapters as [`new`](Self::new) does. Starts the stand-in before, if the configuration is offline.
    ///
    /// # Errors
    /// Also returns an error when the stand-in gets no port.
    pub async fn start(config: &Config, tries: Tries) -> io::Result<Self> {
        if !config.offline {
            return Self::new(config, tries);
        }
        let stand_in = StandIn::start().await?;
        tracing::info!(url = stand_in.url(), "offline mode: stand-in sources started");
        let sources = Self::new(&stand_in.override_urls(config), tries)?;
        Ok(Self { _stand_in: Some(Arc::new(stand_in)), ..sources })
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// The reasons to reject an answer.
#[derive(Debug, thiserror::Error)]
enum InvalidAnswer {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Value(#[from] InvalidValue),
    #[error("an unknown unit {0:?}")]
    Unit(String),
    /// The source reports an error, with this text.
    #[error("{0:?}")]
    SourceError(String),
    #[error("nothing in {0}")]
    Missing(&'static str),
}

impl InvalidAnswer {
    fn to_failure(&self) -> SourceFault {
        SourceFault::WrongShape(self.to_string().chars().take(MAX_REASON_CHARS).collect())
    }
}

/// Calls a source, and converts its answer (`R`, the source's own format) into a part.
async fn fetch<R: DeserializeOwned, T>(
    caller: &Caller,
    url: &str,
    query: &[(&str, &str)],
    read: impl FnOnce(R) -> Result<T, InvalidAnswer>,
) -> Result<Fetched<T>, SourceError> {
    let Answer { body, attempts } = caller.get(url, query).await?;
    parse(&body, read).map(|value| Fetched { value, attempts }).map_err(|invalid| {
        let fault = invalid.to_failure();
        tracing::warn!(url, %fault, "source answer rejected");
        SourceError { fault, attempts }
    })
}

fn parse<R: DeserializeOwned, T>(
    body: &[u8],
    read: impl FnOnce(R) -> Result<T, InvalidAnswer>,
) -> Result<T, InvalidAnswer> {
    read(serde_json::from_slice(body)?)
}
