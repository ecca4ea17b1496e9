//! The adapters: each asks one source over HTTP and believes nothing of what it says.

mod catfact;
mod ipapi;
mod open_meteo;
mod open_weather_map;

use std::{fmt, io, sync::Arc};

use serde::de::DeserializeOwned;
use service_kit::client::{Answer, Caller, Tries};

use crate::{
    CatFactSource, Config, Fetched, Implausible, LocationSource, SourceError, SourceFault, WeatherSource,
    stand_in::StandIn,
};

/// No source has more to say.
const LARGEST_BODY: usize = 256 * 1024;
/// Of what is wrong with an answer; it quotes the answer.
const LONGEST_REASON: usize = 160;

/// One adapter a port, as configured.
#[derive(Clone)]
pub struct Sources {
    pub location: Arc<dyn LocationSource>,
    pub weather: Arc<dyn WeatherSource>,
    pub cat_fact: Arc<dyn CatFactSource>,
    /// Stops with the last of these.
    _stand_in: Option<Arc<StandIn>>,
}

impl Sources {
    /// The sources at the configured addresses. Each question is tried as often as the caller says: one who
    /// retries by its own means wants [`Tries::ONCE`].
    ///
    /// # Errors
    /// When no HTTP client can be made on this machine.
    pub fn new(config: &Config, tries: Tries) -> io::Result<Self> {
        let caller = Caller::new(config.timeout, tries, LARGEST_BODY).map_err(io::Error::other)?;
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

    /// As [`new`](Self::new), after starting the stand-in where the configuration wants it.
    ///
    /// # Errors
    /// Also when the stand-in gets no port.
    pub async fn start(config: &Config, tries: Tries) -> io::Result<Self> {
        if !config.offline {
            return Self::new(config, tries);
        }
        let stand_in = StandIn::start().await?;
        tracing::info!(url = stand_in.url(), "offline: a stand-in answers for the sources");
        let sources = Self::new(&stand_in.instead_of(config), tries)?;
        Ok(Self { _stand_in: Some(Arc::new(stand_in)), ..sources })
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// What makes an answer one that wasn't agreed upon.
#[derive(Debug, thiserror::Error)]
enum Unexpected {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Value(#[from] Implausible),
    #[error("an unknown unit {0:?}")]
    Unit(String),
    /// The source's own word for it.
    #[error("{0:?}")]
    Refusal(String),
    #[error("nothing in {0}")]
    Nothing(&'static str),
}

impl Unexpected {
    fn fault(&self) -> SourceFault {
        SourceFault::WrongShape(self.to_string().chars().take(LONGEST_REASON).collect())
    }
}

/// Asks, and turns the answer (`R`, as the source writes it) into the part.
async fn ask<R: DeserializeOwned, T>(
    caller: &Caller,
    url: &str,
    query: &[(&str, &str)],
    read: impl FnOnce(R) -> Result<T, Unexpected>,
) -> Result<Fetched<T>, SourceError> {
    let Answer { body, attempts } = caller.get(url, query).await?;
    parse(&body, read).map(|value| Fetched { value, attempts }).map_err(|unexpected| {
        let fault = unexpected.fault();
        tracing::warn!(url, %fault, "a source's answer is of no use");
        SourceError { fault, attempts }
    })
}

fn parse<R: DeserializeOwned, T>(
    body: &[u8],
    read: impl FnOnce(R) -> Result<T, Unexpected>,
) -> Result<T, Unexpected> {
    read(serde_json::from_slice(body)?)
}
