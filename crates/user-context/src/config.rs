//! The configuration of the sources, with the same variables in every service.

use std::{convert::Infallible, fmt, time::Duration};

use service_kit::config::{self, Reader, Variable};

const IPAPI_URL: Variable = Variable {
    name: "IPAPI_URL",
    default: Some("https://ipapi.co"),
    meaning: "The base URL of ipapi.co, the source of locations.",
};
const OPEN_METEO_URL: Variable = Variable {
    name: "OPEN_METEO_URL",
    default: Some("https://api.open-meteo.com"),
    meaning: "The base URL of Open-Meteo, the source of the weather that needs no key.",
};
const OPENWEATHER_URL: Variable = Variable {
    name: "OPENWEATHER_URL",
    default: Some("https://api.openweathermap.org"),
    meaning: "The base URL of OpenWeatherMap, the source of the weather that needs a key.",
};
const OPENWEATHER_API_KEY: Variable = Variable {
    name: "OPENWEATHER_API_KEY",
    default: None,
    meaning: "The API key of OpenWeatherMap. With a key, OpenWeatherMap replaces Open-Meteo.",
};
const CATFACT_URL: Variable = Variable {
    name: "CATFACT_URL",
    default: Some("https://catfact.ninja"),
    meaning: "The base URL of catfact.ninja, the source of cat facts.",
};
const SOURCE_TIMEOUT: Variable = Variable {
    name: "SOURCE_TIMEOUT",
    default: Some("3s"),
    meaning: "The time limit of one attempt to call a source of the user context.",
};
const FOUNDER_OFFLINE: Variable = Variable {
    name: "FOUNDER_OFFLINE",
    default: Some("false"),
    meaning: "`true` replaces the sources on the internet by a stand-in on this machine.",
};

/// The environment variables of the sources.
pub const VARIABLES: &[Variable] = &[
    IPAPI_URL,
    OPEN_METEO_URL,
    OPENWEATHER_URL,
    OPENWEATHER_API_KEY,
    CATFACT_URL,
    SOURCE_TIMEOUT,
    FOUNDER_OFFLINE,
];

/// A secret that its debug output hides.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// The addresses of the sources, and the time limit of a call.
#[derive(Debug, Clone)]
pub struct Config {
    pub ipapi_url: String,
    pub open_meteo_url: String,
    pub openweather_url: String,
    pub openweather_api_key: Option<ApiKey>,
    pub catfact_url: String,
    /// The time limit of one attempt.
    pub timeout: Duration,
    /// True replaces all sources by the stand-in.
    pub offline: bool,
}

impl Config {
    /// Reads the configuration, or returns none after an error.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let ipapi_url = reader.read(&IPAPI_URL, config::base_url);
        let open_meteo_url = reader.read(&OPEN_METEO_URL, config::base_url);
        let openweather_url = reader.read(&OPENWEATHER_URL, config::base_url);
        // An error would show the value, so any key is accepted.
        let openweather_api_key =
            reader.read_optional(&OPENWEATHER_API_KEY, |text| Ok::<_, Infallible>(ApiKey::new(text)));
        let catfact_url = reader.read(&CATFACT_URL, config::base_url);
        let timeout = reader.read(&SOURCE_TIMEOUT, config::positive_duration);
        let offline = reader.read(&FOUNDER_OFFLINE, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be `true` or `false`"),
        });
        Some(Self {
            ipapi_url: ipapi_url?,
            open_meteo_url: open_meteo_url?,
            openweather_url: openweather_url?,
            openweather_api_key: openweather_api_key?,
            catfact_url: catfact_url?,
            timeout: timeout?,
            offline: offline?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_api_key() {
        let lookup = |name: &str| (name == "OPENWEATHER_API_KEY").then(|| "hunter2".to_owned());
        let config = Config::read(&mut Reader::new(&lookup)).unwrap();
        assert_eq!(config.openweather_api_key.as_ref().map(ApiKey::expose_secret), Some("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
