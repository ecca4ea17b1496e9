//! Defines currencies, and amounts as people write them. Only this module turns decimals into minor
//! units.

use std::{fmt, str::FromStr};

use rust_decimal::Decimal;
use service_kit::json::{Faults, FromJson, Node};

/// Limits an amount in minor units: 999 999.99 of most currencies.
pub const MAX_AMOUNT: u64 = 99_999_999;

/// A currency that the provider takes, by its ISO 4217 code in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    code: &'static str,
    /// Counts the decimals of its major unit.
    exponent: u32,
}

const fn of(code: &'static str, exponent: u32) -> Currency {
    Currency { code, exponent }
}

/// The provider's list. Left out are those whose minor unit is disputed or has gone, `huf` and `isk` say.
const CURRENCIES: [Currency; 19] = [
    of("usd", 2),
    of("eur", 2),
    of("gbp", 2),
    of("mxn", 2),
    of("cad", 2),
    of("aud", 2),
    of("nzd", 2),
    of("chf", 2),
    of("sek", 2),
    of("nok", 2),
    of("dkk", 2),
    of("pln", 2),
    of("czk", 2),
    of("brl", 2),
    of("inr", 2),
    of("sgd", 2),
    of("hkd", 2),
    of("jpy", 0),
    of("krw", 0),
];

impl Currency {
    pub const USD: Self = of("usd", 2);

    pub const fn code(self) -> &'static str {
        self.code
    }

    /// Returns the number of minor units in a major one.
    pub fn units(self) -> Decimal {
        Decimal::from(10_u64.pow(self.exponent))
    }

    /// Returns the amount as a decimal of its major unit, with all its decimals.
    pub fn major(self, amount: u64) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(amount), self.exponent)
    }

    /// Returns the amount as the API writes it: a JSON number in the major unit.
    pub fn number(self, amount: u64) -> Option<serde_json::Number> {
        serde_json::from_str(&self.major(amount).to_string()).ok()
    }

    /// Reads an amount of at least one minor unit, without fractions of one.
    pub fn amount(self, node: &Node<'_>, faults: &mut Faults) -> Option<u64> {
        let units = node.decimal(faults)?.checked_mul(self.units());
        match units {
            Some(units) if !units.is_integer() && self.exponent == 0 => {
                node.fault(faults, format!("must have no decimals in {self}"))
            }
            Some(units) if !units.is_integer() => {
                node.fault(faults, format!("must have at most {} decimals", self.exponent))
            }
            Some(units) if units < Decimal::ONE => {
                node.fault(faults, format!("must be at least {}", self.major(1)))
            }
            Some(units) if units <= Decimal::from(MAX_AMOUNT) => u64::try_from(units).ok(),
            _ => node.fault(faults, format!("must be at most {}", self.major(MAX_AMOUNT))),
        }
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        CURRENCIES
            .into_iter()
            .find(|known| known.code.eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("must be one of {}", CURRENCIES.map(Self::code).join(", ")))
    }
}

impl FromJson for Currency {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.parse(faults)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_read_in_any_case_and_an_unknown_one_names_the_known() {
        assert_eq!("USD".parse(), Ok(Currency::USD));
        assert_eq!("Jpy".parse::<Currency>().map(|yen| yen.exponent), Ok(0));
        for unknown in ["", "yen", "huf", "us", "usd "] {
            assert!(
                unknown.parse::<Currency>().unwrap_err().starts_with("must be one of usd, eur"),
                "{unknown}"
            );
        }
    }

    #[test]
    fn an_amount_is_written_in_the_major_unit_of_its_currency() {
        let yen: Currency = "jpy".parse().unwrap();
        assert_eq!(yen.number(5990).unwrap().to_string(), "5990");
        assert_eq!(Currency::USD.number(5998).unwrap().to_string(), "59.98");
        assert_eq!(Currency::USD.number(5).unwrap().to_string(), "0.05");
    }
}
