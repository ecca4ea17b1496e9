//! The parameters of a request: a form with brackets, in the body or in the query.

use std::collections::BTreeMap;

use service_kit::problem::Problem;

use super::problems::{self, StripeCode};
use crate::{
    shared::{ids::OrderId, money::Amount},
    stripe::domain::Fields,
};

/// The largest amount that Stripe accepts, in minor units.
const MAX_AMOUNT: u64 = 99_999_999;
/// The most brackets in a name. Deeper members would overflow the stack of those who read them.
const MAX_DEPTH: usize = 8;
/// The limits of metadata.
const MAX_METADATA: usize = 50;
const MAX_METADATA_KEY: usize = 40;
const MAX_METADATA_VALUE: usize = 500;

/// The parameters that are not read yet, by their names in the form.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a form.
    ///
    /// # Errors
    /// Fails if a name is nested too deeply.
    pub fn parse(form: &[u8]) -> Result<Self, Problem> {
        let params: Vec<(String, String)> = form_urlencoded::parse(form).into_owned().collect();
        match params.iter().find(|(name, _)| name.matches('[').count() > MAX_DEPTH) {
            Some((name, _)) => {
                let root = name.split('[').next().unwrap_or_default();
                let why = format!("Invalid {root}: it is nested deeper than {MAX_DEPTH} levels.");
                Err(problems::invalid(StripeCode::ParameterInvalid, root, why))
            }
            None => Ok(Self(params)),
        }
    }

    /// Returns the same text for the same parameters in any order.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut pairs = self.0.clone();
        // A list keeps its order, since the sort is stable.
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// Returns a parameter without reading it.
    #[must_use]
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads a text. An empty one is there, too: it removes an attribute.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let value = self.peek(name).map(str::to_owned);
        self.0.retain(|(known, _)| known != name);
        value
    }

    /// Reads a text that isn't empty.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).filter(|text| !text.is_empty())
    }

    /// # Errors
    /// Fails if the parameter is missing or empty.
    pub fn required(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name).ok_or_else(|| problems::parameter_missing(name))
    }

    /// # Errors
    /// Fails if the parameter is neither `true` nor `false`.
    pub fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(problems::invalid(
                StripeCode::ParameterInvalidBoolean,
                name,
                format!("Invalid boolean: {other}"),
            )),
        }
    }

    /// # Errors
    /// Fails if the parameter is not an integer.
    pub fn integer(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let invalid = |_| {
            problems::invalid(StripeCode::ParameterInvalidInteger, name, format!("Invalid integer: {text}"))
        };
        text.parse().map(Some).map_err(invalid)
    }

    /// Reads an amount of at least one minor unit.
    ///
    /// # Errors
    /// Fails if the parameter is not such an amount.
    pub fn amount(&mut self, name: &str) -> Result<Option<Amount>, Problem> {
        let Some(units) = self.integer(name)? else { return Ok(None) };
        match u64::try_from(units) {
            Ok(units @ 1..=MAX_AMOUNT) => Ok(Some(Amount::new(units))),
            Ok(1..) => Err(problems::invalid(
                StripeCode::AmountTooLarge,
                name,
                format!("Amount must be no more than {MAX_AMOUNT} minor units"),
            )),
            _ => Err(problems::invalid(
                StripeCode::ParameterInvalidInteger,
                name,
                "This value must be greater than or equal to 1.".to_owned(),
            )),
        }
    }

    /// # Errors
    /// Fails if the parameter has another value.
    pub fn one_of<T: std::str::FromStr>(&mut self, name: &str, known: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let invalid = |_| {
            let why = format!("Invalid {name}: must be one of {known}");
            problems::invalid(StripeCode::ParameterInvalid, name, why)
        };
        text.parse().map(Some).map_err(invalid)
    }

    /// Reads `name[]`, `name[0]` and further members.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let open = format!("{name}[");
        let is_member = |known: &str| {
            let index = known.strip_prefix(&open).and_then(|rest| rest.strip_suffix(']'));
            index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let mut members: Vec<_> = self.0.extract_if(.., |(known, _)| is_member(known)).collect();
        let index = |name: &str| name[open.len()..name.len() - 1].parse::<u64>().unwrap_or(u64::MAX);
        members.sort_by_key(|(name, _)| index(name));
        members.into_iter().map(|(_, value)| value).collect()
    }

    /// Reads everything under `name[…]`, with the names in the form.
    pub fn members(&mut self, name: &str) -> Fields {
        let open = format!("{name}[");
        self.0.extract_if(.., |(known, _)| known.starts_with(&open)).collect()
    }

    /// Reads `metadata[…]`, and `metadata=`, which removes all metadata.
    ///
    /// # Errors
    /// Fails if the metadata exceed Stripe's limits.
    pub fn metadata(&mut self) -> Result<Metadata, Problem> {
        let clear = self.take("metadata").is_some_and(|text| text.is_empty());
        let mut entries = BTreeMap::new();
        for (name, value) in self.members("metadata") {
            let key = name.trim_start_matches("metadata[").trim_end_matches(']').to_owned();
            if key.is_empty() || key.len() > MAX_METADATA_KEY || value.chars().count() > MAX_METADATA_VALUE {
                let why = format!(
                    "Metadata keys have up to {MAX_METADATA_KEY} characters, and values up to {MAX_METADATA_VALUE}."
                );
                return Err(problems::invalid(StripeCode::ParameterInvalid, &name, why));
            }
            entries.insert(key, value);
        }
        if entries.len() > MAX_METADATA {
            let why = format!("You can specify up to {MAX_METADATA} metadata keys.");
            return Err(problems::invalid(StripeCode::ParameterInvalid, "metadata", why));
        }
        Ok(Metadata { clear, entries })
    }

    /// Returns the order in `metadata[order_id]`.
    ///
    /// # Errors
    /// Fails if it is no order id.
    pub fn order(&self) -> Result<Option<OrderId>, Problem> {
        const NAME: &str = "metadata[order_id]";
        let Some(text) = self.peek(NAME).filter(|text| !text.is_empty()) else { return Ok(None) };
        let invalid = |error| {
            let why = format!("fake-stripe-chaos names the order by {NAME}, which {error}");
            problems::invalid(StripeCode::ParameterInvalid, NAME, why)
        };
        text.parse().map(Some).map_err(invalid)
    }

    /// Ends the reading. Parameters that Stripe knows and this provider ignores are allowed.
    ///
    /// # Errors
    /// Fails if there is an unknown parameter.
    pub fn finish(self, ignored: &[&str]) -> Result<(), Problem> {
        let root = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
        let unknown = self.0.into_iter().find(|(name, _)| !ignored.contains(&root(name).as_str()));
        match unknown {
            Some((name, _)) => Err(problems::invalid(
                StripeCode::ParameterUnknown,
                &name,
                format!("Received unknown parameter: {name}"),
            )),
            None => Ok(()),
        }
    }
}

/// Changes of metadata.
#[derive(Debug, Default)]
pub struct Metadata {
    clear: bool,
    entries: BTreeMap<String, String>,
}

impl Metadata {
    /// Returns the metadata after the changes. An empty value removes its key.
    #[must_use]
    pub fn apply(self, mut to: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if self.clear {
            to.clear();
        }
        to.extend(self.entries);
        to.retain(|_, value| !value.is_empty());
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_in_the_order_of_its_indices() {
        let mut params = Params::parse(b"expand[1]=b&expand%5B0%5D=a&types[]=x&types[]=y&other=1").unwrap();
        assert_eq!(params.list("expand"), ["a", "b"]);
        assert_eq!(params.list("types"), ["x", "y"]);
        assert_eq!(params.finish(&[]).unwrap_err().detail(), "Received unknown parameter: other");
    }

    #[test]
    fn the_order_of_parameters_does_not_matter() {
        let canonical = |form: &[u8]| Params::parse(form).unwrap().canonical();
        assert_eq!(canonical(b"b=1&a=%2F"), canonical(b"a=/&b=1"));
        assert_ne!(canonical(b"a=1&a=2"), canonical(b"a=2&a=1"));
    }

    #[test]
    fn metadata_are_added_replaced_and_removed() {
        let before = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let change = |form: &[u8]| Params::parse(form).unwrap().metadata().unwrap().apply(before.clone());
        assert_eq!(change(b"metadata[a]=&metadata[c]=3").into_keys().collect::<Vec<_>>(), ["b", "c"]);
        assert!(change(b"metadata=").is_empty());
    }

    #[test]
    fn an_amount_is_a_positive_integer() {
        let amount =
            |text: &str| Params::parse(format!("amount={text}").as_bytes()).unwrap().amount("amount");
        assert_eq!(amount("1").unwrap(), Some(Amount::new(1)));
        for (text, code) in [
            ("0", "parameter_invalid_integer"),
            ("-1", "parameter_invalid_integer"),
            ("1.5", "parameter_invalid_integer"),
            ("100000000", "amount_too_large"),
        ] {
            assert_eq!(amount(text).unwrap_err().code(), code, "{text}");
        }
    }
}
