//! Money as integer minor units, as Stripe has them: cents of a dollar, but whole yen, which have no smaller
//! unit. So 500 in `jpy` is ¥500, and 500 in `usd` is $5.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A number of minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(u64);

impl Amount {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn new(minor_units: u64) -> Self {
        Self(minor_units)
    }

    #[must_use]
    pub const fn minor_units(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The currencies the provider takes. Their order is that of their sums in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Currency {
    Usd,
    Eur,
    Gbp,
    Mxn,
    Cad,
    Aud,
    Nzd,
    Chf,
    Sek,
    Nok,
    Dkk,
    Pln,
    Czk,
    Brl,
    Inr,
    Sgd,
    Hkd,
    Jpy,
    Krw,
}

impl Currency {
    pub const ALL: [Self; 19] = [
        Self::Usd,
        Self::Eur,
        Self::Gbp,
        Self::Mxn,
        Self::Cad,
        Self::Aud,
        Self::Nzd,
        Self::Chf,
        Self::Sek,
        Self::Nok,
        Self::Dkk,
        Self::Pln,
        Self::Czk,
        Self::Brl,
        Self::Inr,
        Self::Sgd,
        Self::Hkd,
        Self::Jpy,
        Self::Krw,
    ];

    /// The ISO 4217 code in lower case, as Stripe writes it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Eur => "eur",
            Self::Gbp => "gbp",
            Self::Mxn => "mxn",
            Self::Cad => "cad",
            Self::Aud => "aud",
            Self::Nzd => "nzd",
            Self::Chf => "chf",
            Self::Sek => "sek",
            Self::Nok => "nok",
            Self::Dkk => "dkk",
            Self::Pln => "pln",
            Self::Czk => "czk",
            Self::Brl => "brl",
            Self::Inr => "inr",
            Self::Sgd => "sgd",
            Self::Hkd => "hkd",
            Self::Jpy => "jpy",
            Self::Krw => "krw",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one of usd, eur, gbp, mxn, cad, aud, nzd, chf, sek, nok, dkk, pln, czk, brl, inr, sgd, hkd, jpy, krw, in any case"
)]
pub struct UnknownCurrency;

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        Self::ALL
            .into_iter()
            .find(|currency| currency.code().eq_ignore_ascii_case(text))
            .ok_or(UnknownCurrency)
    }
}

/// So many minor units of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money {
    pub amount: Amount,
    pub currency: Currency,
}

impl Money {
    /// Another amount in the same currency.
    #[must_use]
    pub const fn with_amount(self, amount: Amount) -> Self {
        Self { amount, currency: self.currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_currency_is_read_from_its_code_in_any_case_and_nothing_else_is() {
        for currency in Currency::ALL {
            for text in [currency.code().to_owned(), currency.code().to_uppercase()] {
                assert_eq!(text.parse(), Ok(currency));
            }
            assert!(UnknownCurrency.to_string().contains(currency.code()));
            let stored = serde_json::to_string(&currency).unwrap();
            assert_eq!(stored, format!("{:?}", currency.code()));
            assert_eq!(serde_json::from_str::<Currency>(&stored).unwrap(), currency);
        }
        assert_eq!("Usd".parse(), Ok(Currency::Usd));
        for bad in ["", "us", "usdt", " usd", "xxx"] {
            assert_eq!(bad.parse::<Currency>(), Err(UnknownCurrency), "{bad:?}");
        }
    }

    #[test]
    fn a_difference_below_zero_is_none() {
        assert_eq!(Amount::new(1).checked_sub(Amount::new(2)), None);
        assert_eq!(Amount::new(u64::MAX).checked_add(Amount::new(1)), None);
    }
}
