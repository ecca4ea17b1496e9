//! Where the sources are: the same variables for everyone who asks them.

use std::{convert::Infallible, fmt, time::Duration};

use service_kit::config::{self, Reader, Variable};

const IPAPI_URL: Variable = Variable {
    name: "IPAPI_URL",
    default: Some("https://ipapi.co"),
    meaning: "Where ipapi.co is, which tells locations.",
};
const OPEN_METEO_URL: Variable = Variable {
    name: "OPEN_METEO_URL",
    default: Some("https://api.open-meteo.com"),
    meaning: "Where Open-Meteo is, which tells the weather and needs no key.",
};
const OPENWEATHER_URL: Variable = Variable {
    name: "OPENWEATHER_URL",
    default: Some("https://api.openweathermap.org"),
    meaning: "Where OpenWeatherMap is, which tells the weather to who has a key.",
};
const OPENWEATHER_API_KEY: Variable = Variable {
    name: "OPENWEATHER_API_KEY",
    default: None,
    meaning: "A key of OpenWeatherMap: with it the weather comes from there instead of Open-Meteo.",
};
const CATFACT_URL: Variable = Variable {
    name: "CATFACT_URL",
    default: Some("https://catfact.ninja"),
    meaning: "Where catfact.ninja is.",
};
const SOURCE_TIMEOUT: Variable = Variable {
    name: "SOURCE_TIMEOUT",
    default: Some("3s"),
    meaning: "How long one try to ask a source of the user context may take.",
};
const FOUNDER_OFFLINE: Variable = Variable {
    name: "FOUNDER_OFFLINE",
    default: Some("false"),
    meaning: "`true` asks a stand-in on this machine instead of the sources on the internet.",
};

/// What is read of the environment.
pub const VARIABLES: &[Variable] = &[
    IPAPI_URL,
    OPEN_METEO_URL,
    OPENWEATHER_URL,
    OPENWEATHER_API_KEY,
    CATFACT_URL,
    SOURCE_TIMEOUT,
    FOUNDER_OFFLINE,
];

/// A secret: it can be sent, and not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Where the sources are and how long they are waited for.
#[derive(Debug, Clone)]
pub struct Config {
    pub ipapi_url: String,
    pub open_meteo_url: String,
    pub openweather_url: String,
    pub openweather_api_key: Option<ApiKey>,
    pub catfact_url: String,
    /// Of one try.
    pub timeout: Duration,
    /// Whether the stand-in is asked in place of all of them.
    pub offline: bool,
}

impl Config {
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let ipapi_url = reader.read(&IPAPI_URL, config::base_url);
        let open_meteo_url = reader.read(&OPEN_METEO_URL, config::base_url);
        let openweather_url = reader.read(&OPENWEATHER_URL, config::base_url);
        // A fault would show the value, so a key has none.
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
    fn a_key_is_not_shown() {
        let lookup = |name: &str| (name == "OPENWEATHER_API_KEY").then(|| "hunter2".to_owned());
        let config = Config::read(&mut Reader::new(&lookup)).unwrap();
        assert_eq!(config.openweather_api_key.as_ref().map(ApiKey::reveal), Some("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
