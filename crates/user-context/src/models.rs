//! The parts of a user context. Their constructors check every value of a source once.

use std::{fmt, net::IpAddr, str::FromStr};

/// A value that a part can't have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidValue {
    #[error("a text is empty")]
    Empty,
    #[error("a text has more than {} characters", Text::MAX_CHARS)]
    TooLong,
    #[error("a text has a control character")]
    Control,
    #[error("{0} is not a latitude; it must be -90 to 90")]
    Latitude(f64),
    #[error("{0} is not a longitude; it must be -180 to 180")]
    Longitude(f64),
    #[error("{0} °C is not a temperature on Earth; it must be -130 to 130")]
    Temperature(f64),
    #[error("{0} % is not a humidity; it must be 0 to 100")]
    Humidity(f64),
    #[error("{0} m/s is not a wind speed; it must be 0 to 150")]
    WindSpeed(f64),
}

/// A trimmed text of 1 to 1000 characters, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text(String);

impl Text {
    const MAX_CHARS: usize = 1000;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for Text {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let text = text.trim();
        if text.is_empty() {
            Err(InvalidValue::Empty)
        } else if text.chars().nth(Self::MAX_CHARS).is_some() {
            Err(InvalidValue::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(InvalidValue::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A point on the Earth, in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    latitude: f64,
    longitude: f64,
}

impl Coordinates {
    /// Checks the ranges of both values.
    ///
    /// # Errors
    /// Returns an error for a latitude outside -90 to 90, or a longitude outside -180 to 180.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, InvalidValue> {
        if !(-90.0..=90.0).contains(&latitude) {
            Err(InvalidValue::Latitude(latitude))
        } else if !(-180.0..=180.0).contains(&longitude) {
            Err(InvalidValue::Longitude(longitude))
        } else {
            Ok(Self { latitude, longitude })
        }
    }

    #[must_use]
    pub const fn latitude(&self) -> f64 {
        self.latitude
    }

    #[must_use]
    pub const fn longitude(&self) -> f64 {
        self.longitude
    }
}

/// The location of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    pub ip: IpAddr,
    pub city: Text,
    pub region: Text,
    /// ISO 3166-1, two letters.
    pub country: Text,
    pub coordinates: Coordinates,
    /// A name of the IANA time zone database.
    pub timezone: Text,
}

/// Degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Celsius(f64);

impl Celsius {
    /// Checks the range, which includes wind chill and heat index.
    ///
    /// # Errors
    /// Returns an error outside -130 to 130.
    pub fn new(degrees: f64) -> Result<Self, InvalidValue> {
        if (-130.0..=130.0).contains(&degrees) {
            Ok(Self(degrees))
        } else {
            Err(InvalidValue::Temperature(degrees))
        }
    }

    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

/// Relative humidity, in whole percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// Rounds to whole percent.
    ///
    /// # Errors
    /// Returns an error outside 0 to 100.
    pub fn new(percent: f64) -> Result<Self, InvalidValue> {
        if (0.0..=100.0).contains(&percent) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the check before it limits it to 0 to 100"
            )]
            Ok(Self(percent.round() as u8))
        } else {
            Err(InvalidValue::Humidity(percent))
        }
    }

    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// A wind speed in metres per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetresPerSecond(f64);

impl MetresPerSecond {
    /// Rounds to hundredths.
    ///
    /// # Errors
    /// Returns an error below 0 or above 150. The strongest gust ever measured had 113.
    pub fn new(speed: f64) -> Result<Self, InvalidValue> {
        if (0.0..=150.0).contains(&speed) {
            Ok(Self((speed * 100.0).round() / 100.0))
        } else {
            Err(InvalidValue::WindSpeed(speed))
        }
    }

    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

/// The current weather.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    pub description: Text,
    pub temperature: Celsius,
    pub feels_like: Celsius,
    pub humidity: Percent,
    pub wind_speed: MetresPerSecond,
}

/// A cat fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatFact {
    pub fact: Text,
    /// The name of the source.
    pub source: &'static str,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_trimmed_and_has_1_to_1000_printable_characters() {
        assert_eq!(" Vienna ".parse::<Text>().unwrap().as_str(), "Vienna");
        assert_eq!("  ".parse::<Text>(), Err(InvalidValue::Empty));
        assert_eq!("ä".repeat(1000).parse::<Text>().unwrap().as_str().chars().count(), 1000);
        assert_eq!("ä".repeat(1001).parse::<Text>(), Err(InvalidValue::TooLong));
        assert_eq!("a\u{1b}[2Jb".parse::<Text>(), Err(InvalidValue::Control));
    }

    #[test]
    fn the_poles_and_the_date_line_are_valid_coordinates() {
        for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
            assert!(Coordinates::new(latitude, longitude).is_ok());
        }
        assert_eq!(Coordinates::new(90.1, 0.0), Err(InvalidValue::Latitude(90.1)));
        assert_eq!(Coordinates::new(0.0, -180.1), Err(InvalidValue::Longitude(-180.1)));
    }

    #[test]
    fn humidity_is_rounded_to_whole_percent() {
        assert_eq!(Percent::new(64.5).map(Percent::value), Ok(65));
        assert_eq!(Percent::new(100.4), Err(InvalidValue::Humidity(100.4)));
    }

    proptest! {
        #[test]
        fn any_number_is_checked_without_a_panic(number: f64) {
            let finite = |value: f64| value.is_finite();
            prop_assert!(Coordinates::new(number, number).is_ok_and(|c| finite(c.latitude())) || !(-90.0..=90.0).contains(&number));
            prop_assert!(Celsius::new(number).map_or(true, |c| finite(c.value())));
            prop_assert!(Percent::new(number).map_or(true, |p| p.value() <= 100));
            prop_assert!(MetresPerSecond::new(number).map_or(true, |s| finite(s.value())));
        }
    }
}
