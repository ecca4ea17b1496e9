//! Locations from <https://ipapi.co/api/>: of the address that asks.

use std::net::IpAddr;

use async_trait::async_trait;
use serde::Deserialize;
use service_kit::client::Caller;

use super::{Unexpected, ask};
use crate::{Coordinates, Fetched, Location, LocationSource, SourceError, SourceFault};

/// What an error is called that a later try may not meet.
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

/// Errors come with a success's status too.
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

enum Said {
    Location(Location),
    RateLimited,
}

fn read(answer: Answer) -> Result<Said, Unexpected> {
    let body: Body = match answer {
        Answer::Error { error: true, reason } if reason == RATE_LIMITED => return Ok(Said::RateLimited),
        Answer::Error { error: true, reason } => return Err(Unexpected::Refusal(reason)),
        Answer::Error { .. } => return Err(Unexpected::Nothing("an answer that has only a reason")),
        Answer::Location(body) => serde_json::from_value(body)?,
    };
    Ok(Said::Location(Location {
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
        let Fetched { value, attempts } = ask(&self.caller, &self.url, &[], read).await?;
        match value {
            Said::Location(value) => Ok(Fetched { value, attempts }),
            Said::RateLimited => {
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

    fn fault(body: &str) -> String {
        parse(body.as_bytes(), read).err().map(|unexpected| unexpected.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_location_is_read() {
        let Ok(Said::Location(location)) = parse(VIENNA.as_bytes(), read) else { panic!("no location") };
        assert_eq!((location.city.as_str(), location.country.as_str()), ("Vienna", "AT"));
        assert_eq!((location.coordinates.latitude(), location.coordinates.longitude()), (48.2085, 16.3721));
        assert_eq!(location.timezone.as_str(), "Europe/Vienna");
    }

    #[test]
    fn an_error_with_a_ok_status_is_an_error() {
        assert_eq!(
            fault(r#"{"ip": "127.0.0.1", "error": true, "reason": "Reserved IP Address", "reserved": true}"#),
            r#""Reserved IP Address""#
        );
    }

    #[test]
    fn a_rate_limit_with_a_ok_status_is_a_rate_limit() {
        let body = r#"{"error": true, "reason": "RateLimited", "message": "…"}"#;
        assert!(matches!(parse(body.as_bytes(), read), Ok(Said::RateLimited)));
    }

    #[test]
    fn values_that_can_not_be_are_faults() {
        assert_eq!(fault(&VIENNA.replace("48.2085", "148.2085")), "148.2085 is no latitude");
        assert_eq!(fault(&VIENNA.replace(r#""city": "Vienna""#, r#""city": """#)), "a text is empty");
        assert!(fault(&VIENNA.replace("192.0.2.7", "here")).contains("IP address"));
        assert!(fault(&VIENNA.replace(r#""timezone": "Europe/Vienna","#, "")).contains("`timezone`"));
        assert!(fault("[]").contains("expected struct Body"), "{}", fault("[]"));
        assert!(fault(r#"{"ip": "#).contains("EOF"));
    }
}
