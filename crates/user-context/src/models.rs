//! The parts of a user's context. Whatever a source says is checked once, where it becomes one of these.

use std::{fmt, net::IpAddr, str::FromStr};

/// What can't be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Implausible {
    #[error("a text is empty")]
    Empty,
    #[error("a text has more than {} characters", Text::LONGEST)]
    TooLong,
    #[error("a text has a control character")]
    Control,
    #[error("{0} is no latitude")]
    Latitude(f64),
    #[error("{0} is no longitude")]
    Longitude(f64),
    #[error("{0} °C is no weather")]
    Temperature(f64),
    #[error("{0} % is no humidity")]
    Humidity(f64),
    #[error("{0} m/s is no wind")]
    WindSpeed(f64),
}

/// 1 to 1000 characters for people to read, none of them a control character; trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text(String);

impl Text {
    const LONGEST: usize = 1000;

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
    type Err = Implausible;

    fn from_str(text: &str) -> Result<Self, Implausible> {
        let text = text.trim();
        if text.is_empty() {
            Err(Implausible::Empty)
        } else if text.chars().nth(Self::LONGEST).is_some() {
            Err(Implausible::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(Implausible::Control)
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
    /// # Errors
    /// A latitude outside -90 to 90, a longitude outside -180 to 180.
    pub fn new(latitude: f64, longitude: f64) -> Result<Self, Implausible> {
        if !(-90.0..=90.0).contains(&latitude) {
            Err(Implausible::Latitude(latitude))
        } else if !(-180.0..=180.0).contains(&longitude) {
            Err(Implausible::Longitude(longitude))
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

/// Where a user is.
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
    /// # Errors
    /// What was never felt on Earth: outside -130 to 130, wind chill and sultriness counted.
    pub fn new(degrees: f64) -> Result<Self, Implausible> {
        if (-130.0..=130.0).contains(&degrees) {
            Ok(Self(degrees))
        } else {
            Err(Implausible::Temperature(degrees))
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
    /// Rounded to whole percent.
    ///
    /// # Errors
    /// Outside 0 to 100.
    pub fn new(percent: f64) -> Result<Self, Implausible> {
        if (0.0..=100.0).contains(&percent) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 100 fits, as was just checked"
            )]
            Ok(Self(percent.round() as u8))
        } else {
            Err(Implausible::Humidity(percent))
        }
    }

    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// A wind's speed, to the hundredth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetresPerSecond(f64);

impl MetresPerSecond {
    /// # Errors
    /// Below 0 or above 150 (the strongest gust ever measured had 113).
    pub fn new(speed: f64) -> Result<Self, Implausible> {
        if (0.0..=150.0).contains(&speed) {
            Ok(Self((speed * 100.0).round() / 100.0))
        } else {
            Err(Implausible::WindSpeed(speed))
        }
    }

    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

/// The weather now.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    pub description: Text,
    pub temperature: Celsius,
    pub feels_like: Celsius,
    pub humidity: Percent,
    pub wind_speed: MetresPerSecond,
}

/// Something about cats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatFact {
    pub fact: Text,
    /// Who says so.
    pub source: &'static str,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_trimmed_and_neither_empty_nor_endless_nor_raw() {
        assert_eq!(" Vienna ".parse::<Text>().unwrap().as_str(), "Vienna");
        assert_eq!("  ".parse::<Text>(), Err(Implausible::Empty));
        assert_eq!("ä".repeat(1000).parse::<Text>().unwrap().as_str().chars().count(), 1000);
        assert_eq!("ä".repeat(1001).parse::<Text>(), Err(Implausible::TooLong));
        assert_eq!("a\u{1b}[2Jb".parse::<Text>(), Err(Implausible::Control));
    }

    #[test]
    fn the_poles_and_the_date_line_are_on_the_earth() {
        for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
            assert!(Coordinates::new(latitude, longitude).is_ok());
        }
        assert_eq!(Coordinates::new(90.1, 0.0), Err(Implausible::Latitude(90.1)));
        assert_eq!(Coordinates::new(0.0, -180.1), Err(Implausible::Longitude(-180.1)));
    }

    #[test]
    fn humidity_is_whole_percent() {
        assert_eq!(Percent::new(64.5).map(Percent::value), Ok(65));
        assert_eq!(Percent::new(100.4), Err(Implausible::Humidity(100.4)));
    }

    proptest! {
        #[test]
        fn whatever_number_a_source_gives_is_checked_without_a_panic(number: f64) {
            let finite = |value: f64| value.is_finite();
            prop_assert!(Coordinates::new(number, number).is_ok_and(|c| finite(c.latitude())) || !(-90.0..=90.0).contains(&number));
            prop_assert!(Celsius::new(number).map_or(true, |c| finite(c.value())));
            prop_assert!(Percent::new(number).map_or(true, |p| p.value() <= 100));
            prop_assert!(MetresPerSecond::new(number).map_or(true, |s| finite(s.value())));
        }
    }
}
