//! Locations from <https://ipapi.co/api/>, by the internet address of the caller.

use std::net::IpAddr;

use async_trait::async_trait;
use serde::Deserialize;
use service_kit::client::Caller;

use super::{InvalidAnswer, fetch};
use crate::{Coordinates, Fetched, Location, LocationSource, SourceError, SourceFault};

/// The reason of an error that a later attempt can avoid.
const RATE_LIMITED: &str = "RateLimited";

pub struct Ipapi {
    url: String,
    caller: Caller,
}

impl Ipapi {
    pub fn new(base_url: &str, caller: Caller) -> Self {
        Self { url: format!("{base_url}/json/"), caller }
    }
}

/// An answer with a success status, which can be an error all the same.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Error { error: bool, reason: String },
    Location(serde_json::Value),
}

#[derive(Deserialize)]
struct Body {
    ip: IpAddr,
    city: String,
    region: String,
    country_code: String,
    latitude: f64,
    longitude: f64,
    timezone: String,
}

enum ParsedAnswer {
    Location(Location),
    RateLimited,
}

fn read(answer: Answer) -> Result<ParsedAnswer, InvalidAnswer> {
    let body: Body = match answer {
        Answer::Error { error: true, reason } if reason == RATE_LIMITED => {
            return Ok(ParsedAnswer::RateLimited);
        }
        Answer::Error { error: true, reason } => return Err(InvalidAnswer::SourceError(reason)),
        Answer::Error { .. } => return Err(InvalidAnswer::Missing("an answer with only a reason")),
        Answer::Location(body) => serde_json::from_value(body)?,
    };
    Ok(ParsedAnswer::Location(Location {
        ip: body.ip,
        city: body.city.parse()?,
        region: body.region.parse()?,
        country: body.country_code.parse()?,
        coordinates: Coordinates::new(body.latitude, body.longitude)?,
        timezone: body.timezone.parse()?,
    }))
}

#[async_trait]
impl LocationSource for Ipapi {
    async fn locate(&self) -> Result<Fetched<Location>, SourceError> {
        let Fetched { value, attempts } = fetch(&self.caller, &self.url, &[], read).await?;
        match value {
            ParsedAnswer::Location(value) => Ok(Fetched { value, attempts }),
            ParsedAnswer::RateLimited => {
                Err(SourceError { fault: SourceFault::RateLimited { retry_after: None }, attempts })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parse, *};

    const VIENNA: &str = r#"{
        "ip": "192.0.2.7", "network": "192.0.2.0/24", "version": "IPv4", "city": "Vienna", "region": "Vienna",
        "region_code": "9", "country": "AT", "country_name": "Austria", "country_code": "AT", "in_eu": true,
        "postal": "1010", "latitude": 48.2085, "longitude": 16.3721, "timezone": "Europe/Vienna",
        "utc_offset": "+0100", "currency": "EUR", "asn": "AS64496", "org": "EXAMPLE"
    }"#;

    fn error_of(body: &str) -> String {
        parse(body.as_bytes(), read).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_location_is_read() {
        let Ok(ParsedAnswer::Location(location)) = parse(VIENNA.as_bytes(), read) else {
            panic!("no location")
        };
        assert_eq!((location.city.as_str(), location.country.as_str()), ("Vienna", "AT"));
        assert_eq!((location.coordinates.latitude(), location.coordinates.longitude()), (48.2085, 16.3721));
        assert_eq!(location.timezone.as_str(), "Europe/Vienna");
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        assert_eq!(
            error_of(
                r#"{"ip": "127.0.0.1", "error": true, "reason": "Reserved IP Address", "reserved": true}"#
            ),
            r#""Reserved IP Address""#
        );
    }

    #[test]
    fn a_rate_limit_with_status_200_is_a_rate_limit() {
        let body = r#"{"error": true, "reason": "RateLimited", "message": "…"}"#;
        assert!(matches!(parse(body.as_bytes(), read), Ok(ParsedAnswer::RateLimited)));
    }

    #[test]
    fn invalid_values_are_rejected() {
        assert_eq!(
            error_of(&VIENNA.replace("48.2085", "148.2085")),
            "148.2085 is not a latitude; it must be -90 to 90"
        );
        assert_eq!(error_of(&VIENNA.replace(r#""city": "Vienna""#, r#""city": """#)), "a text is empty");
        assert!(error_of(&VIENNA.replace("192.0.2.7", "here")).contains("IP address"));
        assert!(error_of(&VIENNA.replace(r#""timezone": "Europe/Vienna","#, "")).contains("`timezone`"));
        assert!(error_of("[]").contains("expected struct Body"), "{}", error_of("[]"));
        assert!(error_of(r#"{"ip": "#).contains("EOF"));
    }
}
